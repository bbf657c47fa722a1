"""Praat's TextGrids: the labels as tiers of the file that was labelled.

Each tier ``X`` of the original whose intervals were labelled gets tiers with the same boundaries,
after all others: ``label@X`` with the labels, ``marker@X`` with the codes and, where the model
abstains, ``unsure@X`` with the label it abstains on. Turns that are no interval of the original but
have times go to ``label@therapist`` and so on. All else stays as it was. Without an original a new
file is made of the turns and their times, one tier a speaker.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO, Final

from alliance.model.errors import InputError, TranscriptError
from alliance.model.labelled import LabelledSession, LabelledTurn
from alliance.serve.formats.sessions import SingleSessionWriter
from alliance.serve.formats.spans import (
    Lane,
    check_times,
    code_tiers,
    lanes,
    match,
    read_original,
)
from alliance.serve.formats.textgrid_document import Interval, TextGridDocument, TextGridTier
from alliance.serve.formats.writer import WriterOptions

__all__ = ["TextGridWriter"]

_NEW: Final = """\
File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0 
xmax = {end} 
tiers? <exists> 
size = 0 
item []: 
"""  # noqa: W291  # as Praat writes it
_ROUNDING: Final = 0.0015  # seconds: of times in milliseconds


class TextGridWriter(SingleSessionWriter):
    """Adds tiers to a TextGrid, or makes a new one."""

    _what = "a TextGrid"

    def __init__(self, stream: BinaryIO, options: WriterOptions) -> None:
        super().__init__(stream, options)
        self._document: TextGridDocument | None = None
        if options.original is not None:
            data = read_original(options.original)
            self._document = TextGridDocument(data, name=options.original)
            for tier in self._document.tiers:
                if tier.name.startswith("label@"):
                    raise TranscriptError(
                        f"expected a file without our labels, found a tier '{tier.name}'; take the "
                        f"file as it was before, or remove that tier in Praat",
                        source=options.original,
                    )

    def _write(self, session: LabelledSession) -> None:
        document = self._document or _new(session, include_text=self._options.include_text)
        found = match(session, document.spans())
        by_tier: dict[int, list[LabelledTurn]] = {}
        for turn in session:
            if turn.index in found.spans:
                by_tier.setdefault(found.spans[turn.index].tier, []).append(turn)
        added: list[TextGridTier] = []
        for place, turns in sorted(by_tier.items()):
            owner = document.tiers[place]
            for tier in code_tiers(owner.name, turns):
                codes = {found.spans[turn.index].place: code for turn, code in tier.codes}
                added.append(TextGridTier(tier.name, _recoded(owner.intervals, codes)))
        check_times(found.unmatched, "an interval of the original", "TextGrid")
        for lane in lanes(found.unmatched):
            for tier in code_tiers(lane.owner, lane.turns):
                added.append(TextGridTier(tier.name, _filled(document, tier.codes)))
        self._stream.write(document.with_tiers(added))


def _recoded(intervals: Sequence[Interval], codes: Mapping[int, str]) -> list[Interval]:
    return [
        Interval(each.start, each.end, codes.get(place, "")) for place, each in enumerate(intervals)
    ]


def _filled(
    document: TextGridDocument, coded: Iterable[tuple[LabelledTurn, str]]
) -> list[Interval]:
    """Intervals that cover the file: what was coded, and empty ones between."""
    intervals: list[Interval] = []
    at, last = document.start, float(document.end)
    for turn, value in coded:
        start, end = (turn.turn.start_ms or 0) / 1000, (turn.turn.end_ms or 0) / 1000
        if start < float(document.start) or end > last + _ROUNDING:
            raise InputError(
                f"expected turns between {document.start} and {document.end} seconds, as in the "
                f"TextGrid, found turn {turn.index} outside; give the one that was labelled with "
                f"--original"
            )
        begin, stop = _seconds(start), document.end if end >= last else _seconds(end)
        if float(begin) >= float(stop):
            continue  # Praat knows no interval without length
        if float(begin) > float(at):
            intervals.append(Interval(at, begin, ""))
        intervals.append(Interval(at if float(begin) <= float(at) else begin, stop, value))
        at = stop
    if float(at) < last:
        intervals.append(Interval(at, document.end, ""))
    return intervals


def _seconds(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _new(session: LabelledSession, *, include_text: bool) -> TextGridDocument:
    check_times(session, "", "TextGrid")
    end = max(turn.turn.end_ms or 0 for turn in session) / 1000 if len(session) else 0.0
    empty = TextGridDocument(_NEW.format(end=_seconds(end)).encode("ascii"), name="new TextGrid")
    tiers = [
        TextGridTier(lane.owner, _speech(empty, lane, include_text)) for lane in lanes(session)
    ]
    return TextGridDocument(empty.with_tiers(tiers), name="new TextGrid")


def _speech(document: TextGridDocument, lane: Lane, include_text: bool) -> list[Interval]:
    # Without its text an interval still has to be told from silence.
    return _filled(
        document,
        [(t, " ".join(t.turn.text.split()) if include_text else "-") for t in lane.turns],
    )
