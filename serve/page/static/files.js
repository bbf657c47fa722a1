// Files that a person saves and loads: labels as a coded corpus or a table, playlists.

import { el, words } from "./dom.js";
import { codeOf } from "./codebook.js";

function save(name, type, content) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = el("a", { href: address, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

// A name that every file system takes.
const fileName = (text) => text.replace(/[^\p{L}\p{N}._-]+/gu, "-").slice(0, 80) || "session";

// One line of a coded corpus, as `alliance train` and `alliance agree` read it. A label whose
// marker is not known is no code: it stands in the annotations alone, and in the table.
export function codedLine(session, who) {
  const turns = session.turns.map((turn, place) => {
    const own = session.judgements.get(place);
    const code = own ? codeOf(own, turn.speaker) : null;
    const { speaker, text, start_ms, end_ms, utterance_id } = turn;
    return {
      speaker,
      text,
      ...(start_ms == null ? {} : { start_ms }),
      ...(end_ms == null ? {} : { end_ms }),
      ...(utterance_id ? { utterance_id } : {}),
      code,
      annotations: own
        ? [{ who, label: own.label, marker: own.marker ?? null, note: own.note ?? "" }]
        : [],
    };
  });
  return { id: session.id, turns, ...(session.notes ? { notes: session.notes } : {}) };
}

// A spreadsheet would run a cell that starts like a formula.
function cell(value) {
  const text = String(value ?? "");
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const COLUMNS = ["session_id", "turn", "speaker", "coder", "label", "marker", "note"];

export function codedTable(session, who) {
  const rows = [...session.judgements]
    .sort(([one], [other]) => one - other)
    .map(([turn, own]) => [
      session.id,
      turn,
      session.turns[turn].speaker,
      who,
      own.label,
      codeOf(own, session.turns[turn].speaker) ?? "",
      own.note ?? "",
    ]);
  return [COLUMNS, ...rows].map((row) => row.map(cell).join(",") + "\r\n").join("");
}

export function saveCoding(session, who, form) {
  const name = `${fileName(session.id)}-${fileName(who)}`;
  if (form === "csv") save(`${name}.csv`, "text/csv", "\ufeff" + codedTable(session, who));
  else save(`${name}.jsonl`, "application/x-ndjson", JSON.stringify(codedLine(session, who)) + "\n");
}

// Somebody's labels of a session from such a file: {who, turns: [{turn, label, marker}]}.
export async function loadCoding(file, session, labelOfCode) {
  let lines;
  try {
    const text = await file.text();
    lines = text.split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line));
  } catch {
    throw new Error(words.file_unread);
  }
  const fits = lines.filter((line) => line?.turns?.length === session.turns.length);
  const found = fits.find((line) => line.id === session.id) ?? (fits.length === 1 ? fits[0] : null);
  if (!found) throw new Error(words.coding_other);
  let who = null;
  const turns = found.turns.flatMap((turn, place) => {
    const said = turn.annotations?.[0];
    who ??= said?.who ?? null;
    if (said) return [{ turn: place, label: said.label, marker: said.marker ?? null }];
    const label = turn.code ? labelOfCode(turn.code) : null;
    return label ? [{ turn: place, label, marker: turn.code }] : [];
  });
  return { who: who ?? file.name.replace(/\.\w+$/, "").slice(0, 64), turns };
}

export function savePlaylist(moments) {
  const content = JSON.stringify({ alliance_playlist: 1, moments }, null, 1);
  save("playlist.json", "application/json", content);
}

export async function loadPlaylist(file) {
  let read;
  try {
    read = JSON.parse(await file.text());
  } catch {
    throw new Error(words.file_unread);
  }
  if (read?.alliance_playlist !== 1 || !Array.isArray(read.moments)) {
    throw new Error(words.file_unread);
  }
  return read.moments;
}
