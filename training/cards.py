"""Filling the figures of the data cards and the model card.

A card is Markdown written by hand. Its figures stand between ``<!-- figures: NAME -->`` and
``<!-- end -->`` and are written by this module, from a corpus or from a report of
``alliance evaluate``, ``alliance crossvalidate`` or ``alliance figures``; so no figure is copied
by hand, and none is out of date without a test saying so. Cards and figures hold no words of a
transcript.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from alliance.model.codebook import Marker
from alliance.model.errors import InputError
from alliance.model.session import Session, Turn
from alliance.training import composition
from alliance.training.corpora import WRITTEN, CodedSession, annomi_labels
from alliance.training.evaluation.faithfulness import deletion_markdown
from alliance.training.evaluation.judged import cost_markdown, judged_markdown, modes_markdown
from alliance.training.evaluation.session_tables import rivals_markdown, session_markdown
from alliance.training.evaluation.tables import (
    comparison_markdown,
    crossvalidation_markdown,
    groups_markdown,
    markdown,
)
from alliance.training.files import write_whole

REPORTS: Final = "figures"
"""The folder beside the cards that holds the reports: ``NAME.json`` fills the block ``NAME``."""

_BLOCK: Final = re.compile(
    r"^<!-- figures: (?P<name>[^\n]+?) -->\n(?P<body>.*?)^<!-- end -->$", re.DOTALL | re.MULTILINE
)
_BEGIN: Final = re.compile(r"^<!-- figures: ", re.MULTILINE)

Blocks = Mapping[str, Callable[[], str]]
"""From a block's name to what makes its Markdown; called only for blocks that a card has."""


@dataclass(frozen=True, slots=True)
class CardReport:
    """What filling the cards of a folder came to.

    Attributes:
        changed: the cards whose figures were (or, checking, would have been) rewritten.
        left: blocks, as ``card: name``, that nothing at hand could fill; they stay as they are.
    """

    changed: tuple[Path, ...]
    left: tuple[str, ...]


def fill_cards(
    folder: Path, *, corpora: Mapping[str, Iterable[CodedSession]] | None = None, write: bool = True
) -> CardReport:
    """Fills the figures of every card (``*.md``) of a folder.

    Blocks ``authored/…`` and ``annomi/…`` are made from what ships with the package. Other corpora
    have to be given. Any other block ``NAME`` is made from the report ``figures/NAME.json``, and
    ``NAME/part`` from a part of it: ``turns``, ``groups``, ``sessions``, ``rivals``, and of a
    report of ``alliance figures`` also ``judged``, ``modes``, ``explanations`` and ``cost``.

    Args:
        folder: the folder of the cards.
        corpora: further corpora by the name they have in the cards, e.g. ``failed_esconv``.
        write: False only looks whether a card is out of date.

    Raises:
        InputError: if the folder holds no card, a block does not end, or a report is not one.
    """
    cards = sorted(folder.glob("*.md"))
    if not cards:
        raise InputError(f"expected cards (*.md) in {folder}, found none; name their folder")
    blocks = {**_shipped_blocks(), **_report_blocks(folder / REPORTS)}
    for name, sessions in (corpora or {}).items():
        blocks.update(corpus_blocks(name, tuple(sessions)))
    changed, left = [], []
    for card in cards:
        before = card.read_text(encoding="utf-8")
        after, unknown = fill(before, blocks, source=card)
        left += [f"{card.name}: {name}" for name in unknown]
        if after != before:
            changed.append(card)
            if write:
                write_whole(card, after)
    return CardReport(tuple(changed), tuple(left))


def fill(text: str, blocks: Blocks, *, source: str | Path) -> tuple[str, tuple[str, ...]]:
    """Fills the blocks of one card.

    Args:
        text: the card.
        blocks: what to fill them with.
        source: the card's name, for errors.

    Returns:
        The card, and the names of the blocks that ``blocks`` lacks, which stay as they are.

    Raises:
        InputError: if a block does not end.
    """
    unknown: list[str] = []

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        if _BEGIN.search(match["body"]):
            raise InputError(f"{source}: expected <!-- end --> after the figures {name!r}; add it")
        if name not in blocks:
            unknown.append(name)
            return match[0]
        return f"<!-- figures: {name} -->\n\n{blocks[name]().strip()}\n\n<!-- end -->"

    filled = _BLOCK.sub(replace, text)
    if len(_BEGIN.findall(text)) != len(_BLOCK.findall(text)):
        raise InputError(f"{source}: expected <!-- end --> after the last figures; add it")
    return filled, tuple(unknown)


