// The playlist: moments to show and talk about, from any session.

import { $, announce, el, fill, notice, said, words } from "./dom.js";
import { judged, labelOf, markerOf, roleName } from "./codebook.js";
import { loadPlaylist, savePlaylist } from "./files.js";
import { room } from "./room.js";

const view = $('[data-view="playlist"]');
const AROUND = 3;

export function setUp() {
  $("[data-save-playlist]", view).addEventListener("click", () => savePlaylist(room.moments));
  $("[data-present]", view).addEventListener("click", () => present(room.moments, "#/playlist"));
  const input = $("[data-load-playlist]", view);
  input.addEventListener("change", async () => {
    try {
      const moments = await loadPlaylist(input.files[0]);
      room.moments.push(...moments.map(checked));
      announce(fill(words.loaded_moments, { count: moments.length }));
      notice("");
    } catch (failure) {
      notice(failure.message);
    }
    input.value = "";
    show();
  });
}

// A moment of a session: the turn, those around it, and what is revealed of it.
export function momentOf(session, turn, { said: labels, note = "", why = "" }) {
  const first = Math.max(0, turn - AROUND);
  return {
    session: session.title,
    turn,
    turns: session.turns
      .slice(first, turn + AROUND)
      .map(({ speaker, text }, place) => ({ turn: first + place, speaker, text })),
    said: labels,
    note,
    why,
  };
}

export function addMoment(session, turn, reveal) {
  room.moments.push(momentOf(session, turn, reveal));
  count();
  announce(fill(words.in_playlist, { turn }));
}

// A file may hold anything; what is shown of it is taken piece by piece, as text.
function checked(given) {
  const text = (value) => (typeof value === "string" ? value : "");
  const turns = (Array.isArray(given?.turns) ? given.turns : []).map((turn) => ({
    turn: Number(turn?.turn) || 0,
    speaker: text(turn?.speaker),
    text: text(turn?.text),
  }));
  const labels = (Array.isArray(given?.said) ? given.said : [])
    .filter((one) => known(one?.label))
    .map((one) => ({ who: text(one.who), label: one.label, marker: knownCode(one.marker) }));
  return {
    session: text(given?.session),
    turn: Number(given?.turn) || 0,
    turns,
    said: labels,
    note: text(given?.note),
    why: text(given?.why),
  };
}

const known = (label) => Boolean(labelOf(label));
const knownCode = (code) => (markerOf(code) ? code : null);

export function count() {
  const badge = $("[data-playlist-count]");
  badge.hidden = room.moments.length === 0;
  badge.textContent = room.moments.length ? String(room.moments.length) : "";
}

export function present(moments, back) {
  if (!moments.length) return;
  room.showing = { moments, back };
  location.hash = "#/present";
}

export function show() {
  count();
  const none = room.moments.length === 0;
  $("[data-none]", view).hidden = !none;
  $("[data-present]", view).disabled = none;
  $("[data-save-playlist]", view).disabled = none;
  $(".moments", view).replaceChildren(...room.moments.map(item));
}

function item(moment, place) {
  const focal = moment.turns.find((turn) => turn.turn === moment.turn);
  const name = `moment-${place}`;
  const note = el("textarea", { rows: 2, maxlength: 5000, on: { input: () => (moment.note = note.value) } });
  note.value = moment.note;
  const move = (step, title, disabled) =>
    el(
      "button",
      { type: "button", class: "quiet", disabled, "aria-describedby": name, on: { click: () => shift(place, step) } },
      title,
    );
  return el(
    "li",
    { class: "card moment" },
    el(
      "p",
      { class: "small", id: name },
      el("bdi", {}, moment.session),
      ` · ${fill(words.turn, { turn: moment.turn })} · ${roleName(focal?.speaker ?? "")}`,
    ),
    said(focal?.text ?? "", "blockquote"),
    el("p", {}, moment.said.map((one) => el("span", { class: "voice" }, el("bdi", {}, one.who), ": ", judged(one.label, one.marker)))),
    el("label", { class: "note" }, words.moment_note, note),
    el(
      "p",
      { class: "actions" },
      move(-1, words.moment_up, place === 0),
      move(1, words.moment_down, place === room.moments.length - 1),
      el("button", { type: "button", class: "quiet", "aria-describedby": name, on: { click: () => remove(place) } }, words.moment_remove),
    ),
  );
}

function shift(place, step) {
  const [moment] = room.moments.splice(place, 1);
  room.moments.splice(place + step, 0, moment);
  show();
  view.querySelectorAll(".moment")[place + step].querySelector("button:not([disabled])").focus();
}

function remove(place) {
  room.moments.splice(place, 1);
  show();
  $("h1", view).focus();
}
