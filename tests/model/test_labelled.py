import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.codebook import CODEBOOK_VERSION, LABELS, Label, Marker
from alliance.model.labelled import (
    LabelledSession,
    LabelledTurn,
    ModelInfo,
    Probabilities,
    Purpose,
    UnlabelledReason,
)
from alliance.model.session import Session, Turn

HELLO = Turn("client", "Hello.", 100, 900, "u7")
EVEN = Probabilities(0.25, 0.25, 0.25, 0.25)


@st.composite
def drawn_turns(draw: st.DrawFn) -> LabelledTurn:
    turn = draw(st.sampled_from([HELLO, Turn("therapist", "Ö 😀"), Turn("Mother", "")]))
    index, truncated = draw(st.integers(0, 10**6)), draw(st.booleans())
    reason = draw(st.none() | st.sampled_from(UnlabelledReason))
    if reason is not None:
        return LabelledTurn(index, turn, truncated=truncated, unlabelled_reason=reason)
    parts = draw(st.lists(st.floats(1e-9, 1), min_size=4, max_size=4))
    probabilities = Probabilities(*(part / math.fsum(parts) for part in parts))
    marker = draw(st.sampled_from(Marker))
    known = draw(st.booleans())
    return LabelledTurn(
        index,
        turn,
        label=marker.label,
        probabilities=probabilities,
        marker=marker if known else None,
        p_marker=probabilities.of(marker.label) / 3 if known else None,
        abstained=draw(st.booleans()),
        truncated=truncated,
    )


@settings(max_examples=60, deadline=None)
@given(drawn_turns())
def test_a_labelled_turn_comes_back_from_json(labelled: LabelledTurn) -> None:
    assert LabelledTurn.from_dict(json.loads(json.dumps(labelled.to_dict()))) == labelled
    silent = LabelledTurn.from_dict(json.loads(json.dumps(labelled.to_dict(include_text=False))))
    assert silent.turn.text == ""
    assert silent.to_dict(include_text=False) == labelled.to_dict(include_text=False)


def test_the_keys_are_the_columns_of_the_contract() -> None:
    labelled = LabelledTurn(
        3, HELLO, Label.WITHDRAWAL, Probabilities(0.1, 0.6, 0.1, 0.2), Marker.W2, 0.4, True, True
    )
    assert list(labelled.to_dict().items()) == [
        ("turn", 3),
        ("utterance_id", "u7"),
        ("speaker", "client"),
        ("start_ms", 100),
        ("end_ms", 900),
        ("text", "Hello."),
        ("label", "withdrawal"),
        ("p_alliance_positive", 0.1),
        ("p_withdrawal", 0.6),
        ("p_confrontation", 0.1),
        ("p_neutral", 0.2),
        ("marker", "W2"),
        ("p_marker", 0.4),
        ("abstained", True),
        ("truncated", True),
        ("unlabelled_reason", None),
    ]
    assert "text" not in labelled.to_dict(include_text=False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.5, 0.5, 0.5, -0.5), "between 0 and 1"),
        ((1.2, 0.0, 0.0, -0.2), "between 0 and 1"),
        ((math.nan, 0.5, 0.5, 0.0), "between 0 and 1"),
        ((0.3, 0.3, 0.3, 0.3), "sum to 1, got 1.2000"),
        ((0.25, 0.25, 0.25, 0.248), "sum to 1, got 0.9980"),
    ],
)
def test_what_are_no_probabilities(values: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Probabilities(*values)


def test_probabilities_by_label() -> None:
    probabilities = Probabilities(0.1, 0.2, 0.3, 0.4)
    assert [probabilities.of(label) for label in LABELS] == [0.1, 0.2, 0.3, 0.4]
    assert probabilities.of(Label.CONFRONTATION) == probabilities.confrontation == 0.3
    assert probabilities.rupture == pytest.approx(0.5)
    # Rounded values may sum to a little more than 1; a probability may not.
    assert Probabilities(0.0, 0.5, 0.5004, 0.0).rupture == 1.0


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"index": -1}, "count from 0, got -1"),
        ({"label": None}, "either a label or a reason"),
        ({"unlabelled_reason": UnlabelledReason.NO_WORDS}, "either a label or a reason"),
        ({"probabilities": None}, "label and probabilities come together"),
        ({"marker": Marker.C1}, "marker C1 does not belong to label withdrawal"),
        ({"p_marker": None}, "marker and p_marker come together"),
        ({"marker": None}, "marker and p_marker come together"),
        (
            {"label": None, "unlabelled_reason": UnlabelledReason.NO_WORDS},
            "label and probabilities come together",
        ),
        (
            {
                "label": None,
                "probabilities": None,
                "unlabelled_reason": UnlabelledReason.ROLE_OTHER,
            },
            "a turn without a label has no marker",
        ),
        (
            {
                "label": None,
                "probabilities": None,
                "marker": None,
                "p_marker": None,
                "abstained": True,
                "unlabelled_reason": UnlabelledReason.ROLE_OTHER,
            },
            "cannot be abstained",
        ),
    ],
)
def test_contradictions_are_refused(facts: dict[str, Any], message: str) -> None:
    sound: dict[str, Any] = {
        "index": 0,
        "turn": HELLO,
        "label": Label.WITHDRAWAL,
        "probabilities": EVEN,
        "marker": Marker.W2,
        "p_marker": 0.2,
    }
    assert LabelledTurn(**sound).label is Label.WITHDRAWAL
    with pytest.raises(ValueError, match=message):
        LabelledTurn(**{**sound, **facts})


