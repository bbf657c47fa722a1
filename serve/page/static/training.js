// The training room: the teaching set, and what a seminar starts with.

import { $, el, fill, notice, words } from "./dom.js";
import { labelOf, markerOf } from "./codebook.js";
import { momentOf, present } from "./playlist.js";
import { get, post } from "./server.js";
import { openSession, room } from "./room.js";

const view = $('[data-view="training"]');
let lessons = null;

export function setUp() {
  $("[data-starter]", view).addEventListener("click", starter);
}

export async function show() {
  lessons ??= (await get("/page/teaching")).sessions;
  $("[data-lessons]", view).replaceChildren(...lessons.map(item));
}

function item(lesson) {
  const session = room.sessions.get(`teaching/${lesson.id}`);
  const begun = session?.judgements.size ?? 0;
  const name = `lesson-${lesson.id}`;
  return el(
    "li",
    { class: "lesson" },
    el("div", {}, el("h3", { id: name }, lesson.title), el("p", { class: "small" }, factsOf(lesson))),
    el(
      "div",
      { class: "lesson-actions" },
      begun ? el("span", { class: "small" }, fill(words.coded, { done: begun, count: lesson.turns.length })) : null,
      el("a", { class: "button", href: `#/label/teaching/${lesson.id}`, "aria-describedby": name }, begun ? words.go_on : words.begin),
      el("button", { type: "button", class: "quiet", "aria-describedby": name, on: { click: () => presentLesson(lesson.id) } }, words.present_session),
    ),
  );
}

const factsOf = (lesson) =>
  `${lesson.setting} · ${fill(words.turns, { count: lesson.turns.length })}`;

// A lesson as it is opened to be labelled: nothing in it tells the codes.
export async function openLesson(id) {
  const key = `teaching/${id}`;
  if (room.sessions.has(key)) return room.sessions.get(key);
  lessons ??= (await get("/page/teaching")).sessions;
  const lesson = lessons.find((one) => one.id === id);
  if (!lesson) throw new Error(words.page_of_none);
  const { title, turns } = lesson;
  const request = { session: { id, turns }, roles: {} };
  return openSession({ key, id, title, facts: factsOf(lesson), turns, request });
}

// What a lesson's coders say of it; asked for only once it may be seen.
async function decode(session) {
  if (session.coding) return session;
  const told = await get(`/page/teaching/${session.id}`);
  session.coding = told.coding;
  session.reasons = told.reasons;
  session.said = told.coding.map((one) => ({
    ...one,
    who: words.settled,
    note: told.reasons[one.turn] ?? "",
  }));
  session.shows = told.shows;
  return session;
}

// That, and what the model says.
export async function unveil(session) {
  await decode(session);
  if (!session.shown) {
    session.shown = await post("/page/timeline", { ...session.request, include_text: true });
    const labelled = session.shown.timeline.turns.filter((turn) => turn.label);
    session.model = new Map(labelled.map((turn) => [turn.turn, turn]));
  }
  return session;
}

function momentsOf(session, turns) {
  const coding = new Map(session.coding.map((one) => [one.turn, one]));
  return turns.map((turn) => {
    const { label, marker } = coding.get(turn);
    return momentOf(session, turn, {
      said: [{ who: words.settled, label, marker }],
      why: session.reasons[turn] ?? "",
    });
  });
}

async function presentLesson(id) {
  try {
    const session = await decode(await openLesson(id));
    const turns = Object.keys(session.reasons).map(Number);
    present(momentsOf(session, turns), "#/training");
  } catch (failure) {
    notice(failure.message);
  }
}

// The playlist's start: the first moment of each rupture marker, in the codebook's order.
async function starter() {
  try {
    const found = new Map();
    for (const { id } of lessons) {
      const session = await decode(await openLesson(id));
      for (const { turn, marker } of session.coding) {
        if (marker && labelOf(markerOf(marker).label).rupture && !found.has(marker)) {
          found.set(marker, momentsOf(session, [turn])[0]);
        }
      }
    }
    room.moments.push(...[...found].sort(([a], [b]) => a.localeCompare(b)).map(([, moment]) => moment));
    location.hash = "#/playlist";
  } catch (failure) {
    notice(failure.message);
  }
}
