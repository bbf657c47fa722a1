"""Speakers' names as a report shows them: by role unless they are asked for.

Reading a transcript has already replaced the client's and the therapist's names by their roles;
other people in the room keep theirs, and they are what is hidden here. Names within what was said,
and in a session's identifier, are not touched.
"""

from collections.abc import Iterable
from enum import StrEnum

from alliance.model.codebook import Role

__all__ = ["Names", "shown_names"]


class Names(StrEnum):
    """Whether other speakers are shown as ``Other 1`` or by the transcript's names."""

    HIDE = "hide"
    KEEP = "keep"


def shown_names(speakers: Iterable[str], names: Names) -> dict[str, str]:
    """Each speaker and the name for display, client and therapist first.

    Args:
        speakers: the speakers of a session's turns, in order; they may repeat.
        names: whether others' names are kept.
    """
    found = dict.fromkeys(speakers)
    shown = {
        role.value: role.value.capitalize()
        for role in (Role.CLIENT, Role.THERAPIST)
        if role.value in found
    }
    others = [speaker for speaker in found if speaker not in shown]
    for number, speaker in enumerate(others, start=1):
        shown[speaker] = speaker if names is Names.KEEP else f"Other {number}"
    return shown