@pytest.mark.parametrize("label", Label)
def test_a_rupture_turn_is_one_the_model_stands_by(label: Label) -> None:
    rupture = label in (Label.WITHDRAWAL, Label.CONFRONTATION)
    assert LabelledTurn(0, HELLO, label, EVEN).is_rupture == rupture
    assert not LabelledTurn(0, HELLO, label, EVEN, abstained=True).is_rupture


def test_a_turn_without_a_label_is_no_rupture() -> None:
    silent = LabelledTurn(0, HELLO, unlabelled_reason=UnlabelledReason.NO_WORDS)
    assert not silent.is_rupture
    assert silent.p_rupture == 0.0
    assert LabelledTurn(0, HELLO, Label.NEUTRAL, EVEN).p_rupture == 0.5


@pytest.mark.parametrize("purpose", Purpose)
def test_what_made_the_labels_comes_back_from_json(purpose: Purpose) -> None:
    info = ModelInfo("alliance-x-1", purpose)
    assert info.to_dict() == {
        "name": "alliance-x-1",
        "codebook": CODEBOOK_VERSION,
        "purpose": purpose.value,
    }
    assert ModelInfo.from_dict(json.loads(json.dumps(info.to_dict()))) == info
    causal = ModelInfo("alliance-x-1", purpose, causal=True)
    assert causal.to_dict() == {**info.to_dict(), "mode": "causal"}
    assert ModelInfo.from_dict(json.loads(json.dumps(causal.to_dict()))) == causal


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda turns: turns[:-1], "1 labelled turns for 2 turns"),
        (lambda turns: turns[::-1], "labelled turn 1 does not match turn 0"),
        (
            lambda turns: (turns[0], LabelledTurn(1, HELLO, Label.NEUTRAL, EVEN)),
            "labelled turn 1 does not match turn 1",
        ),
    ],
)
def test_labelled_turns_must_be_those_of_the_session(
    change: Callable[[tuple[LabelledTurn, ...]], tuple[LabelledTurn, ...]], message: str
) -> None:
    session = Session("s", (HELLO, Turn("therapist", "Hello.")))
    turns = tuple(LabelledTurn(i, t, Label.NEUTRAL, EVEN) for i, t in enumerate(session.turns))
    labelled = LabelledSession(session, turns, ModelInfo("m"))
    assert tuple(labelled) == turns
    assert len(labelled) == 2
    with pytest.raises(ValueError, match=message):
        LabelledSession(session, change(turns), ModelInfo("m"))
