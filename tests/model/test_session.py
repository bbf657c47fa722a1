import datetime as dt
import json
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.codebook import Role
from alliance.model.session import Session, Turn

times = st.none() | st.integers(0, 10**8)


@st.composite
def drawn_turns(draw: st.DrawFn) -> Turn:
    start, end = draw(times), draw(times)
    if start is not None and end is not None:
        start, end = sorted((start, end))
    speaker = draw(st.sampled_from(["therapist", "client", "Mother", "Dr. Ö 2"]))
    return Turn(speaker, draw(st.text(max_size=30)), start, end, draw(st.text(max_size=5)))


drawn_sessions = st.builds(
    Session,
    id=st.text(min_size=1, max_size=8),
    turns=st.lists(drawn_turns(), max_size=5).map(tuple),
    client_id=st.none() | st.text(max_size=5),
    date=st.none() | st.dates(),
    number=st.none() | st.integers(1, 500),
)


@settings(max_examples=60, deadline=None)
@given(drawn_sessions)
def test_a_session_comes_back_from_json(session: Session) -> None:
    assert Session.from_dict(json.loads(json.dumps(session.to_dict()))) == session


def test_absent_facts_are_left_out_of_json() -> None:
    assert Session("s", (Turn("client", "Hi."),)).to_dict() == {
        "id": "s",
        "turns": [{"speaker": "client", "text": "Hi."}],
    }


def test_a_time_of_zero_and_a_first_session_are_facts() -> None:
    session = Session("s", (Turn("client", "", 0, 0),), number=1, date=dt.date(2026, 1, 2))
    assert session.to_dict() == {
        "id": "s",
        "turns": [{"speaker": "client", "text": "", "start_ms": 0, "end_ms": 0}],
        "number": 1,
        "date": "2026-01-02",
    }


def test_unknown_keys_are_ignored() -> None:
    data = {"id": "s", "topic": "sleep", "turns": [{"speaker": "client", "code": "W2"}]}
    assert Session.from_dict(data) == Session("s", (Turn("client", ""),))


@pytest.mark.parametrize(
    ("speaker", "role"),
    [
        ("therapist", Role.THERAPIST),
        ("client", Role.CLIENT),
        ("Mother", Role.OTHER),
        ("other", Role.OTHER),
        # Roles come from a map of the readers, never from a guess here.
        ("Therapist", Role.OTHER),
    ],
)
def test_the_role_follows_from_the_speaker(speaker: str, role: Role) -> None:
    assert Turn(speaker, "Hello.").role is role


@pytest.mark.parametrize("speaker", ["", "  "])
def test_a_turn_needs_a_speaker(speaker: str) -> None:
    with pytest.raises(ValueError, match="a turn needs a speaker"):
        Turn(speaker, "Hello.")


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (-1, None, "start_ms .* got -1"),
        (None, -5, "end_ms .* got -5"),
        (9, 8, r"end \(8\) before it starts \(9\)"),
    ],
)
def test_impossible_times_are_refused(start: int | None, end: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Turn("client", "Hello.", start, end)


def test_a_session_needs_an_id_and_counts_from_one() -> None:
    with pytest.raises(ValueError, match="a session needs an id"):
        Session("", ())
    with pytest.raises(ValueError, match="count from 1, got 0"):
        Session("s", (), number=0)


def test_sessions_and_turns_are_frozen() -> None:
    turns = [Turn("client", "Hello.")]
    session = Session("s", turns)  # type: ignore[arg-type]  # a list is taken, and copied
    turns.append(Turn("client", "More."))
    assert session.turns == (Turn("client", "Hello."),)
    with pytest.raises(FrozenInstanceError):
        session.turns[0].text = "Changed."  # type: ignore[misc]
    assert hash(session) == hash(Session("s", (Turn("client", "Hello."),)))
