"""Label Studio tasks: one a session, its turns as a dialogue, the labels as a prediction.

The tasks are for the labelling interface of :func:`labelling_config` (``Paragraphs`` with
``ParagraphLabels``, and the markers of a chosen turn as ``Choices``). Every labelled turn is one
region that spans its whole text; offsets count UTF-16 code units, as browsers do. Without labels
the tasks bear no predictions: for coding blind. :mod:`alliance.serve.formats.label_studio_back`
reads what people made of them.

Sources: https://labelstud.io/guide/predictions, https://labelstud.io/tags/paragraphs.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final
from xml.sax.saxutils import quoteattr

from alliance.model.codebook import MARKER_ORDER, Label, Marker
from alliance.model.errors import ConfigError
from alliance.model.labelled import LabelledSession, LabelledTurn
from alliance.serve.colours import COLOURS
from alliance.serve.formats.characters import utf8_safe, utf16_length
from alliance.serve.formats.sessions import SessionWriter
from alliance.serve.formats.writer import WriterOptions
from alliance.serve.table import DECIMALS

__all__ = ["LABELS_TAG", "LabelStudioWriter", "labelling_config", "marker_choice", "marker_tag"]

LABELS_TAG: Final = "label"
"""What the interface calls its control for labels."""

_DIALOGUE: Final = "dialogue"


def marker_tag(label: Label) -> str:
    """What the interface calls its control for the markers of a label."""
    return f"marker_{label.value}"


def marker_choice(marker: Marker) -> str:
    """A marker as the interface shows and exports it: its code, a space, its name."""
    return f"{marker.value} {marker.entry.name}"


def labelling_config() -> str:
    """The labelling interface that the tasks are for, as XML to paste into a project's settings."""
    lines = ["<View>", f'  <ParagraphLabels name="{LABELS_TAG}" toName="{_DIALOGUE}">']
    for label in Label:
        lines.append(
            f'    <Label value="{label.value}" background="{COLOURS[label]}" '
            f'hotkey="{label.letter.lower()}"/>'
        )
    lines.append("  </ParagraphLabels>")
    for label in Label:
        markers = [marker for marker in MARKER_ORDER if marker.label is label]
        if len(markers) == 1:
            continue  # neutral has nothing to choose
        lines.append(
            f'  <Choices name="{marker_tag(label)}" toName="{_DIALOGUE}" perRegion="true" '
            f'choice="single" visibleWhen="region-selected" whenTagName="{LABELS_TAG}" '
            f'whenLabelValue="{label.value}">'
        )
        for marker in markers:
            value, hint = quoteattr(marker_choice(marker)), quoteattr(marker.entry.definition)
            lines.append(f"    <Choice value={value} hint={hint}/>")
        lines.append("  </Choices>")
    lines.append(
        f'  <Paragraphs name="{_DIALOGUE}" value="${_DIALOGUE}" layout="dialogue" '
        f'nameKey="author" textKey="text"/>'
    )
    return "\n".join([*lines, "</View>", ""])


class LabelStudioWriter(SessionWriter):
    """A JSON list of tasks."""

    def __init__(self, stream: BinaryIO, options: WriterOptions) -> None:
        super().__init__(stream, options)
        if not options.include_text:
            raise ConfigError(
                "expected the text for Label Studio, which shows it to coders, found --no-text; "
                "leave it away"
            )
        self._tasks = 0

    def _add(self, session: LabelledSession) -> None:
        text = json.dumps(_task(session), ensure_ascii=False)
        before = "[\n" if self._tasks == 0 else ",\n"
        self._stream.write(utf8_safe(before + text).encode("utf-8"))
        self._tasks += 1

    def _end(self) -> None:
        self._stream.write(b"\n]\n" if self._tasks else b"[]\n")


def _task(session: LabelledSession) -> dict[str, Any]:
    task: dict[str, Any] = {
        "data": {
            "session_id": session.session.id,
            _DIALOGUE: [_paragraph(labelled) for labelled in session],
        }
    }
    results = [result for labelled in session for result in _results(labelled)]
    if results:
        shares = [
            turn.probabilities.of(turn.label)
            for turn in session
            if turn.label and turn.probabilities
        ]
        prediction = {
            "model_version": session.model.name or "coding",
            "score": round(sum(shares) / len(shares), DECIMALS),
            "result": results,
        }
        task["predictions"] = [prediction]
    return task


def _paragraph(labelled: LabelledTurn) -> dict[str, Any]:
    turn = labelled.turn
    paragraph: dict[str, Any] = {
        "author": turn.speaker,
        "text": turn.text,
        "turn": labelled.index,
        "utterance_id": turn.utterance_id,
    }
    # Label Studio's own keys for the recording beside the text: seconds.
    for key, time in (("start", turn.start_ms), ("end", turn.end_ms)):
        if time is not None:
            paragraph[key] = time / 1000
    return paragraph


def _results(labelled: LabelledTurn) -> Iterator[dict[str, Any]]:
    label, probabilities, marker = labelled.label, labelled.probabilities, labelled.marker
    if label is None or probabilities is None:
        return
    place = {
        "start": str(labelled.index),
        "end": str(labelled.index),
        "startOffset": 0,
        "endOffset": utf16_length(labelled.turn.text),
    }
    region = {"id": f"turn-{labelled.index}", "to_name": _DIALOGUE}
    yield {
        **region,
        "from_name": LABELS_TAG,
        "type": "paragraphlabels",
        "score": round(probabilities.of(label), DECIMALS),
        "value": {**place, "text": labelled.turn.text, "paragraphlabels": [label.value]},
    }
    if marker is not None and marker is not Marker.N:
        yield {
            **region,
            "from_name": marker_tag(label),
            "type": "choices",
            "value": {**place, "choices": [marker_choice(marker)]},
        }
