import inspect
import re

import pytest

from alliance.model import errors


def drawn_tree() -> dict[str, str | None]:
    """Each class named in the module's docstring, and the class it hangs from."""
    parents: dict[str, str | None] = {}
    branch: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        node = re.match(r"(?P<rails>[│├└─ ]*)(?P<name>\w+Error)\b", line)
        if node:
            depth = len(node["rails"]) // 4
            branch = [*branch[:depth], node["name"]]
            parents[node["name"]] = branch[-2] if depth else None
    return parents


def test_the_tree_drawn_is_the_tree_of_classes() -> None:
    found = {
        name: cls.__bases__
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if cls.__module__ == errors.__name__
    }
    drawn = {
        name: (Exception if parent is None else getattr(errors, parent),)
        for name, parent in drawn_tree().items()
    }
    assert drawn == found


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.TranscriptError("no turns found"), "no turns found"),
        (errors.TranscriptError("no turns found", source="a.vtt"), "a.vtt: no turns found"),
        (errors.TranscriptError("bad time", source="a.vtt", line=3), "a.vtt:3: bad time"),
        (errors.TranscriptError("bad time", source="-", line=3), "-:3: bad time"),
    ],
)
def test_a_transcript_error_names_the_place(error: errors.TranscriptError, message: str) -> None:
    assert str(error) == message


def test_an_unknown_speaker_error_lists_the_speakers_and_the_option_to_add() -> None:
    error = errors.UnknownSpeakerError(
        ["Kim", "Speaker 2"], known=["T=therapist"], source="a.txt", line=7
    )
    assert str(error) == (
        "a.txt:7: expected every speaker to be a therapist, a client or another person, found "
        "'Kim', 'Speaker 2' (recognised: T=therapist); add "
        "--role 'Kim=therapist|client|other' --role 'Speaker 2=therapist|client|other'"
    )
    assert (error.speakers, error.known) == (("Kim", "Speaker 2"), ("T=therapist",))
    assert "recognised" not in str(errors.UnknownSpeakerError(["Kim"]))


def test_a_missing_extra_says_what_to_run() -> None:
    error = errors.MissingExtraError("alliance train", "train")
    assert "alliance train needs the [train] extra" in str(error)
    assert "pip install 'alliance-rupture[train]'" in str(error)
    assert (error.feature, error.extra) == ("alliance train", "train")
