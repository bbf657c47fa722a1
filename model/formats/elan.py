"""ELAN's annotation files (.eaf): one session.

Tiers without a parent hold the speech; those under them (words, translations, codings) would say
it twice and are passed over, as are tiers of a controlled vocabulary. The speaker is the tier's
participant, or else the tier's name. A time slot without a value is a time not known. Where the
caller chooses a dependent tier for the text, its annotations under one parent are one turn.

The elements and attributes are those of the schema EAFv3.0.xsd of the Max Planck Institute for
Psycholinguistics (https://www.mpi.nl/tools/elan/EAFv3.0.xsd); older versions read the same. The
parser is the standard library's expat, as a stream: a document type, which could define entities
that grow without end, is refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from alliance.model.errors import TranscriptError
from alliance.model.formats.source import RawSession, Source
from alliance.model.formats.tiers import LONGEST_TEXT, Span, Tier, session_of_tiers
from alliance.model.formats.times import time_ms

_ROOT: Final = "ANNOTATION_DOCUMENT"
_CHUNK: Final = 1 << 16
_LONGEST_TAG: Final = 1 << 20  # bytes; a longer one is not closed
_DEEPEST: Final = 30  # elements within elements; the schema has six
_WHOLE: Final = "check that the file is whole and opens in ELAN"


def read_eaf(source: Source) -> Iterator[RawSession]:
    """The session of an ELAN file."""
    document = _Document(source)
    document.parse()
    yield session_of_tiers(document.tiers(), source)


@dataclass(slots=True)
class _Annotation:
    """An annotation as it stands: with time slots of its own, or under another one."""

    id: str
    line: int
    slots: tuple[str, str] | None = None
    parent: str = ""
    text: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Tier:
    name: str
    participant: str
    kind: str
    parent: str
    annotations: list[_Annotation] = field(default_factory=list)


class _Document:
    """What of a file bears on speech, collected while it is parsed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._parser = expat.ParserCreate(source.encoding)
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._depth = 0
        self._times: dict[str, int | None] = {}
        self._tiers: list[_Tier] = []
        self._vocabularies: dict[str, bool] = {}  # whether a tier type has one
        self._annotation: _Annotation | None = None
        self._length = -1  # of the value that is being read; -1 outside of values

    def parse(self) -> None:
        """Read the file to its end.

        Raises:
            TranscriptError: if it is not an ELAN file.
        """
        read, ended = 0, False
        while not ended:
            chunk = self._source.stream.read(_CHUNK)
            ended = not chunk
            read += len(chunk)
            try:
                self._parser.Parse(chunk, ended)
            except expat.ExpatError as error:
                raise self._broken(error) from error
            except (LookupError, ValueError) as error:  # an encoding expat cannot use
                raise self._error(
                    f"expected XML in UTF-8, found another encoding; {_WHOLE}"
                ) from error
            if not ended and read - max(self._parser.CurrentByteIndex, 0) > _LONGEST_TAG + _CHUNK:
                raise self._error(f"expected a tag that ends, found one that does not; {_WHOLE}")

    def tiers(self) -> list[Tier]:
        """The tiers, with times in place of time slots."""
        times: dict[str, tuple[int | None, int | None]] = {}
        parents: dict[str, str] = {}
        for tier in self._tiers:
            for one in tier.annotations:
                if one.slots is not None:
                    times[one.id] = (self._time(one, 0), self._time(one, 1))
                elif one.parent:
                    parents[one.id] = one.parent
        return [self._tier(tier, times, parents) for tier in self._tiers]

    def _tier(
        self,
        tier: _Tier,
        times: Mapping[str, tuple[int | None, int | None]],
        parents: Mapping[str, str],
    ) -> Tier:
        spans: list[Span] = []
        under = ""  # the annotation that the span before stands under
        for one in tier.annotations:
            text = " ".join("".join(one.text).split())
            if one.slots is None and one.parent and one.parent == under:
                spans[-1].text = f"{spans[-1].text} {text}".strip()
                continue
            under = one.parent
            if one.slots is None:
                start, end = times.get(_aligned(one.parent, parents), (None, None))
            else:
                start, end = times[one.id] if one.id else (self._time(one, 0), self._time(one, 1))
            spans.append(Span(text, start, end, one.line, one.id))
        closed = self._vocabularies.get(tier.kind, False)
        return Tier(
            tier.name,
            spans,
            speaker=tier.participant or self._speaker_above(tier),
            kind=tier.kind,
            is_speech=not (tier.parent or closed),
        )

    def _speaker_above(self, tier: _Tier) -> str:
        """Who speaks on the tier that a dependent one stands under; empty if none is named."""
        above = {each.name: each for each in self._tiers} if tier.parent else {}
        for _ in range(_DEEPEST):
            if tier.participant or tier.parent not in above:
                break
            tier = above[tier.parent]
        return tier.participant or (tier.name if above else "")

    def _time(self, annotation: _Annotation, which: int) -> int | None:
        slot = annotation.slots[which] if annotation.slots is not None else ""
        if slot not in self._times:
            raise self._source.error(
                f"expected an annotation's time slots to be in the file, found one that is not; "
                f"{_WHOLE}",
                line=annotation.line,
            )
        return self._times[slot]

    def _doctype(self, *_: object) -> None:
        raise self._error(
            "expected an ELAN file, found XML with a document type, which no ELAN file has; save "
            "it again with ELAN"
        )

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._depth == 0 and tag != _ROOT:
            raise self._error(
                "expected an ELAN file (ANNOTATION_DOCUMENT), found other XML; export it from "
                "ELAN as .eaf"
            )
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(f"expected an ELAN file, found XML nested without end; {_WHOLE}")
        if tag == "HEADER":
            unit = attributes.get("TIME_UNITS", "milliseconds")
            if unit != "milliseconds":
                raise self._error(
                    "expected times in milliseconds (TIME_UNITS), found another unit; save the "
                    "file again with ELAN"
                )
        elif tag == "TIME_SLOT":
            self._time_slot(attributes)
        elif tag == "TIER":
            self._tiers.append(
                _Tier(
                    attributes.get("TIER_ID", "").strip(),
                    attributes.get("PARTICIPANT", "").strip(),
                    attributes.get("LINGUISTIC_TYPE_REF", "").strip(),
                    attributes.get("PARENT_REF", "").strip(),
                )
            )
        elif tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            self._start_annotation(tag, attributes)
        elif tag == "ANNOTATION_VALUE":
            self._length = 0
        elif tag == "LINGUISTIC_TYPE":
            name = attributes.get("LINGUISTIC_TYPE_ID", "").strip()
            self._vocabularies[name] = bool(attributes.get("CONTROLLED_VOCABULARY_REF", ""))

    def _time_slot(self, attributes: Mapping[str, str]) -> None:
        value = attributes.get("TIME_VALUE", "").strip()
        ms = time_ms(value, unit_ms=True) if value else None
        if value and ms is None:
            raise self._error(
                "expected a time slot in milliseconds, found something else; correct TIME_VALUE"
            )
        self._times[attributes.get("TIME_SLOT_ID", "")] = ms

    def _start_annotation(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self._tiers:
            raise self._error(f"expected an annotation in a tier, found one outside; {_WHOLE}")
        slots = None
        if tag == "ALIGNABLE_ANNOTATION":
            slots = (attributes.get("TIME_SLOT_REF1", ""), attributes.get("TIME_SLOT_REF2", ""))
        self._annotation = _Annotation(
            attributes.get("ANNOTATION_ID", "").strip(),
            self._parser.CurrentLineNumber,
            slots,
            attributes.get("ANNOTATION_REF", "").strip(),
        )
        self._tiers[-1].annotations.append(self._annotation)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if tag == "ANNOTATION_VALUE":
            self._length = -1
        elif tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            self._annotation = None

    def _characters(self, text: str) -> None:
        if self._length < 0 or self._annotation is None:
            return
        self._length += len(text)
        if self._length > LONGEST_TEXT:
            raise self._error(
                f"expected an annotation of at most {LONGEST_TEXT} characters, found a longer one; "
                f"{_WHOLE}"
            )
        self._annotation.text.append(text)

    def _broken(self, error: expat.ExpatError) -> TranscriptError:
        # Expat's message says what is wrong in XML's own terms and holds nothing of the text.
        return self._source.error(
            f"expected an ELAN file (XML), found what is not at column {error.offset + 1} "
            f"({expat.ErrorString(error.code)}); {_WHOLE}",
            line=error.lineno,
        )

    def _error(self, problem: str) -> TranscriptError:
        return self._source.error(problem, line=self._parser.CurrentLineNumber)


def _aligned(id_: str, parents: Mapping[str, str]) -> str:
    """The annotation with times that one stands under, through those that have none."""
    for _ in range(_DEEPEST):
        if id_ not in parents:
            break
        id_ = parents[id_]
    return id_
