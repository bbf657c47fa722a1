// The form by which a person says what a turn is: label, marker with its definition, note.

import { el, words } from "./dom.js";
import { labels, markersFor, sign } from "./codebook.js";

let forms = 0;

// change(judgement) is called whenever something changes; save and cancel only with buttons;
// bring(element) puts the form in sight, where the browser's own way would not do.
export function judgingForm({
  role,
  given = null,
  change = null,
  save = null,
  cancel = null,
  bring = null,
}) {
  const name = `judging-${++forms}`;
  const state = { label: given?.label ?? null, marker: given?.marker ?? null, note: given?.note ?? "" };
  const labelInputs = labels.map((label) =>
    el("input", {
      type: "radio",
      name: `${name}-label`,
      value: label.label,
      checked: state.label === label.label,
      on: { change: () => chooseLabel(label.label) },
    }),
  );
  const markerBox = el("fieldset", { class: "markers" });
  const note = el("textarea", { rows: 2, maxlength: 5000, on: { input: () => setNote() } });
  note.value = state.note;
  const problem = el("p", { class: "problem", role: "alert" });

  const element = el(
    "form",
    { class: "judging", on: { submit } },
    el(
      "div",
      { class: "fields" },
      el(
        "fieldset",
        { class: "labels" },
        el("legend", {}, words.label),
        labels.map((label, place) =>
          el(
            "label",
            { class: `choice ${label.letter}` },
            labelInputs[place],
            el("kbd", { "aria-hidden": "true" }, String(place + 1)),
            sign(label.label),
            el("span", {}, el("b", {}, label.title), el("small", {}, label.definition)),
          ),
        ),
      ),
      markerBox,
      el("label", { class: "note" }, words.note, note),
    ),
    save
      ? el(
          "div",
          { class: "actions" },
          problem,
          el("button", { class: "primary" }, words.save),
          el("kbd", { "aria-hidden": "true" }, words.save_keys),
          cancel ? el("button", { type: "button", on: { click: cancel } }, words.cancel) : null,
        )
      : problem,
  );
  showMarkers();

  function judgement() {
    return state.label ? { ...state } : null;
  }

  function tell() {
    problem.textContent = "";
    if (state.label && change) change(judgement());
  }

  function chooseLabel(label) {
    if (state.label !== label) {
      state.label = label;
      state.marker = only();
    }
    for (const input of labelInputs) input.checked = input.value === label;
    showMarkers();
    tell();
  }

  function only() {
    const codes = markersFor(state.label, role);
    return codes.length === 1 ? codes[0].code : null;
  }

  function chooseMarker(code) {
    state.marker = code;
    tell();
  }

  function setNote() {
    state.note = note.value;
    tell();
  }

  function showMarkers() {
    const legend = el("legend", {}, words.marker);
    if (!state.label) {
      markerBox.replaceChildren(legend, el("p", { class: "small" }, words.marker_first));
      return;
    }
    const codes = markersFor(state.label, role);
    const choice = (code, title, definition, digit) =>
      el(
        "label",
        { class: "choice" },
        el("input", {
          type: "radio",
          name: `${name}-marker`,
          value: code ?? "",
          checked: state.marker === code,
          on: { change: () => chooseMarker(code) },
        }),
        el("kbd", { "aria-hidden": "true" }, digit),
        el("span", {}, el("b", {}, title), definition ? el("small", {}, definition) : null),
      );
    markerBox.replaceChildren(
      legend,
      ...codes.map((marker, place) =>
        choice(marker.code, marker.name, marker.definition, String(place + 1)),
      ),
      ...(codes.length > 1 ? [choice(null, words.marker_none, "", "0")] : []),
    );
  }

  function submit(event) {
    event.preventDefault();
    if (!save) return;
    if (!state.label) {
      problem.textContent = words.choose_label;
      labelInputs[0].focus();
      return;
    }
    save(judgement());
  }

  // The browser would put it in the middle; what stands above it should stay in sight, if it can.
  function showFocus(input) {
    input.focus({ preventScroll: true });
    if (bring) bring(element);
    input.closest("label").scrollIntoView({ block: "nearest", behavior: "instant" });
  }

  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && cancel) {
      event.stopPropagation();
      cancel();
    } else if (event.key === "Backspace" && markerBox.contains(event.target)) {
      event.preventDefault();
      (labelInputs.find((input) => input.checked) ?? labelInputs[0]).focus();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && save) submit(event);
  });

  return {
    element,
    judgement,
    complain: (text) => (problem.textContent = text),
    focus: (how) => (labelInputs.find((input) => input.checked) ?? labelInputs[0]).focus(how),
    // A digit that was pressed: the label's number, or among the markers the marker's (0 for not
    // sure which). Returns "done" where nothing is left to choose, "more", or null for no such.
    press(digit) {
      const markers = [...markerBox.querySelectorAll("input")];
      if (markerBox.contains(document.activeElement)) {
        const input = digit === 0 ? markers.at(-1) : markers[digit - 1];
        if (!input) return null;
        input.click();
        showFocus(input);
        return "more";
      }
      if (!labels[digit - 1]) return null;
      chooseLabel(labels[digit - 1].label);
      const found = [...markerBox.querySelectorAll("input")];
      showFocus(found.length > 1 ? found[0] : labelInputs[digit - 1]);
      return found.length > 1 ? "more" : "done";
    },
  };
}
