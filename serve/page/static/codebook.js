// The codebook in the browser: labels, markers, and which of them a speaker may get.

import { codebook, el, words } from "./dom.js";

const LABELS = new Map(codebook.labels.map((label) => [label.label, label]));
const MARKERS = new Map(codebook.markers.map((marker) => [marker.code, marker]));

export const labels = codebook.labels;
export const labelOf = (value) => LABELS.get(value);
export const labelOfLetter = (letter) => labels.find((label) => label.letter === letter);
export const markerOf = (code) => MARKERS.get(code);
export const markersFor = (label, role) =>
  codebook.markers.filter((marker) => marker.label === label && marker.roles.includes(role));

// The code a judgement comes to: its marker, or the only one that label and speaker leave.
export function codeOf(judgement, role) {
  if (judgement.marker) return judgement.marker;
  const codes = markersFor(judgement.label, role);
  return codes.length === 1 ? codes[0].code : null;
}

export const sameJudgement = (one, other) =>
  one.label === other.label && (!one.marker || !other.marker || one.marker === other.marker);

export function sign(value) {
  const label = labelOf(value);
  return el("span", { class: `g ${label.letter}`, "aria-hidden": "true" }, label.symbol);
}

// "▼ W withdrawal rupture: minimal response", as an element.
export function judged(value, code, { long = false } = {}) {
  const label = labelOf(value);
  const marker = code ? markerOf(code) : null;
  const shows = marker && marker.code !== "N";
  return el(
    "span",
    { class: `judged ${label.letter}` },
    sign(value),
    " ",
    el("b", {}, label.title),
    shows ? el("span", { class: "marker-name" }, ` · ${marker.name}`) : null,
    long && shows ? el("small", {}, marker.definition) : null,
  );
}

export function inWords(value, code) {
  const marker = code && code !== "N" ? markerOf(code).name : null;
  return marker ? `${labelOf(value).title}, ${marker}` : labelOf(value).title;
}

export const roleName = (speaker) => words[`speaker_${speaker}`] ?? speaker;
