"""What in a turn tells who is speaking or spoken of, by rules for English."""

from collections.abc import Iterable, Sequence

from alliance.serve.deidentify.kinds import Finder, Finding
from alliance.serve.deidentify.names import (
    introduced_names,
    introduced_places,
    known_names,
    known_places,
    to_judge,
    variants,
)
from alliance.serve.deidentify.patterns import by_form

__all__ = ["find"]


def find(
    text: str,
    names: Iterable[str] = (),
    *,
    places: Iterable[str] = (),
    more: Sequence[Finder] = (),
) -> list[Finding]:
    """What a text holds, in order, none overlapping another; the longer of two that would.

    Args:
        text: of a turn.
        names: names that are known, as they are written.
        places: places that are known.
        more: further finders.

    Returns:
        What is to be replaced, and between it what is left for a person to judge.
    """
    found = [*by_form(text), *known_names(text, names)]
    introduced = variants(introduced_names(text))
    found += known_names(text, introduced, rule="name that is introduced")
    found += known_places(text, [*places, *introduced_places(text)])
    for finder in more:
        found += finder(text)
    kept: list[Finding] = []
    _add(kept, found)
    _add(kept, to_judge(text))
    return sorted(kept)


def _add(kept: list[Finding], found: Iterable[Finding]) -> None:
    for one in sorted(found, key=lambda f: (f.start - f.end, f.start, f.kind)):
        if all(one.end <= other.start or other.end <= one.start for other in kept):
            kept.append(one)
