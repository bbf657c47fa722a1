// The page: which view is shown, by the address's part after #, which no server ever sees.

import { $, all, announce, fill, isShortcut, notice, words } from "./dom.js";
import { get, post, useToken } from "./server.js";
import { hasUnsaved, openSession, room } from "./room.js";
import * as coding from "./coding.js";
import * as comparison from "./comparison.js";
import * as playlist from "./playlist.js";
import * as presenter from "./presenter.js";
import * as review from "./review.js";
import * as roles from "./roles.js";
import * as start from "./start.js";
import * as training from "./training.js";

const LETTERS = "alliance-letters";

async function sessionAt(key) {
  if (room.sessions.has(key)) return room.sessions.get(key);
  const [kind, id] = key.split("/");
  if (kind === "teaching") return training.openLesson(id);
  if (kind !== "sessions") throw new Error(words.page_of_none);
  const found = await get(`/page/sessions/${encodeURIComponent(id)}`);
  return openSession({
    key,
    id: found.given_id,
    facts: fill(words.turns, { count: found.timeline.turns.length }),
    turns: found.timeline.turns,
    model: found.timeline.turns,
    stored: id,
    shown: found,
    annotations: found.annotations,
  });
}

const unveiled = async (key) => {
  const session = await sessionAt(key);
  return key.startsWith("teaching/") ? training.unveil(session) : session;
};

// Each address: its view, the place in the navigation, and what fills it.
const ROUTES = [
  [/^$/, "start", "start", () => start.show()],
  [/^roles$/, "roles", "start", () => roles.show()],
  [/^training$/, "training", "training", () => training.show()],
  [/^playlist$/, "playlist", "playlist", () => playlist.show()],
  [/^present$/, "presenter", "playlist", () => presenter.show()],
  [/^label\/(.+)$/, "coding", "training", async (key) => coding.show(await sessionAt(key))],
  [/^compare\/(.+)$/, "comparison", "training", async (key) => comparison.show(await unveiled(key))],
  [/^((?:opened|sessions|teaching)\/.+)$/, "timeline", "start", async (key) => review.show(await unveiled(key))],
];

let turn = 0; // of showing: an answer that comes late must not overwrite a newer view

async function route() {
  const address = decodeURIComponent(location.hash.replace(/^#\/?/, ""));
  const [pattern, name, nav, fillView] = ROUTES.find(([one]) => one.test(address)) ?? ROUTES[0];
  const mine = ++turn;
  notice("");
  try {
    await fillView(...(pattern.exec(address) ?? []).slice(1));
  } catch (failure) {
    if (mine !== turn || failure.status === 401) return;
    if (name !== "start") location.hash = "#/";
    // The hash's change clears what is said; say it after that.
    setTimeout(() => notice(failure.message), 50);
    if (name !== "start") return;
  }
  if (mine === turn) display(name, nav);
}

function display(name, nav) {
  for (const view of all("[data-view]")) view.hidden = view.dataset.view !== name;
  for (const link of all("[data-nav]")) {
    if (link.dataset.nav === nav) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.classList.toggle("is-presenting", name === "presenter");
  const heading = $(`[data-view="${name}"] h1`);
  document.title = `${heading.textContent.trim()} · alliance`;
  if (shownBefore) {
    heading.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  shownBefore = true;
}

let shownBefore = false;

async function enter() {
  room.state = await get("/page/state");
  useToken(room.state.csrf);
  $("[data-log-out]").hidden = !room.state.keys;
  const model = $("[data-model]");
  model.textContent = fill(words.footer, { model: room.state.model.name });
  model.hidden = !room.state.model.name;
  await route();
}

function loggedOut() {
  room.state = null;
  $("[data-log-out]").hidden = true;
  display("login", "");
  $("#login-key").focus();
}

function setUp() {
  for (const view of [start, roles, review, training, coding, comparison, playlist, presenter]) {
    view.setUp();
  }
  window.addEventListener("hashchange", () => room.state && route());
  window.addEventListener("beforeunload", (event) => hasUnsaved() && event.preventDefault());
  document.addEventListener("alliance:logged-out", loggedOut);
  $("[data-login]").addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = $("#login-key");
    try {
      await post("/v1/login", { key: field.value });
      field.value = "";
      notice("");
      await enter();
    } catch (failure) {
      notice(failure.message);
      field.focus();
    }
  });
  $("[data-log-out]").addEventListener("click", async () => {
    await post("/v1/logout", {});
    location.hash = "#/";
    location.reload(); // whatever this window held is gone with it
  });
  $(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the part after # is the page's address
    $("#content").focus();
  });
  setUpKeys();
}

// Letters as keys can be turned off (WCAG 2.1.4): speech input would press them.
function setUpKeys() {
  const dialog = $("[data-keys-dialog]");
  const letters = $("[data-letters]");
  letters.checked = localStorage.getItem(LETTERS) !== "off";
  $("[data-keys]").addEventListener("click", () => dialog.showModal());
  letters.addEventListener("change", () =>
    localStorage.setItem(LETTERS, letters.checked ? "on" : "off"),
  );
  window.addEventListener(
    "keydown",
    (event) => {
      if (!letters.checked && event.key.length === 1 && isShortcut(event)) event.stopPropagation();
    },
    { capture: true },
  );
}

setUp();
enter().catch((failure) => failure.status !== 401 && notice(failure.message));
