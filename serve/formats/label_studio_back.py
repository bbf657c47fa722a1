"""What people made of Label Studio tasks, as a coding: one row a turn.

Reads the export called "JSON" (a list of tasks with ``annotations``). A region gives its label to
each turn that it touches; its marker, if one was chosen, goes with it. A turn that no region
touches has no code. Annotations that were skipped are passed over.

With one coder the rows have ``label`` and ``marker``; with several, a column ``coder_NAME`` for
each, which holds the marker or, without one, the label. So ``alliance agree`` and ``alliance
train`` read them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from alliance.model.codebook import Label, Marker
from alliance.model.errors import TranscriptError
from alliance.model.formats.times import time_ms
from alliance.serve.formats.characters import utf16_length
from alliance.serve.formats.columns import CODING_COLUMNS, TURN_COLUMNS
from alliance.serve.formats.label_studio import LABELS_TAG

__all__ = ["AnnotatedTasks", "read_annotations"]

_AUTHORS: Final = ("author", "speaker", "name")
_EXPORT: Final = "export the project from Label Studio as JSON (not JSON-MIN)"


@dataclass(frozen=True, slots=True)
class AnnotatedTasks:
    """An export, as rows.

    Attributes:
        columns: the rows' columns, in order.
        coders: who coded, in order of appearance.
        rows: one for each turn of each task that anybody coded.
    """

    columns: tuple[str, ...]
    coders: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _Code:
    label: Label
    marker: Marker | None

    def __str__(self) -> str:
        return self.label.value if self.marker is None else self.marker.value


def read_annotations(stream: BinaryIO, *, name: str) -> AnnotatedTasks | None:
    """The coding in an export of Label Studio, or None if the file is none.

    Args:
        stream: the file.
        name: its name, for errors.

    Raises:
        TranscriptError: if it is one, but holds no annotation, or one that is not a coding: an
            unknown label, or two labels on one turn.
    """
    try:
        tasks = json.loads(stream.read())
    except (ValueError, RecursionError):
        return None  # the reader of transcripts says what is wrong
    if not (isinstance(tasks, list) and tasks and all(map(_is_task, tasks))):
        return None
    coded = [_Task(task, place, name) for place, task in enumerate(tasks, 1)]
    coders = tuple(dict.fromkeys(coder for task in coded for coder in task.codings))
    if not coders:
        raise TranscriptError(
            f"expected annotations, found tasks that nobody has submitted; code them and then "
            f"{_EXPORT}",
            source=name,
        )
    if len(coders) == 1:
        columns = CODING_COLUMNS
    else:
        columns = (*TURN_COLUMNS, *(f"coder_{coder}" for coder in coders))
    return AnnotatedTasks(
        columns, coders, tuple(row for task in coded for row in task.rows(coders))
    )


def _is_task(task: Any) -> bool:
    return isinstance(task, dict) and isinstance(task.get("data"), dict)


class _Task:
    def __init__(self, task: Mapping[str, Any], place: int, source: str) -> None:
        self._place = place
        self._source = source
        data = task["data"]
        self._session = str(data.get("session_id") or f"task-{task.get('id', place)}")
        self._turns = self._dialogue(data)
        self.codings: dict[str, dict[int, _Code]] = {}
        for annotation in _objects(task.get("annotations")):
            if not annotation.get("was_cancelled"):
                self._read(annotation)

    def rows(self, coders: Sequence[str]) -> Iterator[dict[str, Any]]:
        if not self.codings:
            return
        for index, turn in enumerate(self._turns):
            row: dict[str, Any] = {
                "session_id": self._session,
                "turn": index,
                "utterance_id": str(turn.get("utterance_id") or ""),
                "speaker": _author(turn),
                "start_ms": _milliseconds(turn.get("start")),
                "end_ms": _milliseconds(turn.get("end")),
                "text": turn["text"],
            }
            codes = {coder: self.codings.get(coder, {}).get(index) for coder in coders}
            for coder, code in codes.items():
                if len(coders) > 1:
                    row[f"coder_{coder}"] = None if code is None else str(code)
                elif code is not None:
                    row["label"] = code.label.value
                    row["marker"] = None if code.marker is None else code.marker.value
            yield row

    def _dialogue(self, data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        for value in data.values():
            if (
                isinstance(value, list)
                and value
                and all(isinstance(t, dict) and isinstance(t.get("text"), str) for t in value)
            ):
                return value
        raise self._wrong("a dialogue (a list of objects with 'text')", "none", "check the tasks")

    def _read(self, annotation: Mapping[str, Any]) -> None:
        coder = _coder(annotation.get("completed_by"))
        if coder in self.codings:
            raise self._wrong(
                f"one annotation by coder {coder}", "several", "delete all but one of them"
            )
        results = _objects(annotation.get("result"))
        markers: dict[str, Marker] = {}
        for each in results:
            if each.get("type") == "choices":
                for choice in _list(_value(each).get("choices")):
                    markers[str(each.get("id"))] = self._marker(choice)
        coding: dict[int, _Code] = {}
        for each in results:
            if each.get("type") != "paragraphlabels" or each.get("from_name") != LABELS_TAG:
                continue
            code = self._code(each, markers.get(str(each.get("id"))))
            for turn in self._touched(_value(each)):
                if coding.setdefault(turn, code) != code:
                    raise self._wrong(
                        f"one label on turn {turn}", "two", f"delete one of coder {coder}'s regions"
                    )
        self.codings[coder] = coding

    def _code(self, result: Mapping[str, Any], marker: Marker | None) -> _Code:
        labels = _list(_value(result).get("paragraphlabels"))
        if len(labels) != 1 or labels[0] not in [label.value for label in Label]:
            known = ", ".join(label.value for label in Label)
            raise self._wrong(f"each region to have one label ({known})", "another", "correct it")
        label = Label(labels[0])
        # A marker is left over where somebody has changed the label after choosing it.
        return _Code(label, marker if marker is not None and marker.label is label else None)

    def _marker(self, choice: Any) -> Marker:
        try:
            return Marker(str(choice).split(" ", 1)[0])
        except ValueError as error:
            raise self._wrong(
                "each choice to begin with a marker such as W2", "another", "correct it"
            ) from error

    def _touched(self, value: Mapping[str, Any]) -> Iterator[int]:
        """The turns that hold at least one character of a region."""
        try:
            first, last = int(value["start"]), int(value["end"])
            begin, end = int(value["startOffset"]), int(value["endOffset"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._wrong("a region's start and end", "none", _EXPORT) from error
        if not 0 <= first <= last < len(self._turns):
            raise self._wrong(
                f"regions within the task's {len(self._turns)} turns", "one outside", _EXPORT
            )
        for turn in range(first, last + 1):
            length = utf16_length(self._turns[turn]["text"])
            start = begin if turn == first else 0
            stop = end if turn == last else length
            if min(stop, length) > start or first == last:
                yield turn

    def _wrong(self, expected: str, found: str, advice: str) -> TranscriptError:
        return TranscriptError(
            f"expected {expected} in task {self._place}, found {found}; {advice}",
            source=self._source,
        )


def _value(result: Mapping[str, Any]) -> Mapping[str, Any]:
    value = result.get("value")
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in _list(value) if isinstance(each, dict)]


def _author(turn: Mapping[str, Any]) -> str:
    return next((str(turn[key]) for key in _AUTHORS if turn.get(key)), "")


def _coder(who: Any) -> str:
    """A short name: the number that Label Studio gives, or the start of an address."""
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    name = str(who if who is not None else "").partition("@")[0]
    return "".join(c if c.isalnum() else "_" for c in name) or "unknown"


def _milliseconds(seconds: Any) -> int | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | str):
        return None
    return time_ms(seconds, unit_ms=False)
