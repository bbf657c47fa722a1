// A learner's labels beside the settled coding's, a trainer's and the model's.

import { $, all, el, fill, notice, said, words } from "./dom.js";
import { judged, markerOf, roleName } from "./codebook.js";
import { loadCoding, saveCoding } from "./files.js";
import { addMoment } from "./playlist.js";
import { post } from "./server.js";
import { reviewer } from "./room.js";

const view = $('[data-view="comparison"]');
let session = null;

export function setUp() {
  $("[data-again]", view).addEventListener("click", () => (location.hash = `#/label/${session.key}`));
  $("[data-see-timeline]", view).addEventListener("click", () => (location.hash = `#/${session.key}`));
  for (const button of all("[data-save]", view)) {
    button.addEventListener("click", () => {
      saveCoding(session, reviewer(), button.dataset.save);
      session.unsaved = false;
    });
  }
  const input = $("[data-load-coding]", view);
  input.addEventListener("change", async () => {
    try {
      const loaded = await loadCoding(input.files[0], session, (code) => markerOf(code)?.label);
      session.trainers = [...(session.trainers ?? []).filter((one) => one.who !== loaded.who), loaded];
      notice("");
      await show(session);
    } catch (failure) {
      notice(failure.message);
    }
    input.value = "";
  });
}

// Everybody's codings by a name: the learner's first, then people's, the model's last.
function codings() {
  const own = [...session.judgements].map(([turn, one]) => pick(turn, one));
  const people = new Map();
  for (const one of session.trainers ?? []) people.set(one.who, one.turns);
  for (const one of session.said) {
    if (one.who === reviewer()) continue;
    if (!people.has(one.who)) people.set(one.who, []);
    people.get(one.who).push(pick(one.turn, one));
  }
  const model = [...session.model].map(([turn, one]) => pick(turn, one));
  const named = [...people].slice(0, 3).map(([who, turns]) => {
    const clash = [words.you, words.model].includes(who);
    return { who: clash ? `${who} (2)` : who, turns: turns.map((one) => pick(one.turn, one)) };
  });
  return [{ who: words.you, turns: own }, ...named, { who: words.model, turns: model }];
}

const pick = (turn, { label, marker }) => ({ turn, label, marker: marker ?? null });

export async function show(given) {
  session = given;
  const all = codings();
  const compared = await post("/page/compare", { codings: all });
  $("h1", view).textContent = session.title;
  $("[data-facts]", view).textContent = session.facts;
  $("[data-shows]", view).textContent = session.shows ?? "";
  $("[data-see-timeline]", view).hidden = !session.shown;
  $("[data-seen]", view).hidden = !session.key.startsWith("teaching/");
  $("tbody", view).replaceChildren(...compared.agreements.map(agreementRow));
  const { differences } = compared;
  $("[data-count]", view).textContent = fill(words.differences, {
    count: differences.length,
    turns: session.judgements.size,
  });
  $("[data-none]", view).hidden = differences.length > 0;
  $(".differences", view).replaceChildren(...differences.map(difference));
}

const figure = (value) => (value === null ? words.kappa_none : value.toFixed(2).replace("-", "−"));
const share = (value) => (value === null ? words.kappa_none : `${Math.round(value * 100)}%`);

function agreementRow(one) {
  const number = (text) => el("td", { class: "number" }, text);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, fill(words.pair, { one: one.first, other: one.second })),
    number(String(one.turns)),
    number(share(one.same)),
    number(figure(one.kappa)),
    number(figure(one.ac1)),
    number(figure(one.rupture_kappa)),
    number(
      one.marker_turns
        ? fill(words.marker_count, { share: share(one.same_marker), count: one.marker_turns })
        : words.kappa_none,
    ),
  );
}

function difference({ turn, said: voices }) {
  const spoken = session.turns[turn];
  const before = session.turns[turn - 1];
  const own = session.judgements.get(turn);
  const why = session.reasons?.[turn];
  const labels = Object.entries(voices).map(([who, one]) => ({ who, ...one }));
  return el(
    "li",
    { class: "card difference" },
    before ? el("p", { class: "before" }, el("span", { class: "who" }, roleName(before.speaker)), " ", said(before.text, "span")) : null,
    el(
      "p",
      { class: "spoken" },
      el("span", { class: "small" }, `${fill(words.turn, { turn })} · ${roleName(spoken.speaker)}`),
      said(spoken.text, "span"),
    ),
    el(
      "dl",
      { class: "voices" },
      labels.map((one) => el("div", {}, el("dt", {}, el("bdi", {}, one.who)), el("dd", {}, judged(one.label, one.marker)))),
    ),
    own?.note ? said(own.note, "p", { class: "small" }) : null,
    why ? el("p", { class: "why" }, el("b", {}, words.why), " ", why) : null,
    el(
      "button",
      { type: "button", class: "quiet", on: { click: () => addMoment(session, turn, { said: labels, note: own?.note ?? "", why: why ?? "" }) } },
      words.to_playlist,
    ),
  );
}
