import difflib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.codebook import Marker, Role
from alliance.model.errors import ConfigError
from alliance.model.session import Session, Turn
from alliance.model.text import has_words
from alliance.training.corpora import CodedSession, authored
from alliance.training.disturb import disturb, disturb_coded


@pytest.fixture(scope="module")
def written() -> list[CodedSession]:
    return list(authored()[:40])


def session(*said: str) -> Session:
    parts = (line.partition(": ") for line in said)
    return Session("s", tuple(Turn(speaker, text) for speaker, _, text in parts))


texts = st.text(st.characters(exclude_categories=()), max_size=30) | st.lists(
    st.sampled_from(
        ["I", "can't", "don't", "(I", "know)", "[laughs]", "xxx", "ww", "...", "(", "Über", "नमस्ते"]
    ),
    max_size=12,
).map(" ".join)
turns = st.builds(
    Turn,
    st.sampled_from(["therapist", "client", "Mother"]),
    texts,
    st.none() | st.just(5),
    st.none() | st.just(9),
    st.sampled_from(["", "u1"]),
)
shares = st.sampled_from([0.0, 0.05, 0.5, 1.0])


@settings(max_examples=100, deadline=None)
@given(
    said=st.lists(turns, max_size=8),
    seed=st.integers(0, 3),
    errors=shares,
    punctuation=st.booleans(),
    swapped=shares,
)
def test_a_disturbed_session_keeps_its_turns(
    said: list[Turn], seed: int, errors: float, punctuation: bool, swapped: float
) -> None:
    whole = Session("s", tuple(said))
    options: dict[str, Any] = {
        "word_errors": errors,
        "punctuation": punctuation,
        "swapped_roles": swapped,
    }
    found = disturb(whole, seed=seed, **options)
    assert found == disturb(whole, seed=seed, **options)
    assert len(found.turns) == len(said)
    for before, after in zip(said, found.turns, strict=True):
        assert has_words(after.text) == has_words(before.text)
        assert (after.start_ms, after.utterance_id) == (before.start_ms, before.utterance_id)
        assert (after.role is Role.OTHER) == (before.role is Role.OTHER)
        if swapped == 0.0 or before.role is Role.OTHER:
            assert after.speaker == before.speaker
        elif swapped == 1.0:
            assert after.speaker != before.speaker
        if errors == 0.0 and punctuation:
            assert after.text == before.text
        if not punctuation and has_words(before.text):
            assert not set(after.text) & set(".,!?()[]")


def test_the_word_error_rate_is_the_one_asked_for(written: list[CodedSession]) -> None:
    errors = words = 0
    kinds = {"replace": 0, "delete": 0, "insert": 0}
    for coded in written:
        plain = disturb(coded.session, seed=0, word_errors=0.0, swapped_roles=0.0)
        heard = disturb(coded.session, seed=0, word_errors=0.15, swapped_roles=0.0)
        for before, after in zip(plain.turns, heard.turns, strict=True):
            one, other = before.text.split(), after.text.split()
            words += len(one)
            matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
            for kind, i1, i2, j1, j2 in matcher.get_opcodes():
                if kind != "equal":
                    kinds[kind] += max(i2 - i1, j2 - j1)
    errors = sum(kinds.values())
    assert words > 10_000
    assert errors / words == pytest.approx(0.15, abs=0.012)
    assert kinds["replace"] > kinds["delete"] > kinds["insert"] > 0.1 * errors


def test_shares_of_roles_and_turns_are_those_asked_for(written: list[CodedSession]) -> None:
    every = swapped = left = 0
    for coded in written:
        found = disturb(coded.session, seed=1, swapped_roles=0.2, dropped_turns=0.0)
        pairs = list(zip(coded.session.turns, found.turns, strict=True))
        every += len(pairs)
        swapped += sum(before.speaker != after.speaker for before, after in pairs)
        left += len(disturb(coded.session, seed=1, dropped_turns=0.3).turns)
    assert swapped / every == pytest.approx(0.2, abs=0.03)
    assert left / every == pytest.approx(0.7, abs=0.04)


def test_settings_are_drawn_apart(written: list[CodedSession]) -> None:
    whole = written[0].session
    base = disturb(whole, seed=3)
    swapped = disturb(whole, seed=3, swapped_roles=0.5)
    assert [turn.text for turn in base.turns] == [turn.text for turn in swapped.turns]
    dropped = disturb(whole, seed=3, dropped_turns=0.4)
    rest = iter(base.turns)
    assert 0 < len(dropped.turns) < len(base.turns)
    assert all(turn in rest for turn in dropped.turns)  # in order
    assert disturb(whole, seed=4) != base
    # A session of other words has its turns swapped at other places.
    places = {
        tuple(turn.speaker for turn in disturb(session(*[f"client: {w}"] * 40), seed=0).turns)
        for w in ("yes", "no", "well")
    }
    assert len(places) == 3


def test_without_punctuation_there_is_neither_case_nor_a_note() -> None:
    said = session("client: Well... [laughs] I can't - you know - stop!", "client: (pause)")
    found = disturb(said, seed=0, word_errors=0.0, swapped_roles=0.0)
    assert [turn.text for turn in found.turns] == ["well i can't you know stop", "(pause)"]


def test_the_last_word_stays_and_one_turn_too() -> None:
    said = session(*["client: No."] * 200)
    found = disturb(said, seed=0, word_errors=1.0)
    assert all(has_words(turn.text) for turn in found.turns)
    assert len({turn.text for turn in found.turns}) > 3
    assert len(disturb(said, seed=0, dropped_turns=1.0).turns) == 1
    assert disturb(Session("s", ()), seed=0, dropped_turns=0.5).turns == ()


@pytest.mark.parametrize("name", ["word_errors", "swapped_roles", "dropped_turns"])
@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_lies_between_0_and_1(name: str, share: float) -> None:
    with pytest.raises(ConfigError, match=rf"expected {name} between 0 and 1, found {share}"):
        disturb(session("client: yes"), seed=0, **{name: share})  # type: ignore[arg-type]  # all three take a share


def test_codes_go_with_their_turns(
    coded_sessions: Callable[..., list[CodedSession]], written: list[CodedSession]
) -> None:
    for coded in [*coded_sessions(3, folds=3), *written]:
        options: dict[str, Any] = {"seed": 5, "swapped_roles": 0.5, "dropped_turns": 0.3}
        found = disturb_coded(coded, **options)
        assert found.session == disturb(coded.session, **options)
        assert (found.fold, dict(found.facts)) == (coded.fold, dict(coded.facts))
        every = disturb_coded(coded, seed=5, swapped_roles=0.5)
        assert every.labels == coded.labels
        kept = iter(zip(every.session.turns, every.codes, strict=True))
        assert all(pair in kept for pair in zip(found.session.turns, found.codes, strict=True))


def test_a_code_changes_only_with_a_speaker_who_cannot_carry_it() -> None:
    codes = (Marker.W2, Marker.C1, Marker.PB, None, Marker.WT, Marker.CT, Marker.N)
    speakers = ["client"] * 4 + ["therapist"] * 3
    whole = Session("s", tuple(Turn(speaker, "so it goes") for speaker in speakers))
    found = disturb_coded(CodedSession(whole, codes, codes, codes), seed=0, swapped_roles=1.0)
    expected = (Marker.WT, Marker.CT, Marker.PB, None, Marker.W4, Marker.C7, Marker.N)
    assert found.codes == found.coder_a == found.coder_b == expected
