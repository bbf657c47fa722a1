"""Whether text written for training repeats text that is tested on."""

from collections.abc import Iterable, Iterator

from alliance.training.corpora.coded import CodedSession


def repeated_turns(
    ours: Iterable[CodedSession], theirs: Iterable[CodedSession], *, words: int = 8
) -> list[tuple[str, int]]:
    """Turns of ours that share a run of words with a turn of theirs.

    Case and punctuation do not count.

    Args:
        ours: sessions that are trained on.
        theirs: sessions that are tested on.
        words: length of the run; shorter ones are the small change of talk ("I don't know what
            you mean").

    Returns:
        Session id and place of each such turn of ours.
    """
    known = {run for coded in theirs for text in _texts(coded) for run in _runs(text, words)}
    return [
        (coded.id, place)
        for coded in ours
        for place, text in enumerate(_texts(coded))
        if any(run in known for run in _runs(text, words))
    ]


def _texts(coded: CodedSession) -> Iterator[str]:
    return (turn.text for turn in coded.session.turns)


def _runs(text: str, words: int) -> Iterator[tuple[str, ...]]:
    kept = "".join(c if c.isalnum() or c == "'" else " " for c in text.casefold()).split()
    return (tuple(kept[at : at + words]) for at in range(len(kept) - words + 1))
