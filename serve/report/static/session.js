// What the data island holds, asked for by name.

export const NEAR = 3; // turns around a rupture that are shown with it

export class SessionData {
  constructor(island) {
    this.island = island;
    this.purpose = island.chosen;
    this.count = island.turns.length;
    this.byLetter = new Map(island.labels.map((label) => [label.letter, label]));
  }

  get labelling() {
    return this.island.labellings[this.purpose];
  }

  // The first purpose's, whose markers are listed for every turn; others' where they differ.
  get chosen() {
    return this.island.labellings[this.island.chosen];
  }

  marker(turn) {
    return this.labelling.markers[turn] ?? this.chosen.markers[turn];
  }

  get episodes() {
    return this.labelling.episodes;
  }

  // The label's letter, small if the model abstains, "-" without a label.
  letter(turn) {
    return this.labelling.labels[turn];
  }

  // {letter, label, abstained, marker, p, pMarker} of a turn, or null without a label.
  labelOf(turn) {
    const letter = this.letter(turn);
    if (letter === "-") return null;
    const label = this.byLetter.get(letter.toUpperCase());
    const place = this.island.labels.indexOf(label);
    return {
      letter: label.letter,
      label,
      abstained: letter !== label.letter,
      marker: this.marker(turn),
      p: this.island.turns[turn][3][place] / 1000,
      pMarker: (this.labelling.p_marker[turn] ?? this.chosen.p_marker[turn]) / 1000,
    };
  }

  isRupture(turn) {
    return "WC".includes(this.letter(turn));
  }

  speaker(turn) {
    return this.island.speakers[this.island.turns[turn][0]];
  }

  start(turn) {
    return this.island.turns[turn][1];
  }

  probabilities(turn) {
    return this.island.turns[turn][3];
  }

  // One string of the island, its braces filled in.
  say(key, values = {}) {
    const text = this.island.strings[key];
    return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  }

  // What a turn is, in a few words.
  describe(turn) {
    const found = this.labelOf(turn);
    let label = this.say("no_label");
    if (found) {
      label = found.abstained
        ? this.say("abstains", { label: found.label.title })
        : `${found.label.title} ${fixed(found.p)}`;
    }
    return this.say("selected", { turn, speaker: this.speaker(turn).name, label });
  }
}

export function fixed(value) {
  return value.toFixed(2);
}

export function signedFixed(value) {
  return `${value < 0 ? "−" : "+"}${fixed(Math.abs(value))}`;
}

export function clockTime(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = `${two(minutes)}:${two(seconds % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

// An element with attributes and children; text is always text.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// A label's shape, as the server's templates write it.
export function sign(letter, session) {
  if (letter === "-") return element("span", { class: "g O", "aria-hidden": "true" });
  const sure = letter === letter.toUpperCase();
  return element(
    "span",
    { class: `g ${sure ? letter : "Q"}`, "aria-hidden": "true" },
    sure ? session.byLetter.get(letter).symbol : "?",
  );
}
