"""What speech recognisers write as JSON: WhisperX, Deepgram, AssemblyAI, AWS Transcribe, Rev.

Each is known by the shape of its document. What one speaker says in a row is one turn. Speakers are
named as the recogniser names them (``SPEAKER_00``, ``0``, ``A``, ``spk_0``), or by their channel
where each has a channel of the recording; what it ascribes to nobody is said by ``unknown``. Times
come as seconds (WhisperX, Deepgram, Rev), seconds in text (AWS) or milliseconds (AssemblyAI).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from alliance.model.formats.roles import RoleMap
from alliance.model.formats.source import RawSession, RawTurn, Source
from alliance.model.formats.times import time_ms

__all__ = ["session_of_recogniser"]

_UNKNOWN: Final = "unknown"
_PAUSE_MS: Final = 1000  # ends a phrase; the phrases of several channels are put in order
_ENDS: Final = (".", "?", "!", "…", "。", "？", "！")
_OURS: Final = frozenset({"session", "sessions", "turns"})  # keys of this product's own JSON
_NO_SPACES: Final = frozenset({"ja", "yue", "zh"})  # languages that put none between words

_Object = Mapping[str, Any]


class _ShapeError(Exception):
    """The document is not as the recogniser documents it; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class _Said:
    """Words of one speaker; ``glued`` to what comes before without a space."""

    speaker: str
    text: str
    start_ms: int | None
    end_ms: int | None
    glued: bool = False


@dataclass(frozen=True, slots=True)
class _Recogniser:
    """A recogniser: how its documents are known and read, and how it is asked for speakers."""

    name: str
    ask: str
    knows: Callable[[_Object], bool]
    said: Callable[[_Object], Iterator[_Said]]


def session_of_recogniser(document: Any, source: Source) -> RawSession | None:
    """The session in a recogniser's document; None if the document is none of theirs.

    Raises:
        TranscriptError: if it is one of theirs but is not whole or names no speakers.
    """
    if not isinstance(document, Mapping) or not _OURS.isdisjoint(document):
        return None
    recogniser = next((each for each in _RECOGNISERS if each.knows(document)), None)
    if recogniser is None:
        return None
    try:
        said = [each for each in recogniser.said(document) if each.text]
    except _ShapeError as error:
        raise source.error(
            f"expected {recogniser.name}'s JSON with {error}, found something else; save its whole "
            f"answer"
        ) from error
    if not said:
        raise source.error(
            f"expected what was said in {recogniser.name}'s JSON, found no words; check that the "
            f"transcription was completed"
        )
    if not any(each.speaker for each in said):
        raise source.error(
            f"expected speakers in {recogniser.name}'s JSON, found {len(said)} pieces of speech by "
            f"nobody; transcribe it again with {recogniser.ask}"
        )
    return RawSession(source.stem, list(_turns(said, source.roles)), None)


def _turns(said: Iterable[_Said], roles: RoleMap) -> Iterator[RawTurn]:
    turn: RawTurn | None = None
    parts: list[str] = []
    for each in said:
        speaker = _name(each.speaker, roles)
        if turn is None or speaker != turn.speaker:
            if turn is not None:
                turn.text = "".join(parts)
                yield turn
            turn, parts = RawTurn(speaker, "", None, each.start_ms), []
        if parts and not each.glued:
            parts.append(" ")
        parts.append(each.text)
        if each.end_ms is not None:
            turn.end_ms = max(each.end_ms, turn.end_ms or 0, turn.start_ms or 0)
    if turn is not None:
        turn.text = "".join(parts)
        yield turn


def _name(speaker: str, roles: RoleMap) -> str:
    """The speaker's name; the third speaker, C, is not therefore the client."""
    if len(speaker) == 1 and speaker.isalpha() and roles.given(speaker) is None:
        return f"Speaker {speaker}" if roles.role(speaker) is not None else speaker
    return speaker or _UNKNOWN


# --- WhisperX: segments of a sentence or so; each of its words may have a speaker of its own. Also
# OpenAI's diarized_json, whose segments have no words.


