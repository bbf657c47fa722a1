// A timeline with its review: the model's label, one's own and other people's, side by side.

import { $, all, announce, el, fill, isShortcut, notice, said, words } from "./dom.js";
import { inWords, judged, labelOfLetter, sign } from "./codebook.js";
import { saveCoding } from "./files.js";
import { judgingForm } from "./judging.js";
import { addMoment } from "./playlist.js";
import { judge, keep, othersOf, reviewer, room, setReviewer, takeOwn } from "./room.js";
import { get, post } from "./server.js";
import { mountTimeline } from "./timeline.js";

const view = $('[data-view="timeline"]');
const place = $("[data-timeline]", view);
const field = $("[data-reviewer]", view);
let session = null;
let handle = null;
let selected = null;
let purpose = null; // whose thresholds were chosen in the timeline, if any
let open = null; // {turn, block}: where the details stand that were opened last
const drafts = new Map(); // forms by turn, begun and neither saved nor cancelled

export function setUp() {
  field.addEventListener("change", () => {
    setReviewer(field.value);
    field.value = reviewer();
    session.judgements.clear();
    takeOwn(session);
    showMarks();
    if (open && isOpen(open.turn)) fillBlock();
  });
  for (const button of all("[data-save]", view)) {
    button.addEventListener("click", () => {
      saveCoding(session, reviewer(), button.dataset.save);
      session.unsaved = false;
    });
  }
  $("[data-store-it]", view).addEventListener("click", storeIt);
  place.addEventListener("alliance:select", (event) => (selected = event.detail.turn));
  place.addEventListener("alliance:purpose", (event) => {
    purpose = event.detail.purpose;
    showMarks();
  });
  place.addEventListener("alliance:detail", (event) => {
    const { turn, element } = event.detail;
    open = { turn, block: el("section", { class: "review", "aria-label": words.review }) };
    element.prepend(open.block);
    fillBlock();
  });
  document.addEventListener("keydown", onKey);
}

export function show(given) {
  session = given;
  selected = open = purpose = null;
  drafts.clear();
  $("h1 bdi", view).textContent = session.title;
  $("[data-facts]", view).textContent = session.facts;
  field.value = reviewer();
  mount();
  $("[data-store-it]", view).hidden =
    session.stored || !session.request || !room.state.store || !room.state.may.includes("label");
}

function mount() {
  // The server made this HTML and escaped every word of the transcript in it.
  place.innerHTML = session.shown.html;
  handle?.destroy?.();
  handle = mountTimeline($(".timeline", place));
  if (session.stored && !$(".purposes", place) && room.state.may.includes("label")) {
    $(".top", place).append(
      el("button", { type: "button", on: { click: otherThresholds } }, words.thresholds),
    );
  }
  showMarks();
}

// A session is stored as it was labelled for one purpose; the model reads it again for the others.
async function otherThresholds({ target }) {
  const asked = session;
  target.disabled = true;
  announce(words.busy);
  try {
    const { html } = await get(`/page/sessions/${session.stored}/purposes`);
    asked.shown = { ...asked.shown, html };
    if (session !== asked || view.hidden) return;
    const [turn, form] = [selected, open && isOpen(open.turn) ? open.turn : null];
    mount();
    if (form !== null) $(`#turn-${form} .no`, place).click();
    else if (turn !== null) handle.select(turn);
    $("[name=purpose]:checked", place).focus({ preventScroll: true });
    announce(words.thresholds_ready);
  } catch (failure) {
    target.disabled = false;
    notice(failure.message);
  }
}

function onKey(event) {
  if (view.hidden || !isShortcut(event)) return;
  if (/^\d$/.test(event.key) && open?.form && isOpen(open.turn)) open.form.press(Number(event.key));
  else if (/^[wc]$/i.test(event.key)) goTo(event.key.toUpperCase(), event.shiftKey ? -1 : 1);
  else if (event.key === "d") withTurn(disagree);
  else if (event.key === "a") withTurn(agree);
  else if (event.key === "m") withTurn(toPlaylist);
  else return;
  event.preventDefault();
}

function withTurn(act) {
  if (selected === null) announce(words.select_first);
  else if (!modelOf(selected)) announce(fill(words.no_label, { turn: selected }));
  else act(selected);
}

const isOpen = (turn) => open?.turn === turn && open.block.isConnected;

// What the model says under the thresholds that are chosen now; null for a turn without a label.
function modelOf(turn) {
  const found = handle.labelOf(turn);
  return (
    found && { label: found.label.key, marker: found.marker || null, abstained: found.abstained }
  );
}

// To the next turn with a label, by the label's letter; those left out on which the model abstains.
function goTo(letter, step) {
  const { title } = labelOfLetter(letter);
  const count = session.turns.length;
  for (let turn = (selected ?? (step > 0 ? -1 : count)) + step; turn >= 0 && turn < count; turn += step) {
    const found = handle.labelOf(turn);
    if (found?.letter !== letter || found.abstained) continue;
    handle.select(turn, { scroll: true, focus: true });
    announce(fill(words.jumped, { label: title, turn }));
    return;
  }
  announce(fill(words.none_left, { label: title }));
}

function disagree(turn) {
  if (!isOpen(turn)) $(`#turn-${turn} .no`, place).click();
  fillBlock({ edit: true });
}

async function agree(turn) {
  const { label, marker } = modelOf(turn);
  await store(turn, { label, marker, note: session.judgements.get(turn)?.note ?? "" });
}

