// The start: a transcript is dropped or chosen, or a stored session opened.

import { $, all, announce, bodyBytes, el, fill, notice, words } from "./dom.js";
import { get, postForm } from "./server.js";
import { room } from "./room.js";

const view = $('[data-view="start"]');
const drop = $("[data-drop]", view);
const input = $("[data-file]", view);

export function setUp() {
  input.addEventListener("change", () => {
    if (input.files.length) read(input.files[0]);
    input.value = "";
  });
  $("[data-example]", view).addEventListener("click", () => open(() => get("/page/example")));
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("is-over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("is-over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("is-over");
    if (event.dataTransfer.files.length) read(event.dataTransfer.files[0]);
  });
  // A file that misses the box must not replace the page.
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => event.preventDefault());
  }
}

export async function show() {
  const box = $("[data-stored]", view);
  box.hidden = !(room.state.store && room.state.may.includes("read"));
  if (box.hidden) return;
  const sessions = [];
  let after = "";
  do {
    const page = await get(`/page/sessions?after=${after}`);
    sessions.push(...page.sessions);
    after = page.next;
  } while (after);
  sessions.reverse(); // the newest first
  $("[data-stored-none]", box).hidden = sessions.length > 0;
  $("table", box).hidden = sessions.length === 0;
  $("tbody", box).replaceChildren(
    ...sessions.map((one) =>
      el(
        "tr",
        {},
        el("th", { scope: "row" }, el("a", { href: `#/sessions/${one.id}` }, el("bdi", {}, one.given_id))),
        el("td", { class: "small" }, when(one.created_at)),
        el("td", { class: "number" }, String(one.turn_count)),
        el("td", { class: "number" }, String(one.annotated_turns)),
      ),
    ),
  );
}

const when = (stamp) =>
  new Date(stamp).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });

async function read(file) {
  if (file.size > bodyBytes) {
    notice(fill(words.too_large, { size: Math.floor(bodyBytes / 2 ** 20) }));
    return;
  }
  const form = new FormData();
  form.append("file", file, file.name);
  const columns = {};
  for (const field of all("[name]", $("[data-options]", view))) {
    const value = field.value.trim();
    if (!value) continue;
    if (field.name.startsWith("column-")) columns[field.name.slice("column-".length)] = value;
    else form.append(field.name, value);
  }
  if (Object.keys(columns).length) form.append("columns", JSON.stringify(columns));
  await open(() => postForm("/page/preview", form), (failure) => {
    // How a file is to be read can be said there.
    if (failure.status === 422) $(".options", view).open = true;
  });
}

async function open(ask, failed = () => {}) {
  notice("");
  announce(words.busy);
  drop.classList.add("is-busy");
  try {
    room.preview = await ask();
    location.hash = "#/roles";
  } catch (failure) {
    notice(failure.message);
    failed(failure);
  } finally {
    drop.classList.remove("is-busy");
  }
}
