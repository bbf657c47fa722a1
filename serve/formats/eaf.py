"""ELAN files: the labels as tiers of the file that was labelled.

Each tier ``X`` of the original whose annotations were labelled gets tiers under it: ``label@X``
with the labels, ``marker@X`` with the codes and, where the model abstains, ``unsure@X`` with the
label it abstains on. They are symbolic associations (one to one), so a correction of the original's
times moves them along. Turns that are no annotation of the original but have times go to tiers of
their own, ``label@therapist`` and so on, aligned in time. All else in the file stays as it was, to
the byte. Without an original a new file is made of the turns and their times, one tier a speaker.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final
from xml.sax.saxutils import escape

from alliance.model.errors import TranscriptError
from alliance.model.labelled import LabelledSession, LabelledTurn
from alliance.serve.formats.characters import xml_safe
from alliance.serve.formats.eaf_document import EafDocument, element
from alliance.serve.formats.sessions import SingleSessionWriter
from alliance.serve.formats.spans import check_times, code_tiers, lanes, match, read_original
from alliance.serve.formats.writer import WriterOptions

__all__ = ["EafWriter"]

_UNDER: Final = "alliance-code"
_ALIGNED: Final = "alliance-code-aligned"
_ASSOCIATION: Final = "Symbolic_Association"
_SPEECH: Final = "default-lt"
_EMPTY: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <PROPERTY NAME="lastUsedAnnotationId">0</PROPERTY>
    </HEADER>
    <TIME_ORDER/>
    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" \
TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""


class EafWriter(SingleSessionWriter):
    """Adds tiers to an ELAN file, or makes a new one."""

    _what = "an .eaf file"

    def __init__(self, stream: BinaryIO, options: WriterOptions) -> None:
        super().__init__(stream, options)
        self._document: EafDocument | None = None
        if options.original is not None:
            self._document = EafDocument(read_original(options.original), name=options.original)
            _check_unlabelled(self._document, options.original)

    def _write(self, session: LabelledSession) -> None:
        document = self._document or EafDocument(
            _new(session, include_text=self._options.include_text), name="new .eaf"
        )
        _add_labels(document, session)
        self._stream.write(document.to_bytes())


def _check_unlabelled(document: EafDocument, original: Path) -> None:
    for tier in document.tiers:
        if tier.name.startswith("label@"):
            raise TranscriptError(
                f"expected a file without our labels, found a tier '{tier.name}'; take the file "
                f"as it was before, or delete that tier in ELAN",
                source=original,
            )


def _add_labels(document: EafDocument, session: LabelledSession) -> None:
    found = match(session, document.spans())
    tiers: list[str] = []
    next_id = document.highest_id + 1
    by_tier: dict[int, list[LabelledTurn]] = {}
    for turn in session:
        if turn.index in found.spans:
            by_tier.setdefault(found.spans[turn.index].tier, []).append(turn)
    for place, turns in sorted(by_tier.items()):
        owner = document.tiers[place]
        for tier in code_tiers(owner.name, turns):
            annotations = []
            for turn, code in tier.codes:
                reference = {"ANNOTATION_REF": found.spans[turn.index].id}
                annotations.append(_annotation("REF_ANNOTATION", next_id, reference, code))
                next_id += 1
            facts = {"PARENT_REF": owner.name, "PARTICIPANT": owner.participant}
            tiers.append(_tier(tier.name, _UNDER, facts, annotations))
    check_times(found.unmatched, "an annotation of the original", ".eaf")
    for lane in lanes(found.unmatched):
        for tier in code_tiers(lane.owner, lane.turns):
            annotations = _aligned(document, tier.codes, first_id=next_id)
            next_id += len(annotations)
            tiers.append(_tier(tier.name, _ALIGNED, {}, annotations))
    document.insert("TIER", tiers)
    document.set_last_id(next_id - 1)
    if by_tier:
        _add_type(document, _UNDER, _ASSOCIATION)
    if found.unmatched:
        _add_type(document, _ALIGNED, "")


def _aligned(
    document: EafDocument, coded: Sequence[tuple[LabelledTurn, str]], *, first_id: int
) -> list[str]:
    times = [ms for turn, _ in coded for ms in (turn.turn.start_ms or 0, turn.turn.end_ms or 0)]
    slots = document.new_slots(times)
    return [
        _annotation(
            "ALIGNABLE_ANNOTATION",
            first_id + n,
            {"TIME_SLOT_REF1": slots[2 * n], "TIME_SLOT_REF2": slots[2 * n + 1]},
            value,
        )
        for n, (_, value) in enumerate(coded)
    ]


def _annotation(tag: str, number: int, facts: Mapping[str, str], value: str) -> str:
    inside = element("ANNOTATION_VALUE", {}, 4, escape(xml_safe(value)))
    return element(
        "ANNOTATION", {}, 2, element(tag, {"ANNOTATION_ID": f"a{number}", **facts}, 3, inside)
    )


def _tier(name: str, kind: str, facts: Mapping[str, str], annotations: Sequence[str]) -> str:
    attributes = {"LINGUISTIC_TYPE_REF": kind, **facts, "TIER_ID": name}
    return element("TIER", attributes, 1, *annotations)


def _add_type(document: EafDocument, name: str, constraint: str) -> None:
    if name not in document.types:
        facts = {
            "CONSTRAINTS": constraint,
            "GRAPHIC_REFERENCES": "false",
            "LINGUISTIC_TYPE_ID": name,
            "TIME_ALIGNABLE": "false" if constraint else "true",
        }
        document.insert("LINGUISTIC_TYPE", [element("LINGUISTIC_TYPE", facts, 1)])
    if constraint and constraint not in document.constraints:
        facts = {
            "DESCRIPTION": "1-1 association with a parent annotation",
            "STEREOTYPE": constraint,
        }
        document.insert("CONSTRAINT", [element("CONSTRAINT", facts, 1)])


def _new(session: LabelledSession, *, include_text: bool) -> bytes:
    """A file that holds the turns alone: one tier a speaker, more where one's turns overlap."""
    document = EafDocument(_EMPTY.encode("ascii"), name="new .eaf")
    check_times(session, "", ".eaf")
    tiers, number = [], 1
    for lane in lanes(session):
        said = [(turn, turn.turn.text if include_text else "") for turn in lane.turns]
        annotations = _aligned(document, said, first_id=number)
        number += len(annotations)
        facts = {"PARTICIPANT": lane.turns[0].turn.speaker}
        tiers.append(_tier(lane.owner, _SPEECH, facts, annotations))
    document.insert("TIER", tiers)
    return document.to_bytes()
