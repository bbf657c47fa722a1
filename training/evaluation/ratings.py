"""What the people in a session said of it as it went: ratings that stand beside the turns."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from alliance.model.errors import TranscriptError

__all__ = ["KEY", "Ratings", "read_ratings"]

KEY: Final = "feedback"

Ratings = Mapping[tuple[str, int], int]
"""From session id and turn (its place in the transcript, from 0) to the rating, 1 (bad) to 5."""


def read_ratings(path: Path) -> dict[tuple[str, int], int]:
    """The ratings in a JSON-lines file of coded sessions; empty if it holds none.

    A rated turn carries ``feedback``, a whole number of 1 to 5 or a string of one: what the help
    seeker thought of the talk when it had come to this turn. For evaluation only.

    Args:
        path: a file that :func:`alliance.training.corpora.coded_jsonl` reads.

    Raises:
        TranscriptError: with file and line, if a rating is of another form.
    """
    found: dict[tuple[str, int], int] = {}
    for line, raw in enumerate(path.read_bytes().split(b"\n"), start=1):
        text = raw.decode("utf-8-sig").strip()
        if not text:
            continue
        session = json.loads(text)
        for place, turn in enumerate(session["turns"]):
            rating = turn.get(KEY)
            if rating is None:
                continue
            if str(rating) not in ("1", "2", "3", "4", "5"):
                raise TranscriptError(
                    f"expected '{KEY}' of turn {place} to be a whole number of 1 to 5, found "
                    f"another value; mend the line",
                    source=path,
                    line=line,
                )
            found[session["id"], place] = int(rating)
    return found