def corpus_blocks(name: str, sessions: tuple[CodedSession, ...]) -> dict[str, Callable[[], str]]:
    """The blocks about one corpus: composition, agreement, folds, and each fact of its sessions."""
    blocks: dict[str, Callable[[], str]] = {
        f"{name}/composition": partial(composition.composition, sessions),
        f"{name}/agreement": partial(composition.coder_agreement, sessions),
        f"{name}/folds": partial(composition.folds, sessions),
    }
    for fact in dict.fromkeys(fact for coded in sessions for fact in coded.facts):
        blocks[f"{name}/{fact}"] = partial(composition.facts, sessions, fact)
    return blocks


def report_markdown(report: Mapping[str, Any]) -> str:
    """A report of evaluation, of cross-validation, or a comparison, as Markdown.

    Raises:
        ValueError: if it is none of these.
    """
    if "network" in report:
        return crossvalidation_markdown(report)
    if "rival" in report:
        return comparison_markdown(report)
    if "speakers" in report:
        return markdown(report)
    raise ValueError("no figures in it")


def annomi_without_text() -> tuple[CodedSession, ...]:
    """The coded sessions of AnnoMI with empty turns: enough to count codes, and it ships."""
    rows: dict[str, list[Mapping[str, str]]] = {}
    for row in annomi_labels():
        rows.setdefault(row["transcript_id"], []).append(row)
    return tuple(
        CodedSession(
            session=Session(name, tuple(Turn(row["speaker"], "") for row in turns)),
            codes=tuple(Marker(row["code"]) for row in turns),
            coder_a=tuple(Marker(row["coder_a"]) for row in turns),
            coder_b=tuple(Marker(row["coder_b"]) for row in turns),
            fold=int(turns[0]["fold"]),
        )
        for name, turns in rows.items()
    )


def _shipped_blocks() -> dict[str, Callable[[], str]]:
    corpora = {name: read() for name, read in WRITTEN.items()}
    corpora["annomi"] = annomi_without_text()
    blocks: dict[str, Callable[[], str]] = {}
    for name, sessions in corpora.items():
        blocks |= corpus_blocks(name, sessions)
    return blocks


def _report_blocks(folder: Path) -> dict[str, Callable[[], str]]:
    blocks: dict[str, Callable[[], str]] = {}
    for path in sorted(folder.glob("*.json")):
        blocks[path.stem] = partial(_from_report, path, report_markdown)
        for name, write in _parts(path).items():
            blocks[f"{path.stem}/{name}"] = partial(_from_report, path, write)
    return blocks


def _parts(path: Path) -> dict[str, Callable[[Mapping[str, Any]], str]]:
    """What parts of a report can stand in a card by themselves, as ``NAME/part``."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}  # told by whoever asks for the whole
    if not isinstance(report, dict):
        return {}
    turns = report.get("network", report)
    parts: dict[str, Callable[[Mapping[str, Any]], str]] = {}
    if "speakers" in turns:
        parts["turns"] = lambda whole: markdown(
            {k: v for k, v in whole.get("network", whole).items() if k != "groups"}
        )
    if "groups" in turns:
        parts["groups"] = lambda whole: groups_markdown(whole.get("network", whole)["groups"])
    if "sessions_level" in turns:
        parts["sessions"] = lambda whole: session_markdown(
            whole.get("network", whole)["sessions_level"], whole.get("rival_titles")
        )
    if "rivals" in report:
        parts["rivals"] = lambda whole: rivals_markdown(whole["rivals"], whole["rival_titles"])
    if "modes" in report:
        parts["modes"] = modes_markdown
        parts["explanations"] = lambda whole: deletion_markdown(whole["explanations"])
        parts["cost"] = cost_markdown
        parts["judged"] = lambda whole: judged_markdown(whole, _outside_report(path.parent))
    return parts


def _outside_report(folder: Path) -> Mapping[str, Any] | None:
    """The report on FailedESConv, if it has what the criteria ask for."""
    path = folder / "failed_esconv.json"
    if not path.is_file():
        return None
    report: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report if "sessions_level" in report else None


def _from_report(path: Path, write: Callable[[Mapping[str, Any]], str]) -> str:
    try:
        return write(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"expected a report of alliance evaluate in {path}, found something else "
            f"({type(error).__name__}: {error}); make it anew"
        ) from None