def _whisperx(document: _Object) -> Iterator[_Said]:
    for segment in _objects(document, "segments"):
        text, speaker = _text(segment, "text"), _speaker(segment)
        start, end = _seconds(segment, "start"), _seconds(segment, "end")
        words = list(_objects(segment, "words", needed=False))
        if len({_speaker(word) or speaker for word in words}) < 2:
            yield _Said(speaker, text.strip(), start, end)
            continue
        runs: list[_Said] = []
        place = 0
        for word in words:
            # Cut from the segment's own text, which has the spaces of its language.
            begin = place
            found = text.find(_text(word, "word").strip(), begin)
            place = begin if found < 0 else found + len(_text(word, "word").strip())
            one = _Said(
                _speaker(word) or speaker,
                text[begin:place],
                _seconds(word, "start"),
                _seconds(word, "end"),
            )
            if runs and runs[-1].speaker == one.speaker:
                runs[-1] = replace(
                    runs[-1], text=runs[-1].text + one.text, end_ms=one.end_ms or runs[-1].end_ms
                )
            else:
                runs.append(one)
        runs[-1] = replace(runs[-1], text=runs[-1].text + text[place:])
        for run in runs:
            yield replace(run, text=run.text.strip(), glued=False)


# --- Deepgram: words in seconds, for each channel of the recording.


def _deepgram(document: _Object) -> Iterator[_Said]:
    channels = list(_objects(document["results"], "channels"))
    spoken: list[list[_Said]] = []
    for number, channel in enumerate(channels):
        best = next(_objects(channel, "alternatives"), {})
        joined = _joined(channel.get("detected_language"))
        words = []
        for word in _objects(best, "words"):
            speaker = _speaker(word)
            if len(channels) > 1:
                speaker = f"channel {number}-{speaker}" if speaker else f"channel {number}"
            text = _text(word, "punctuated_word" if "punctuated_word" in word else "word")
            words.append(
                _Said(speaker, text, _seconds(word, "start"), _seconds(word, "end"), joined)
            )
        spoken.append(words)
    yield from _in_order(spoken)


# --- AssemblyAI: utterances in milliseconds; without them, words.


def _assemblyai(document: _Object) -> Iterator[_Said]:
    key = "utterances" if document.get("utterances") else "words"
    for each in _objects(document, key):
        start, end = _time(each, "start", unit_ms=True), _time(each, "end", unit_ms=True)
        if isinstance(each.get("start"), float) and not each["start"].is_integer():
            raise _ShapeError("times in whole milliseconds")
        yield _Said(_speaker(each), _text(each, "text").strip(), start, end)


# --- AWS Transcribe: items (words and marks) whose times are seconds in text. The speaker stands
# in the item, in older files only in the segments of speaker_labels; or each has a channel.


def _aws(document: _Object) -> Iterator[_Said]:
    results = document["results"]
    joined = _joined(results.get("language_code"))
    if isinstance(results.get("channel_labels"), Mapping):
        channels = _objects(results["channel_labels"], "channels")
        yield from _in_order(
            [
                list(_aws_items(channel, {}, str(channel.get("channel_label", "")), joined=joined))
                for channel in channels
            ]
        )
        return
    labels: dict[Any, str] = {}
    if isinstance(results.get("speaker_labels"), Mapping):
        for segment in _objects(results["speaker_labels"], "segments"):
            for item in _objects(segment, "items", needed=False):
                labels[str(item.get("start_time"))] = _speaker(item, "speaker_label")
    yield from _aws_items(results, labels, "", joined=joined)


def _aws_items(
    holder: _Object, labels: Mapping[Any, str], channel: str, *, joined: bool
) -> Iterator[_Said]:
    before = _Said("", "", None, None)
    for item in _objects(holder, "items"):
        text = _text(next(_objects(item, "alternatives"), {}), "content")
        speaker = channel or _speaker(item, "speaker_label")
        if item.get("type") == "punctuation":
            yield replace(before, speaker=before.speaker or speaker, text=text, glued=True)
            continue
        speaker = speaker or labels.get(str(item.get("start_time")), "")
        start, end = _seconds(item, "start_time"), _seconds(item, "end_time")
        before = _Said(speaker, text, start, end, joined)
        yield before


# --- Rev: monologues of one speaker; the marks between words hold the spaces. Rev AI's times are
# seconds, those of rev.com's transcripts clock times.


