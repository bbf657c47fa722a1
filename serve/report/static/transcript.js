// The transcript: labels that follow the purpose, and the details of one turn.
import { element, fixed } from "./session.js";

export function mountTranscript(root, session, { onOpen, onSelect, onPlay }) {
  const list = root.querySelector(".turns");
  const rows = [...list.children];
  const shownAs = rows.map((_, turn) => session.letter(turn) + session.marker(turn));
  let selected = null;
  let opened = null;

  const buttonOf = (turn) => rows[turn].querySelector(".no");
  const textOf = (turn) => rows[turn].querySelector(".words").textContent.trim();
  const turnOf = (target) => {
    const row = target.closest?.(".turn");
    return row && list.contains(row) ? Number(row.dataset.turn) : null;
  };
  rows.forEach((row, turn) => {
    row.dataset.turn = turn;
    const button = buttonOf(turn);
    button.type = "button";
    button.tabIndex = turn ? -1 : 0; // one of them; arrow keys lead to the others
    button.setAttribute("aria-label", session.say("turn", { turn }));
    button.setAttribute("aria-expanded", "false");
  });

  function update() {
    rows.forEach((row, turn) => {
      const now = session.letter(turn) + session.marker(turn);
      if (now === shownAs[turn]) return;
      shownAs[turn] = now;
      const letter = session.letter(turn);
      row.className = `turn ${session.speaker(turn).role} ${letter === "-" ? "O" : letter}`;
      row.classList.toggle("is-selected", turn === selected);
      row.querySelector(".turn-mark").replaceChildren(...markOf(turn));
    });
    if (opened !== null) {
      const turn = opened;
      close();
      open(turn);
    }
  }

  function markOf(turn) {
    const found = session.labelOf(turn);
    const letter = session.letter(turn);
    if (found.abstained) return [session.say("abstained")];
    const p = element("span", {}, fixed(found.p));
    const parts = [element("b", {}, letter), ` ${found.label.title} `, p];
    if (found.marker && letter !== "N") {
      const [name, definition] = session.island.markers[found.marker];
      const marker = element("p", {}, name);
      if ("WC".includes(letter)) marker.append(element("small", {}, definition));
      parts.push(marker);
    }
    return parts;
  }

  function select(turn, { scroll = false, focus = false } = {}) {
    if (selected !== null) {
      rows[selected].classList.remove("is-selected");
      buttonOf(selected).tabIndex = -1;
    } else if (rows.length) buttonOf(0).tabIndex = -1;
    selected = turn;
    rows[turn].classList.add("is-selected");
    buttonOf(turn).tabIndex = 0;
    if (focus) buttonOf(turn).focus({ preventScroll: true });
    if (scroll) show(turn);
  }

  // At once, whatever the distance. Rows far off have a guessed height until they are laid out
  // (content-visibility), so the place is put right in the next frame.
  function show(turn) {
    const put = () => rows[turn].scrollIntoView({ block: "center", behavior: "instant" });
    put();
    requestAnimationFrame(put);
  }

  function open(turn) {
    if (opened !== null) close();
    const found = session.labelOf(turn);
    const detail = element("div", { class: "detail" });
    if (found) detail.append(probabilities(turn, found), markerOf(found), whyOf(turn, found));
    if (session.start(turn) !== null) {
      const play = element("button", { type: "button", class: "play" }, session.say("play"));
      play.addEventListener("click", () => onPlay(turn));
      detail.append(play);
    }
    opened = turn;
    rows[turn].append(detail);
    rows[turn].classList.add("is-open");
    buttonOf(turn).setAttribute("aria-expanded", "true");
    onOpen(turn, detail);
  }

  function close() {
    rows[opened].querySelector(".detail").remove();
    rows[opened].classList.remove("is-open");
    buttonOf(opened).setAttribute("aria-expanded", "false");
    opened = null;
  }

  function probabilities(turn, found) {
    const bars = element("div", { class: "bars" });
    session.probabilities(turn).forEach((p, place) => {
      const label = session.island.labels[place];
      const bar = element("span", { class: `bar ${label.letter}` });
      bar.style.width = `${p / 10}%`;
      bars.append(
        element(
          "div",
          { class: label === found.label ? "is-label" : "" },
          element("span", { class: "name" }, label.title),
          element("span", { class: "track", "aria-hidden": "true" }, bar),
          element("span", { class: "p" }, fixed(p / 1000)),
        ),
      );
    });
    return field(session.say("probabilities"), bars);
  }

  function markerOf(found) {
    if (!found.marker) return "";
    const [name, definition] = session.island.markers[found.marker];
    return field(
      session.say("marker"),
      element("b", {}, `${found.marker} ${name}`),
      ` ${fixed(found.pMarker)}`,
      element("p", {}, definition),
    );
  }

  function whyOf(turn, found) {
    const why = session.island.why[turn];
    if (!why || why.label !== found.letter) {
      return field(session.say("why"), element("p", { class: "quiet" }, session.say("why_unknown")));
    }
    const told = [];
    if (why.words.length) told.push(element("p", {}, session.say("why_words"), ": ", phrases(turn)));
    if (why.turns.length) {
      const links = why.turns.flatMap((one) => [
        element("a", { href: `#turn-${one.turn}` }, String(one.turn)),
        ` (${fixed(one.effect)})  `,
      ]);
      told.push(element("p", {}, session.say("why_turns"), ": ", ...links));
    }
    if (!told.length) told.push(element("p", {}, session.say("why_none")));
    told.push(element("p", { class: "quiet" }, session.say("why_note")));
    return field(session.say("why"), ...told);
  }

  // The marked words, as they stand in the text: no offsets are counted here, where they would be
  // others than the server's beyond the basic plane.
  function phrases(turn) {
    const marked = [...rows[turn].querySelectorAll(".words mark")].map((one) => one.textContent);
    return marked.map((one) => `“${one}”`).join(" ");
  }

  function field(name, ...content) {
    return element("div", { class: "field" }, element("h4", {}, name), ...content);
  }

  list.addEventListener("click", (event) => {
    const turn = turnOf(event.target);
    if (turn === null || event.target.closest(".detail, a") || isTextMarked()) return;
    const again = opened === turn && event.target.closest(".no");
    onSelect(turn);
    if (again) close();
    else if (opened !== turn) open(turn);
  });
  list.addEventListener("keydown", (event) => {
    const turn = turnOf(event.target);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (turn === null || !step || !event.target.matches(".no")) return;
    let next = turn + step;
    while (rows[next]?.hidden) next += step;
    if (!rows[next]) return;
    event.preventDefault();
    onSelect(next, { focus: true, scroll: true });
  });

  function isTextMarked() {
    return String(document.getSelection()).length > 0;
  }

  return {
    rows, textOf, turnOf, update, select, show,
    open: (turn) => opened !== turn && open(turn),
    close: () => opened !== null && close(),
    get opened() {
      return opened;
    },
    get selected() {
      return selected;
    },
  };
}
