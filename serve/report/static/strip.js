// The strip: moves what the server drew, and ties a place on it to a turn.
import { clockTime, element, fixed, sign, signedFixed } from "./session.js";

const SVG = "http://www.w3.org/2000/svg";
const MINUTE = 60000;
const CLOCK_STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 240];
const PAGE = 10; // turns of a page key

export function mountStrip(root, session, { onSelect, textOf }) {
  const area = root.querySelector(".strip-area");
  const plot = area.querySelector(".strip-plot");
  const readout = root.querySelector(".strip-readout");
  const marks = plot.querySelector(".marks");
  const axis = plot.querySelector(".axis");
  const turnAxis = [...axis.children];
  // The k-th mark is the k-th turn that is drawn at all.
  const drawn = [...Array(session.count).keys()].filter(
    (turn) => session.letter(turn) !== "-" || session.speaker(turn).role === "other",
  );
  const uses = [...marks.children];
  // Or, where turns are many, one path for each lane and label.
  const ticks = [...marks.querySelectorAll(".ticks path")];
  let edges = turnEdges();
  let current = 0;

  const cursor = document.createElementNS(SVG, "line");
  cursor.setAttribute("class", "cursor");
  cursor.setAttribute("y1", "16");
  const bottom = Number(plot.dataset.axis) - 13;
  cursor.setAttribute("y2", String(bottom));
  cursor.setAttribute("visibility", "hidden");
  plot.insertBefore(cursor, marks);

  const slider = element("div", {
    class: "strip-slider",
    role: "slider",
    tabindex: "0",
    "aria-label": root.querySelector(".strip-box").dataset.position,
    "aria-valuemin": "0",
    "aria-valuemax": String(Math.max(0, session.count - 1)),
    "aria-valuenow": "0",
  });
  if (session.count) area.append(slider);

  function turnEdges() {
    const all = session.count || 1;
    return Array.from({ length: session.count }, (_, turn) => [turn / all, (turn + 1) / all]);
  }

  function clockEdges() {
    const turns = session.island.turns;
    const ends = turns.map(([, start, end], turn) => end ?? turns[turn + 1]?.[1] ?? start);
    const whole = Math.max(1, ...ends);
    return turns.map(([, start], turn) => [start / whole, Math.max(ends[turn], start) / whole]);
  }

  const percent = (share) => `${(100 * share).toFixed(2)}%`;
  const middle = (turn) => (edges[turn][0] + edges[turn][1]) / 2;

  function place(turn) {
    return Math.max(0, Math.min(session.count - 1, turn));
  }

  function nearest(x) {
    const box = plot.getBoundingClientRect();
    const share = (x - box.left) / box.width;
    let [low, high] = [0, session.count - 1];
    while (low < high) {
      const half = (low + high + 1) >> 1;
      if (edges[half][0] <= share) low = half;
      else high = half - 1;
    }
    return place(low);
  }

  function point(turn, { quiet = false } = {}) {
    current = place(turn);
    const x = percent(middle(current));
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.setAttribute("visibility", "visible");
    slider.setAttribute("aria-valuenow", String(current));
    slider.setAttribute("aria-valuetext", session.describe(current));
    if (!quiet) tellTurn(current);
  }

  function tellTurn(turn) {
    const found = session.labelOf(turn);
    const level = session.island.level[turn];
    let label = session.say("no_label");
    if (found?.abstained) label = session.say("abstains", { label: found.label.title });
    else if (found) label = `${found.label.title} ${fixed(found.p)}`;
    readout.replaceChildren(
      element("b", {}, String(turn)),
      " ",
      element("bdi", {}, session.speaker(turn).name),
      " ",
      sign(session.letter(turn), session),
      label,
      level ? ` · ${session.say("level", { value: signedFixed(level[0] / 1000) })}` : "",
      " · ",
      element("bdi", { class: "said" }, textOf(turn)),
    );
  }

  function setAxis(kind) {
    edges = kind === "clock" ? clockEdges() : turnEdges();
    if (ticks.length) drawTicks();
    else uses.forEach((use, k) => use.setAttribute("x", percent(middle(drawn[k]))));
    for (const group of plot.querySelectorAll(".episodes")) placeEpisodes(group);
    placeLevel();
    axis.replaceChildren(...(kind === "clock" ? clockTicks() : turnAxis));
    if (cursor.getAttribute("visibility") === "visible") point(current, { quiet: true });
    declutter();
  }

  function drawTicks() {
    const parts = new Map(ticks.map((path) => [path.dataset.role + path.dataset.letter, []]));
    for (const turn of drawn) {
      const letter = session.letter(turn);
      const kind = letter === letter.toUpperCase() ? letter : "?";
      const x = (middle(turn) * session.count - 0.5).toFixed(2);
      parts.get(session.speaker(turn).role + kind).push(x);
    }
    for (const path of ticks) {
      const { role, letter, y, length } = path.dataset;
      path.setAttribute("d", parts.get(role + letter).map((x) => `M${x} ${y}v${length}`).join(""));
    }
  }

  function placeEpisodes(group) {
    const episodes = session.island.labellings[group.dataset.purpose].episodes;
    for (const drawing of group.children) {
      const episode = episodes[drawing.dataset.episode - 1];
      const first = edges[episode.rupture_turns[0]][0];
      const last = episode.rupture_turns.at(-1);
      const end = edges[last][1];
      const [left, right] = drawing.querySelectorAll("line.bracket");
      for (const [line, share] of left ? [[left, first], [right, end]] : []) {
        line.setAttribute("x1", percent(share));
        line.setAttribute("x2", percent(share));
      }
      for (const whole of drawing.querySelectorAll("rect.band, rect.bar, rect.bracket")) {
        whole.setAttribute("x", percent(first));
        whole.setAttribute("width", percent(end - first));
      }
      drawing.querySelectorAll(".stem").forEach((stem, k) => {
        const [from, to] = edges[episode.rupture_turns[k]];
        stem.setAttribute("x", percent(from + 0.15 * (to - from)));
        stem.setAttribute("width", percent(0.7 * (to - from)));
      });
      const told = episode.positive[0] ?? episode.window_end;
      const x = percent(told > last ? middle(told) : end);
      const line = drawing.querySelector(".window"); // none where turns are many
      line?.setAttribute("x1", percent(end));
      line?.setAttribute("x2", x);
      drawing.querySelector(".end").setAttribute("x", x);
      for (const label of drawing.querySelectorAll("text")) {
        if (label.getAttribute("text-anchor") === "start") label.setAttribute("x", percent(first));
      }
    }
  }

  function placeLevel() {
    const { level, level_scale: scale } = session.island;
    const at = (turn, value) =>
      `${(middle(turn) * session.count - 0.5).toFixed(2)} ${Math.round(-value / scale / 10)}`;
    const known = level.flatMap((entry, turn) => (entry ? [turn] : []));
    if (!known.length) return;
    const there = known.map((turn) => at(turn, level[turn][2]));
    const back = known.map((turn) => at(turn, level[turn][1])).reverse();
    plot.querySelector(".level-band").setAttribute("d", `M${[...there, ...back].join(" ")}Z`);
    const line = known.map((turn) => at(turn, level[turn][0]));
    plot.querySelector(".level-line").setAttribute("d", `M${line.join(" ")}`);
  }

  function clockTicks() {
    const turns = session.island.turns;
    const whole = Math.max(1, ...turns.map(([, start, end]) => end ?? start));
    const minutes = whole / MINUTE;
    const step = CLOCK_STEPS.find((one) => minutes / one <= 14) ?? 480;
    const major = CLOCK_STEPS.find((one) => one % step === 0 && minutes / one <= 5) ?? 480;
    const made = [];
    for (let at = 0; at <= minutes; at += step) {
      const kind = at % major === 0 ? "tick" : "tick minor";
      const x = percent((at * MINUTE) / whole);
      const base = Number(plot.dataset.axis);
      const line = document.createElementNS(SVG, "line");
      const text = document.createElementNS(SVG, "text");
      for (const [name, value] of [["x1", x], ["x2", x], ["y1", base - 13], ["y2", base - 10]]) {
        line.setAttribute(name, value);
      }
      text.setAttribute("x", x);
      text.setAttribute("y", String(base));
      text.textContent = clockTime(at * MINUTE);
      for (const one of [line, text]) one.setAttribute("class", kind);
      made.push(line, text);
    }
    return made;
  }

  // Labels that would be written over each other: the later one gives way.
  function declutter() {
    const shown = plot.querySelector(".episodes:not(.is-off)");
    if (!shown) return;
    const labels = [...shown.querySelectorAll("text")];
    for (const label of labels) label.classList.remove("is-crowded");
    // All are measured before any is hidden: measuring after a change lays everything out again.
    const boxes = labels.map((label) => label.getBoundingClientRect());
    let right = -Infinity;
    boxes.forEach((box, k) => {
      if (!box.width) return; // the other width's label
      if (box.left < right + 4) labels[k].classList.add("is-crowded");
      else right = box.right;
    });
  }

  function update() {
    if (ticks.length) drawTicks();
    else uses.forEach((use, k) => {
      const letter = session.letter(drawn[k]);
      const shape = letter === "-" ? "O" : letter === letter.toUpperCase() ? letter : "Q";
      const href = `#g-${shape}`;
      if (use.getAttribute("href") !== href) use.setAttribute("href", href);
    });
    for (const group of plot.querySelectorAll(".episodes")) {
      group.classList.toggle("is-off", group.dataset.purpose !== session.purpose);
    }
    declutter();
  }

  // While it sticks to the top it goes without the level, and the axis moves up into its place.
  const fold = bottom - Number(plot.dataset.level) - 2;
  const box = root.querySelector(".strip-box");
  box.style.setProperty("--fold", `${fold}px`);
  const above = element("div", {});
  box.before(above);
  const sticking = new IntersectionObserver(([seen]) => {
    const folded =
      getComputedStyle(box).position === "sticky" &&
      !seen.isIntersecting &&
      seen.boundingClientRect.top < 0;
    box.classList.toggle("is-folded", folded);
    cursor.setAttribute("y2", String(folded ? bottom - fold : bottom));
  });
  sticking.observe(above);

  area.addEventListener("pointermove", (event) => point(nearest(event.clientX)));
  area.addEventListener("click", (event) => {
    point(nearest(event.clientX));
    onSelect(current, { scroll: true });
  });
  slider.addEventListener("keydown", (event) => {
    const steps = {
      ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -PAGE, PageUp: PAGE,
      Home: -session.count, End: session.count,
    };
    if (event.key === "Enter") onSelect(current, { scroll: true, focus: true });
    else if (event.key in steps) {
      point(current + steps[event.key]);
      onSelect(current, { scroll: "beside" });
    } else return;
    event.preventDefault();
  });
  function stop() {
    watcher.disconnect();
    sticking.disconnect();
  }

  const watcher = new ResizeObserver(() => declutter());
  watcher.observe(area);
  point(0, { quiet: true });
  cursor.setAttribute("visibility", "hidden");

  return { point, setAxis, update, stop };
}
