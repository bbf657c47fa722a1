// Making elements, and the words to put into them. Text goes in as text, never as HTML.

const data = JSON.parse(document.getElementById("page-data").textContent);

export const words = data.words;
export const codebook = data.codebook;
export const bodyBytes = data.body_bytes;

export const $ = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

// el("p", {class: "small", on: {click}}, "text", child): null and false children are left out.
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, value);
    }
  }
  made.append(...children.flat().filter((child) => child !== null && child !== false));
  return made;
}

// A transcript's words: isolated in direction, with no control characters that HTML cannot hold.
export function said(text, tag = "p", attributes = {}) {
  const shown = text.trim() ? text : words.no_words;
  return el(tag, { dir: "auto", ...attributes }, shown);
}

export function announce(text) {
  const live = $("[data-live]");
  live.textContent = "";
  // A screen reader says a text again only if it has gone in between.
  setTimeout(() => (live.textContent = text), 30);
}

export function notice(text) {
  const place = $("[data-notice]");
  place.textContent = text ?? "";
  place.hidden = !text;
  if (text) place.scrollIntoView({ block: "nearest" });
}

export function clock(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, place) => String(part).padStart(place || !parts[0] ? 2 : 1, "0")).join(":");
}

// Whether a key pressed is a letter for the page, and not for a field that is being filled in.
export function isShortcut(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return false;
  if (document.querySelector("dialog[open]")) return false;
  const target = event.target;
  if (target.matches?.("textarea, select, [contenteditable]")) return false;
  return !(target.matches?.("input") && !["radio", "checkbox", "button"].includes(target.type));
}
