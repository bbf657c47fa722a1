// Filters: which turns are in sight.
import { element, NEAR } from "./session.js";

const HIGHLIGHT = "alliance-search";

export function mountFilters(root, session, rows, { onChange }) {
  const form = root.querySelector(".filters");
  const count = root.querySelector(".shown");
  const field = (name) => form.elements.namedItem(name);
  const texts = rows.map((row) => row.querySelector(".words").textContent.toLowerCase());
  form.hidden = false;

  function chosen(name) {
    return new Set([...form.querySelectorAll(`[name=${name}]:checked`)].map((one) => one.value));
  }

  function kindOf(turn) {
    const letter = session.letter(turn);
    return letter === "-" || letter === letter.toUpperCase() ? letter : "?";
  }

  function nearRuptures() {
    const near = new Set();
    for (let turn = 0; turn < session.count; turn += 1) {
      if (!session.isRupture(turn)) continue;
      for (let other = turn - NEAR; other <= turn + NEAR; other += 1) near.add(other);
    }
    return near;
  }

  function apply({ quiet = false } = {}) {
    const labels = chosen("label");
    const speakers = form.querySelector("[name=speaker]") ? chosen("speaker") : null;
    const wanted = field("search").value.trim().toLowerCase();
    const near = field("near").checked ? nearRuptures() : null;
    const episode = session.episodes[Number(field("episode").value) - 1];
    let shown = 0;
    let gap = 0;
    rows.forEach((row, turn) => {
      const seen =
        labels.has(kindOf(turn)) &&
        (!speakers || speakers.has(session.speaker(turn).key)) &&
        (!near || near.has(turn)) &&
        (!episode || (turn >= episode.rupture_turns[0] - 1 && turn <= episode.window_end)) &&
        (!wanted || texts[turn].includes(wanted));
      if (row.hidden === seen) row.hidden = !seen;
      if (!seen) {
        gap += 1;
        return;
      }
      shown += 1;
      if (gap) row.dataset.gap = session.say(gap === 1 ? "gap_one" : "gap", { count: gap });
      else delete row.dataset.gap;
      gap = 0;
    });
    highlight(wanted);
    const key = shown === session.count ? "shown_all" : "shown";
    const told = session.say(key, { shown, count: session.count });
    count.textContent = told;
    onChange(told, quiet);
  }

  // Marks what was found without touching the text, in browsers that know how.
  function highlight(wanted) {
    if (!globalThis.CSS?.highlights) return;
    CSS.highlights.delete(HIGHLIGHT);
    if (!wanted) return;
    const ranges = [];
    for (const row of rows) {
      if (row.hidden) continue;
      const walker = document.createTreeWalker(row.querySelector(".words"), NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const lower = node.data.toLowerCase();
        if (lower.length !== node.data.length) continue; // its places are not the text's
        for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + 1)) {
          const range = new Range();
          range.setStart(node, at);
          range.setEnd(node, at + wanted.length);
          ranges.push(range);
        }
      }
    }
    CSS.highlights.set(HIGHLIGHT, new Highlight(...ranges));
  }

  // The episodes are others under another purpose.
  function update() {
    const choice = field("episode");
    const options = session.episodes.map((episode) =>
      element("option", { value: String(episode.number) },
        `${session.say("episode", { number: episode.number })}: ${episode.span}`),
    );
    choice.replaceChildren(
      element("option", { value: "" }, session.say("whole_session")),
      ...options,
    );
    apply({ quiet: true });
  }

  function reset() {
    form.reset();
    apply();
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => apply());
  form.addEventListener("reset", () => setTimeout(apply)); // the fields change after the event
  update();

  return { apply, update, reset, search: field("search") };
}
