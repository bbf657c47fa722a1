// The presenter's view: one moment at a time in large type, its labels hidden until revealed.

import { $, announce, el, fill, isShortcut, said, words } from "./dom.js";
import { inWords, judged, roleName } from "./codebook.js";
import { room } from "./room.js";

const view = $('[data-view="presenter"]');
const stage = $("[data-stage]", view);
let place = 0;
let revealed = false;

export function setUp() {
  $("[data-previous]", view).addEventListener("click", () => move(-1));
  $("[data-next]", view).addEventListener("click", () => move(1));
  $("[data-reveal]", view).addEventListener("click", reveal);
  $("[data-end]", view).addEventListener("click", end);
  document.addEventListener("keydown", (event) => {
    if (view.hidden || !isShortcut(event)) return;
    const act = {
      ArrowRight: () => move(1),
      PageDown: () => move(1),
      ArrowLeft: () => move(-1),
      PageUp: () => move(-1),
      Escape: end,
      " ": reveal,
    }[event.key];
    // A focused button takes the space itself.
    if (!act || (event.key === " " && event.target.matches("button, a, summary"))) return;
    event.preventDefault();
    act();
  });
}

export function show() {
  if (!room.showing) {
    location.hash = "#/playlist";
    return;
  }
  place = 0;
  draw();
}

const end = () => (location.hash = room.showing.back);

function move(step) {
  const next = place + step;
  if (next < 0 || next >= room.showing.moments.length) return;
  place = next;
  draw();
}

function reveal() {
  if (revealed) return;
  revealed = true;
  stage.classList.add("is-revealed");
  const moment = room.showing.moments[place];
  $(".reveal", stage).replaceChildren(...labelsOf(moment));
  $("[data-reveal]", view).disabled = true;
  $(".reveal", stage).scrollIntoView({ block: "nearest", behavior: "instant" });
  announce(
    [...moment.said.map((one) => `${one.who}: ${inWords(one.label, one.marker)}`), moment.why].join(". "),
  );
}

function labelsOf(moment) {
  return [
    ...moment.said.map((one) =>
      el("p", { class: "voice" }, el("bdi", { class: "small" }, one.who), judged(one.label, one.marker, { long: true })),
    ),
    moment.why ? el("p", { class: "why" }, moment.why) : "",
    moment.note ? said(moment.note, "p", { class: "moment-note" }) : "",
  ];
}

function draw() {
  revealed = false;
  const { moments } = room.showing;
  const moment = moments[place];
  const where = fill(words.moment_of, { number: place + 1, count: moments.length });
  stage.classList.remove("is-revealed");
  $("[data-where]", view).replaceChildren(
    `${where} · `,
    el("bdi", {}, moment.session),
    ` · ${fill(words.turn, { turn: moment.turn })}`,
  );
  $("[data-reveal]", view).disabled = false;
  $("[data-previous]", view).disabled = place === 0;
  $("[data-next]", view).disabled = place === moments.length - 1;
  const lines = moment.turns.map((turn) =>
    el(
      "li",
      { class: turn.turn === moment.turn ? "focal" : turn.turn < moment.turn ? "before" : "after", "aria-current": turn.turn === moment.turn ? "true" : null },
      el("span", { class: "who" }, roleName(turn.speaker)),
      said(turn.text),
    ),
  );
  stage.replaceChildren(el("ol", { role: "list" }, lines), el("div", { class: "reveal" }));
  announce(where);
}
