// What this window holds: who is here, the sessions that were opened, the playlist. Nothing of it
// is written anywhere unless the person saves it or keeps it in the store.

import { post, put } from "./server.js";

export const room = {
  state: null, // what /page/state says
  preview: null, // {sessions} of the file that was dropped
  sessions: new Map(), // opened sessions by key
  moments: [], // the playlist
  showing: null, // what the presenter shows: {moments, back}
};

const NAME = "alliance-reviewer";

// The name of a person's labels is no health data, and must be the same after a reload.
export function reviewer() {
  return localStorage.getItem(NAME)?.trim() || room.state?.who || "me";
}

export function setReviewer(name) {
  const given = name.trim().slice(0, 64);
  if (given && given !== room.state?.who) localStorage.setItem(NAME, given);
  else localStorage.removeItem(NAME);
}

// key: its address in this page; request: as POST /v1/sessions takes it, if it can be stored.
export function openSession({ key, id, title = id, facts = "", turns, model = [], stored = null, request = null, shown = null, annotations = [] }) {
  const session = {
    key,
    id,
    title,
    facts,
    turns,
    model: new Map(model.filter((turn) => turn.label).map((turn) => [turn.turn, turn])),
    stored,
    request,
    shown,
    said: annotations, // everybody's judgements: {turn, who, label, marker, note}
    judgements: new Map(), // this reviewer's, by turn
    notes: "",
    unsaved: false,
  };
  takeOwn(session);
  room.sessions.set(key, session);
  return session;
}

// Which of everybody's judgements are this reviewer's; called again when the name changes.
export function takeOwn(session) {
  for (const one of session.said) {
    if (one.who === reviewer()) session.judgements.set(one.turn, one);
  }
}

export const othersOf = (session, turn) =>
  session.said.filter((one) => one.turn === turn && one.who !== reviewer());

// Set what the reviewer says of a turn; stored where the session is.
export async function judge(session, turn, { label, marker = null, note = "" }) {
  const who = reviewer();
  const judgement = { turn, who, label, marker, note };
  if (session.stored && room.state.may.includes("annotate")) {
    const path = `/v1/sessions/${session.stored}/turns/${turn}/annotation`;
    await put(path, { label, marker, note, who });
    session.said = session.said.filter((one) => one.turn !== turn || one.who !== who);
    session.said.push(judgement);
  } else session.unsaved = true;
  session.judgements.set(turn, judgement);
  return judgement;
}

// Keep an opened session in the store, with the labels given so far. Returns its id.
export async function keep(session) {
  const { id } = await post("/v1/sessions", session.request);
  session.stored = id;
  for (const [turn, one] of session.judgements) await judge(session, turn, one);
  session.unsaved = false;
  room.sessions.delete(session.key);
  session.key = `sessions/${id}`;
  room.sessions.set(session.key, session);
  return id;
}

export const hasUnsaved = () => [...room.sessions.values()].some((session) => session.unsaved);