function toPlaylist(turn) {
  const model = modelOf(turn);
  const own = session.judgements.get(turn);
  const said = [{ who: words.model, label: model.label, marker: model.marker }];
  if (own) said.unshift({ who: reviewer(), label: own.label, marker: own.marker });
  addMoment(session, turn, { said, note: own?.note ?? "" });
}

async function store(turn, judgement) {
  try {
    await judge(session, turn, judgement);
  } catch (failure) {
    if (open?.form) open.form.complain(failure.message);
    else notice(failure.message);
    return;
  }
  drafts.delete(turn);
  const time = new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const status = session.unsaved ? words.kept : fill(words.stored, { who: reviewer(), time });
  showMarks();
  if (isOpen(turn)) {
    fillBlock({ status });
    $("button", open.block)?.focus({ preventScroll: true });
    bring($(`#turn-${turn}`, place));
  }
  announce(`${fill(words.coded_turn, { turn, label: inWords(judgement.label, judgement.marker) })}. ${status}`);
}

function row(title, ...content) {
  return el("div", {}, el("dt", {}, title), el("dd", {}, ...content));
}

function fillBlock({ edit = false, status = "" } = {}) {
  const { turn, block } = open;
  const model = modelOf(turn);
  open.form = drafts.get(turn) ?? null;
  if (!model) {
    block.hidden = true;
    return;
  }
  const own = session.judgements.get(turn);
  const others = othersOf(session, turn);
  const role = session.turns[turn].speaker;
  if (edit && !open.form) {
    open.form = judgingForm({
      role,
      given: own,
      bring: () => bring($(`#turn-${turn}`, place)),
      save: (judgement) => store(turn, judgement),
      cancel: () => {
        drafts.delete(turn);
        fillBlock();
        $("button", open.block)?.focus();
      },
    });
    drafts.set(turn, open.form);
  }
  const button = (name, key, act) =>
    el("button", { type: "button", "aria-keyshortcuts": key, on: { click: act } }, name, " ", el("kbd", { "aria-hidden": "true" }, key));
  block.replaceChildren(
    el(
      "dl",
      { class: "voices" },
      row(
        words.model,
        model.abstained ? `${words.model_abstains} ` : null,
        judged(model.label, model.marker),
      ),
      row(
        words.you,
        own ? judged(own.label, own.marker) : el("span", { class: "small" }, words.nothing_yet),
        own?.note ? said(own.note, "q") : null,
      ),
      others.length
        ? row(
            words.others,
            others.map((one) =>
              el("p", {}, el("bdi", {}, one.who), ": ", judged(one.label, one.marker), one.note ? said(one.note, "q") : null),
            ),
          )
        : null,
    ),
    ...(open.form
      ? [open.form.element]
      : [
          el(
            "p",
            { class: "actions" },
            button(words.disagree, "d", () => disagree(turn)),
            button(words.agree, "a", () => agree(turn)),
            button(words.to_playlist, "m", () => toPlaylist(turn)),
            el("button", { type: "button", on: { click: (event) => ask(turn, event.target) } }, words.why_ask),
          ),
        ]),
    status ? el("p", { class: "small status" }, status) : "",
  );
  if (!edit) return;
  open.form.focus({ preventScroll: true });
  bring($(`#turn-${turn}`, place));
}

// Into sight, at once: the style sheet keeps room for the strip, which may stick to the top.
function bring(element) {
  element.scrollIntoView({ block: "start", behavior: "instant" });
}

// What the model's label rests on; asked for one turn at a time, since it takes seconds.
async function ask(turn, button) {
  const { block } = open;
  const { session: sent, roles } = session.request ?? {};
  const where = session.stored ? { stored: session.stored } : { session: sent, roles };
  button.disabled = true;
  announce(words.why_busy);
  try {
    const told = await post("/page/why", { ...where, turn, ...(purpose ? { purpose } : {}) });
    const phrases = told.phrases.flatMap((phrase) => [" ", said(phrase, "q")]);
    block.append(
      el(
        "div",
        { class: "because", role: "status" },
        phrases.length ? el("p", {}, words.why_words, ...phrases) : null,
        told.turns.length ? el("p", {}, words.why_turns, " ", told.turns.join(", ")) : null,
        phrases.length || told.turns.length ? null : el("p", {}, words.why_nothing),
        el("p", { class: "small" }, words.why_note),
      ),
    );
    button.remove();
  } catch (failure) {
    button.disabled = false;
    notice(failure.message);
  }
}

// What people say, beside the model's label in the transcript: never in its place.
function showMarks() {
  const turns = new Set([...session.judgements.keys(), ...session.said.map((one) => one.turn)]);
  for (const old of all(".own-mark", place)) old.remove();
  for (const turn of turns) {
    const item = $(`#turn-${turn} .turn-mark`, place);
    if (!item) continue;
    const own = session.judgements.get(turn);
    const marks = [...(own ? [[words.you, own]] : []), ...othersOf(session, turn).map((one) => [one.who, one])];
    item.append(
      ...marks.map(([who, one]) =>
        el("span", { class: "own-mark" }, el("bdi", {}, who), ": ", sign(one.label), " ", inWords(one.label, one.marker)),
      ),
    );
  }
  const count = session.judgements.size;
  $("[data-reviewed]", view).textContent = count
    ? fill(words.reviewed, { count })
    : words.reviewed_none;
}

async function storeIt() {
  try {
    await keep(session);
  } catch (failure) {
    notice(failure.message);
    return;
  }
  announce(words.kept_in_store);
  history.replaceState(null, "", `#/${session.key}`);
  $("[data-store-it]", view).hidden = true;
}
