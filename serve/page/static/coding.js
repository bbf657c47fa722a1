// Labelling blind: the transcript alone, one's own label for each turn, nobody else's in sight.

import { $, announce, clock, el, fill, isShortcut, said, words } from "./dom.js";
import { inWords, roleName, sign } from "./codebook.js";
import { judgingForm } from "./judging.js";
import { reviewer } from "./room.js";

const view = $('[data-view="coding"]');
const list = $("[data-turns]", view);
let session = null;
let current = null;
let form = null;

// Turns that can be labelled: somebody else's, or without words, cannot.
export const codable = (turn) =>
  ["client", "therapist"].includes(turn.speaker) && turn.unlabelled_reason !== "no_words";

export function setUp() {
  $("[data-rest]", view).addEventListener("click", rest);
  $("[data-compare]", view).addEventListener("click", () => {
    if (session.judgements.size) location.hash = `#/compare/${session.key}`;
    else announce(words.code_some);
  });
  const notes = $("[data-notes]", view);
  notes.addEventListener("input", () => (session.notes = notes.value));
  document.addEventListener("keydown", onKey);
}

export function show(given) {
  session = given;
  $("h1 bdi", view).textContent = session.title;
  $("[data-facts]", view).textContent = session.facts;
  $("[data-notes]", view).value = session.notes;
  list.replaceChildren(...session.turns.map(item));
  const first = session.turns.findIndex(
    (turn, place) => codable(turn) && !session.judgements.has(place),
  );
  showProgress();
  select(first === -1 ? session.turns.findIndex(codable) : first, { focus: false });
}

function item(turn, place) {
  const open = codable(turn);
  return el(
    "li",
    { class: turn.speaker, "data-turn": place },
    el(
      open ? "button" : "div",
      open ? { type: "button", class: "line", on: { click: () => select(place) } } : { class: "line" },
      el("span", { class: "line-no" }, String(place)),
      turn.start_ms == null ? null : el("span", { class: "line-at" }, clock(turn.start_ms)),
      el("bdi", { class: "line-who" }, roleName(turn.speaker)),
      said(turn.text, "span", { class: "line-words" }),
      el("span", { class: "line-own" }, open ? mark(place) : ""),
    ),
  );
}

function mark(place) {
  const own = session.judgements.get(place);
  return own ? el("span", {}, sign(own.label), " ", inWords(own.label, own.marker)) : "";
}

function select(place, { focus = true, scroll = true } = {}) {
  if (place < 0) return;
  current = place;
  for (const row of list.children) row.classList.toggle("is-selected", Number(row.dataset.turn) === place);
  for (const button of list.querySelectorAll(".line")) {
    button.removeAttribute("aria-current");
  }
  const row = list.children[place].querySelector(".line");
  row.setAttribute("aria-current", "true");
  const turn = session.turns[place];
  $("[data-turn-name]", view).replaceChildren(
    `${fill(words.turn, { turn: place })} · `,
    roleName(turn.speaker),
  );
  form = judgingForm({
    role: turn.speaker,
    given: session.judgements.get(place),
    change: (judgement) => store(place, judgement),
  });
  $("[data-form]", view).replaceChildren(form.element);
  $(".desk", view).scrollTop = 0;
  if (focus) row.focus({ preventScroll: true });
  if (scroll) row.scrollIntoView({ block: "nearest" });
}

function store(place, judgement) {
  session.judgements.set(place, { turn: place, who: reviewer(), ...judgement });
  session.unsaved = true;
  list.children[place].querySelector(".line-own").replaceChildren(mark(place));
  showProgress();
}

function next(step = 1) {
  let place = current + step;
  while (session.turns[place] && !codable(session.turns[place])) place += step;
  if (session.turns[place]) select(place);
}

function onKey(event) {
  if (view.hidden) return;
  if (event.key === "Enter" && event.target.closest?.(".judging") && !event.target.matches("textarea")) {
    event.preventDefault();
    next();
    return;
  }
  if (!isShortcut(event)) return;
  const arrows = event.target.type !== "radio";
  if (/^\d$/.test(event.key)) {
    if (form.press(Number(event.key)) === "done") next();
  } else if (event.key === "j" || (event.key === "ArrowDown" && arrows)) next();
  else if (event.key === "k" || (event.key === "ArrowUp" && arrows)) next(-1);
  else return;
  event.preventDefault();
}

function rest() {
  const open = session.turns.flatMap((turn, place) =>
    codable(turn) && !session.judgements.has(place) ? [place] : [],
  );
  for (const place of open) store(place, { label: "neutral", marker: "N", note: "" });
  announce(fill(words.rest_done, { count: open.length }));
  select(current);
}

function showProgress() {
  const count = session.turns.filter(codable).length;
  const done = session.judgements.size;
  $("[data-done]", view).textContent = fill(words.coded, { done, count });
  const bar = $("progress", view);
  bar.max = count || 1;
  bar.value = done;
}