def _rev(document: _Object) -> Iterator[_Said]:
    names: dict[str, str] = {}
    for each in _objects(document, "speakers", needed=False):
        names[_speaker(each, "id")] = _speaker(each, "name")
    for monologue in _objects(document, "monologues"):
        info = monologue.get("speaker_info")
        named = _speaker(info, "display_name") if isinstance(info, Mapping) else ""
        speaker = _speaker(monologue)
        times: list[int | None] = []
        parts: list[str] = []
        for element in _objects(monologue, "elements"):
            tag = element.get("type") == "tag"  # rev.com's crosstalk, inaudible, …
            parts.append(f" [{_text(element, 'name')}] " if tag else _text(element, "value"))
            for key in ("ts", "end_ts", "timestamp", "end_timestamp"):
                times.append(_seconds(element, key))
        known = [time for time in times if time is not None]
        yield _Said(
            named or names.get(speaker, "") or speaker,
            " ".join("".join(parts).split()),
            min(known, default=None),
            max(known, default=None),
        )


def _results(document: _Object) -> _Object:
    results = document.get("results")
    return results if isinstance(results, Mapping) else {}


_RECOGNISERS: Final = (
    _Recogniser(
        "Deepgram",
        "diarize=true (or multichannel=true)",
        lambda document: "channels" in _results(document),
        _deepgram,
    ),
    _Recogniser(
        "AWS Transcribe",
        "speaker partitioning (ShowSpeakerLabels) or channel identification",
        lambda document: bool({"items", "transcripts"} & set(_results(document))),
        _aws,
    ),
    _Recogniser(
        "Rev",
        "speaker diarization",
        lambda document: "monologues" in document,
        _rev,
    ),
    _Recogniser(
        "AssemblyAI",
        "speaker_labels=true",
        lambda document: (
            bool(document.get("utterances")) or {"words", "audio_duration"} <= document.keys()
        ),
        _assemblyai,
    ),
    _Recogniser("WhisperX", "--diarize", lambda document: "segments" in document, _whisperx),
)


def _in_order(channels: list[list[_Said]]) -> Iterator[_Said]:
    """The words of all channels, phrase by phrase in the order of their start."""
    if len(channels) == 1:
        yield from channels[0]
        return
    phrases = [phrase for channel in channels for phrase in _phrases(channel)]
    for phrase in sorted(phrases, key=lambda phrase: _start(phrase[0])):
        yield from phrase


def _phrases(words: Iterable[_Said]) -> Iterator[list[_Said]]:
    phrase: list[_Said] = []
    for word in words:
        if phrase:
            last = phrase[-1]
            ended = last.text.endswith(_ENDS) and not word.text.endswith(_ENDS)
            paused = _start(word) - (last.end_ms or 0) >= _PAUSE_MS
            if word.speaker != last.speaker or ended or paused:
                yield phrase
                phrase = []
        phrase.append(word)
    if phrase:
        yield phrase


def _start(said: _Said) -> int:
    return said.start_ms or 0


def _joined(language: Any) -> bool:
    return isinstance(language, str) and language.split("-")[0].lower() in _NO_SPACES


def _objects(holder: _Object, key: str, *, needed: bool = True) -> Iterator[_Object]:
    value = holder.get(key)
    if value is None and not needed:
        return
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise _ShapeError(f"'{key}', a list of objects")
    yield from value


def _text(holder: _Object, key: str) -> str:
    value = holder.get(key)
    if not isinstance(value, str):
        raise _ShapeError(f"'{key}', a text")
    return value


def _speaker(holder: _Object, key: str = "speaker") -> str:
    value = holder.get(key)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _ShapeError(f"'{key}', a name or a whole number")
    return str(value).strip()


def _seconds(holder: _Object, key: str) -> int | None:
    return _time(holder, key, unit_ms=False)


def _time(holder: _Object, key: str, *, unit_ms: bool) -> int | None:
    value = holder.get(key)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    ms = None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        ms = time_ms(value, unit_ms=unit_ms)
    if ms is None:
        raise _ShapeError(f"'{key}', a time in {'milliseconds' if unit_ms else 'seconds'}")
    return ms
