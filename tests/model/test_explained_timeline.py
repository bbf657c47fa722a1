"""Explanations in a timeline and in its JSON."""

import json
from collections.abc import Callable
from dataclasses import replace

import jsonschema
import pytest

from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import Label
from alliance.model.explain import (
    explain,
)
from alliance.model.explanation import TurnEffect
from alliance.model.labelled import LabelledSession
from alliance.model.schema import timeline_schema
from alliance.model.session import Session
from alliance.model.timeline import Timeline, timeline

Talk = Callable[..., Session]


@pytest.fixture
def explained(contextual: RuptureClassifier, talk: Talk) -> Timeline:
    session = talk("t: well", "c: useless secret", "m: useless", "c: dunno", "t: thanks")
    labelled = contextual.label(session)
    return timeline(labelled, explanations=explain(contextual, labelled))


def test_json_round_trip_and_schema(explained: Timeline) -> None:
    made = explained
    validator = jsonschema.Draft202012Validator(timeline_schema())
    data = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    validator.validate(data)
    assert Timeline.from_dict(data) == made
    assert [turn["turn"] for turn in data["turns"] if "why" in turn] == [1, 3]
    why = data["turns"][3]["why"]
    assert list(why) == ["words", "turns", "words_together", "turns_together"]
    assert {k: why["words"][0][k] for k in ("start", "end")} == {"start": 0, "end": 5}

    hidden = json.loads(json.dumps(made.to_dict(include_text=False)))
    validator.validate(hidden)
    assert "secret" not in json.dumps(hidden)
    assert Timeline.from_dict(hidden).explanations == made.explanations


def test_nothing_is_said_unless_it_was_asked_for(explained: Timeline) -> None:
    made = explained
    plain = replace(made, explanations=())
    assert "why" not in json.dumps(plain.to_dict())
    assert (
        timeline(
            LabelledSession(Session("s", tuple(t.turn for t in made.turns)), made.turns, made.model)
        )
        == plain
    )


def test_the_schema_knows_no_reason_without_a_label(explained: Timeline) -> None:
    data = explained.to_dict()
    validator = jsonschema.Draft202012Validator(timeline_schema())
    for place, change in ((2, data["turns"][1]["why"]), (1, {"words": []})):
        odd = json.loads(json.dumps(data))
        odd["turns"][place]["why"] = change
        assert not validator.is_valid(odd)


def test_explanations_fit_their_timeline(explained: Timeline) -> None:
    made = explained
    first, second = made.explanations
    for wrong, message in (
        ((second, first), "in the order of the turns"),
        ((first, first), "one explanation of a turn"),
        ((replace(first, turn=9, neighbours=()),), "names a turn that is not one of"),
        ((replace(first, neighbours=(TurnEffect(9, 0.1),)),), "names a turn that is not one of"),
        ((replace(first, label=Label.WITHDRAWAL),), "of another label"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(made, explanations=wrong)
