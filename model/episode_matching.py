"""Which episodes of two labellings of one session are the same."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Span", "match_episodes"]


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """An episode's first and last rupture turn, as places in the transcript.

    Raises:
        ValueError: if it ends before it begins.
    """

    onset: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.onset <= self.last:
            raise ValueError(f"an episode's last turn follows its onset, got {self}")

    def overlaps(self, other: "Span") -> bool:
        """Whether a turn lies in both."""
        return self.onset <= other.last and other.onset <= self.last


def match_episodes(
    gold: Sequence[Span], found: Sequence[Span], *, near: int, overlap: bool
) -> list[tuple[int, int]]:
    """Which found episode answers which gold one, at most one each; places in both lists.

    Args:
        gold: episodes to be found, in order, none overlapping another.
        found: those predicted, likewise.
        near: turns by which the onsets may differ.
        overlap: whether sharing a turn is an answer too.
    """
    # Episodes of one labelling follow each other without overlap, so uncrossing two matches never
    # loses one nor makes their distances longer: matching in order reaches the best there is.
    best: list[list[tuple[int, int]]] = [[(0, 0)] * (len(found) + 1) for _ in range(len(gold) + 1)]
    for i, a in enumerate(gold, start=1):
        for j, b in enumerate(found, start=1):
            best[i][j] = max(best[i - 1][j], best[i][j - 1])
            if _answers(a, b, near=near, overlap=overlap):
                matches, closeness = best[i - 1][j - 1]
                best[i][j] = max(best[i][j], (matches + 1, closeness - abs(a.onset - b.onset)))
    pairs = []
    i, j = len(gold), len(found)
    while i and j:
        if best[i][j] == best[i - 1][j]:
            i -= 1
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


def _answers(gold: Span, found: Span, *, near: int, overlap: bool) -> bool:
    return abs(gold.onset - found.onset) <= near or (overlap and gold.overlaps(found))
