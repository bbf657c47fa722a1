// Who is who: the speakers found in a transcript, a role for each, and what to do then.

import { $, announce, el, fill, notice, said, words } from "./dom.js";
import { post } from "./server.js";
import { keep, openSession, room } from "./room.js";

const view = $('[data-view="roles"]');
const form = $("[data-roles]", view);
const FIRST_TURNS = 8;
const ROLES = ["client", "therapist", "other"];
let opened = 0;
let chosen = null;
let roles = new Map();

export function setUp() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go(event.submitter?.value ?? "show");
  });
  form.elements.session.addEventListener("change", (event) => choose(Number(event.target.value)));
}

export function show() {
  const sessions = room.preview?.sessions ?? [];
  if (!sessions.length) {
    location.hash = "#/";
    return;
  }
  const several = $("[data-several]", view);
  several.hidden = sessions.length === 1;
  $(".small", several).textContent = fill(words.many, { count: sessions.length });
  form.elements.session.replaceChildren(
    ...sessions.map((one, place) => el("option", { value: place }, one.id)),
  );
  $("[data-keep]", view).hidden = !(room.state.store && room.state.may.includes("label"));
  choose(0);
}

function choose(place) {
  chosen = room.preview.sessions[place];
  roles = new Map(chosen.speakers.map((speaker) => [speaker.name, speaker.role ?? roles.get(speaker.name) ?? ""]));
  $("tbody", view).replaceChildren(...chosen.speakers.map(speakerRow));
  $("[data-problem]", view).textContent = "";
  showTurns();
}

function speakerRow(speaker) {
  const select = el(
    "select",
    {
      "aria-label": fill(words.role_of, { name: speaker.name }),
      on: {
        change: () => {
          roles.set(speaker.name, select.value);
          showTurns();
        },
      },
    },
    el("option", { value: "" }, words.roles_choose),
    ROLES.map((role) =>
      el("option", { value: role, selected: roles.get(speaker.name) === role }, words[`role_${role}`]),
    ),
  );
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, el("bdi", {}, speaker.name)),
    el("td", { class: "number" }, String(speaker.turns)),
    el("td", { class: "sample" }, said(speaker.samples[0] ?? "", "q")),
    el("td", {}, select),
  );
}

function showTurns() {
  $(".first-turns ol", view).replaceChildren(
    ...chosen.turns.slice(0, FIRST_TURNS).map((turn) => {
      const role = roles.get(turn.speaker);
      return el(
        "li",
        { class: role || "unknown" },
        el("bdi", { class: "who" }, turn.speaker),
        role ? el("span", { class: "role" }, words[`role_${role}`]) : null,
        said(turn.text),
      );
    }),
  );
}

async function go(how) {
  if (view.classList.contains("is-busy")) return;
  const problem = $("[data-problem]", view);
  const given = [...roles.values()];
  problem.textContent = "";
  if (given.some((role) => !role)) problem.textContent = words.role_missing;
  else if (!given.some((role) => role !== "other")) problem.textContent = words.role_none;
  if (problem.textContent) {
    [...view.querySelectorAll("tbody select")].find((one) => !one.value)?.focus();
    return;
  }
  const request = {
    session: { id: chosen.id, turns: chosen.turns },
    roles: Object.fromEntries(roles),
    include_text: true,
  };
  const busy = $("[data-busy]", view);
  busy.textContent = fill(words.busy_turns, { count: chosen.turns.length });
  announce(busy.textContent);
  view.classList.add("is-busy");
  try {
    const shown = await post("/page/timeline", request);
    const session = openSession({
      key: `opened/${++opened}`,
      id: chosen.id,
      facts: fill(words.turns, { count: chosen.turns.length }),
      turns: shown.timeline.turns,
      model: shown.timeline.turns,
      shown,
      request,
    });
    if (form.elements.keep.checked && !$("[data-keep]", view).hidden) await keep(session);
    location.hash = how === "blind" ? `#/label/${session.key}` : `#/${session.key}`;
  } catch (failure) {
    notice(failure.message);
  } finally {
    view.classList.remove("is-busy");
    busy.textContent = "";
  }
}
