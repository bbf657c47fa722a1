// A timeline comes alive. The interface stands in alliance/serve/report/__init__.py.
import { SessionData } from "./session.js";
import { mountStrip } from "./strip.js";
import { mountTranscript } from "./transcript.js";
import { mountFilters } from "./filters.js";
import { mountRecording } from "./recording.js";

const QUOTE = 110; // characters of a turn in an episode's card

export function mountTimeline(root, data) {
  const island = data ?? JSON.parse(root.querySelector(".timeline-data").textContent);
  const session = new SessionData(island);
  const status = root.querySelector("[role=status]");
  const stopping = new AbortController();
  const { signal } = stopping;

  const announce = (text) => {
    status.textContent = text;
  };
  const tell = (name, detail) => {
    root.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  };

  const transcript = mountTranscript(root, session, {
    onOpen: (turn, opened) => tell("alliance:detail", { turn, element: opened }),
    onSelect: (turn, how) => select(turn, how),
    onPlay: (turn) => recording.play(turn),
  });
  const strip = mountStrip(root, session, {
    onSelect: (turn, how) => select(turn, how),
    textOf: transcript.textOf,
  });
  const filters = mountFilters(root, session, transcript.rows, {
    onChange: (text, quiet) => quiet || announce(text),
  });
  const recording = mountRecording(root, session, {
    onTime: (turn) => strip.point(turn),
    onMessage: announce,
  });

  // scroll: true, or "beside" to scroll only where the strip stays in sight.
  function select(turn, { scroll = false, focus = false } = {}) {
    if (!(turn >= 0 && turn < session.count)) return;
    if ((scroll || focus) && transcript.rows[turn].hidden) filters.reset();
    const beside = getComputedStyle(root.querySelector(".strip-box")).position === "sticky";
    transcript.select(turn, { scroll: scroll === "beside" ? beside : scroll, focus });
    strip.point(turn);
    markEpisode(turn);
    tell("alliance:select", { turn });
  }

  // Quotes that the server left out, of episodes that come into sight now.
  function quote() {
    for (const place of root.querySelectorAll(".episode-list:not([hidden]) q[data-turn]")) {
      const text = transcript.textOf(Number(place.dataset.turn));
      place.textContent = text.length > QUOTE ? `${text.slice(0, QUOTE).trimEnd()}…` : text;
      delete place.dataset.turn;
    }
  }

  function markEpisode(turn) {
    for (const card of root.querySelectorAll(".episode-list:not([hidden]) .episode")) {
      const episode = session.episodes[card.dataset.episode - 1];
      const inside = turn >= episode.rupture_turns[0] && turn <= episode.rupture_turns.at(-1);
      card.classList.toggle("is-current", inside);
      if (inside) keepInSight(card);
    }
  }

  // Scrolls the panel alone, never the page.
  function keepInSight(card) {
    const panel = card.closest(".episodes-panel");
    if (panel.scrollHeight <= panel.clientHeight) return;
    const [inner, outer] = [card.getBoundingClientRect(), panel.getBoundingClientRect()];
    if (inner.top < outer.top || inner.bottom > outer.bottom) {
      const head = panel.querySelector(".panel-head").offsetHeight;
      panel.scrollTop += inner.top - outer.top - head - 8;
    }
  }

  function jump(step) {
    const { episodes } = session;
    if (!episodes.length) {
      announce(session.say("no_jump"));
      return;
    }
    const from = transcript.selected ?? (step > 0 ? -1 : session.count);
    const onsets = episodes.map((episode) => episode.rupture_turns[0]);
    // Round and round: after the last comes the first.
    const found =
      step > 0
        ? onsets.findIndex((onset) => onset > from)
        : onsets.findLastIndex((onset) => onset < from);
    const place = found >= 0 ? found : step > 0 ? 0 : episodes.length - 1;
    select(onsets[place], { scroll: true, focus: true });
    const episode = episodes[place];
    announce(
      session.say("jump", {
        number: episode.number,
        count: episodes.length,
        kind: session.say(`kind_${episode.kind}`),
        span: episode.span,
        outcome: episode.outcome_text,
      }),
    );
  }

  function setPurpose(name) {
    if (!(name in island.labellings)) return;
    session.purpose = name;
    root.dataset.purpose = name;
    for (const part of root.querySelectorAll("[data-purpose]:not(g)")) {
      part.hidden = part.dataset.purpose !== name;
    }
    const radio = root.querySelector(`[name=purpose][value=${name}]`);
    if (radio) radio.checked = true;
    quote();
    transcript.update();
    filters.update();
    strip.update(); // last, since it measures
    const ruptures = [...session.labelling.labels].filter((one) => "WC".includes(one)).length;
    announce(
      session.say("purpose", {
        purpose: session.say(`purpose_${name}`),
        ruptures,
        episodes: session.episodes.length,
      }),
    );
    tell("alliance:purpose", { purpose: name });
  }

  function keysAreOn() {
    return root.querySelector("[name=keys]")?.checked ?? true;
  }

  document.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (event.key === "Escape" && transcript.opened !== null) {
        transcript.close();
        return;
      }
      const typing = event.target.closest?.("input:not([type=radio], [type=checkbox]), select, textarea, [contenteditable]");
      if (typing || !keysAreOn()) return;
      if (event.key === "n") jump(1);
      else if (event.key === "p") jump(-1);
      else if (event.key === "/") filters.search.focus();
      else return;
      event.preventDefault();
    },
    { signal },
  );
  root.addEventListener(
    "change",
    (event) => {
      if (event.target.name === "purpose") setPurpose(event.target.value);
      if (event.target.name === "axis") strip.setAxis(event.target.value);
    },
    { signal },
  );
  root.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest("[data-jump]");
      if (button) jump(Number(button.dataset.jump));
      const link = event.target.closest('a[href^="#turn-"]');
      if (!link) return;
      event.preventDefault();
      select(Number(link.hash.replace("#turn-", "")), { scroll: true, focus: true });
    },
    { signal },
  );
  root.querySelector(".turns").addEventListener(
    "pointerover",
    (event) => {
      const turn = transcript.turnOf(event.target);
      if (turn !== null) strip.point(turn);
    },
    { signal },
  );
  for (const part of root.querySelectorAll(".axis-choice, .jump")) part.hidden = false;

  // Where the strip stays in sight, what scrolls beneath it must know how high it is.
  const height = new ResizeObserver(([box]) => {
    const pixels = box.borderBoxSize[0].blockSize;
    document.documentElement.style.setProperty("--strip-height", `${pixels}px`);
  });
  height.observe(root.querySelector(".strip-box"));

  return {
    select,
    setPurpose,
    jump,
    labelOf: (turn) => session.labelOf(turn),
    destroy: () => {
      stopping.abort();
      strip.stop();
      height.disconnect();
      recording.stop();
    },
  };
}
