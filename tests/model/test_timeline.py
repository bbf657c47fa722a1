import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.codebook import CODEBOOK_VERSION, LABELS, Label, Marker
from alliance.model.episodes import Kind, Outcome
from alliance.model.errors import ConfigError
from alliance.model.labelled import LabelledSession, LabelledTurn, Purpose, UnlabelledReason
from alliance.model.schema import timeline_schema
from alliance.model.session import Session
from alliance.model.timeline import Timeline, TimelineConfig, timeline

Sketch = Callable[..., LabelledSession]

TURNS = "tN cN tPR tPB cPB cPT cPG cW2 cC1 tCT tWT cW2? cPB? tN? _ o cW cW2@.9 cC1@.5"
WORDS = st.sampled_from(TURNS.split())
SESSIONS = st.lists(WORDS, max_size=40)
CONFIGS = st.builds(
    lambda gap, more, half: TimelineConfig(gap, gap + more, half),
    st.integers(0, 5),
    st.integers(1, 6),
    st.floats(0.1, 50),
)
QUICK = settings(max_examples=60, deadline=None)
VALIDATOR = jsonschema.Draft202012Validator(timeline_schema())

RICH = "tN cN _ o tPB cW2 tCT? cC1 tPR cPB tPT cPG cN? cN tN cW3"


def through_json(data: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(data, allow_nan=False))
    return read


# The settings.


def test_the_defaults_are_the_documented_ones() -> None:
    assert TimelineConfig() == TimelineConfig(gap_turns=3, repair_turns=6, level_half_life_turns=10)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("gap_turns", -1),
        ("gap_turns", 1.5),
        ("gap_turns", True),
        ("repair_turns", 3),  # not more than gap_turns
        ("repair_turns", "6"),
        ("level_half_life_turns", 0),
        ("level_half_life_turns", -2.5),
        ("level_half_life_turns", math.inf),
        ("level_half_life_turns", math.nan),
        ("level_half_life_turns", True),
        ("level_half_life_turns", None),
    ],
)
def test_a_setting_out_of_range_is_quoted(setting: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        TimelineConfig(**{setting: value})  # type: ignore[arg-type]
    assert setting in str(caught.value)
    assert f"found {value!r}; the default is" in str(caught.value)


def test_the_settings_are_used(sketch: Sketch) -> None:
    session = sketch("tN cC1 tN cC1 tN cN tPB cPB")
    assert len(timeline(session).episodes) == 1
    assert len(timeline(session, TimelineConfig(gap_turns=0)).episodes) == 2
    short = timeline(session, TimelineConfig(repair_turns=4)).episodes[0]
    assert short.outcome is Outcome.REPAIR_SIGNAL
    assert (
        timeline(session).alliance_level
        != timeline(session, TimelineConfig(level_half_life_turns=3)).alliance_level
    )


# The timeline.


def test_it_carries_the_session(sketch: Sketch) -> None:
    session = sketch(RICH, session_id="first")
    made = timeline(session)
    assert (made.session_id, made.turns, made.model) == ("first", session.turns, session.model)
    assert [(e.onset, e.last) for e in made.episodes] == [(5, 7), (15, 15)]


def test_a_label_on_another_speaker_is_an_error(sketch: Sketch) -> None:
    session = sketch("tN cN")
    turn = replace(session.turns[1].turn, speaker="Mother")
    odd = LabelledSession(
        Session("s", (session.turns[0].turn, turn)),
        (session.turns[0], replace(session.turns[1], turn=turn)),
        session.model,
    )
    with pytest.raises(ValueError, match="found one on turn 1 of another speaker") as caught:
        timeline(odd)
    assert "Words" not in str(caught.value)


def test_contradictions(sketch: Sketch) -> None:
    made = timeline(sketch(RICH))
    with pytest.raises(ValueError, match="in order, counted from 0"):
        replace(made, turns=made.turns[1:])
    with pytest.raises(ValueError, match="alliance level of 1 turns for 16"):
        replace(made, alliance_level=timeline(sketch("tN")).alliance_level)
    with pytest.raises(ValueError, match="begins at turn 5, inside"):
        replace(made, episodes=made.episodes[::-1])
    short = timeline(sketch("tN cN"))
    with pytest.raises(ValueError, match="after the session's 2 turns"):
        replace(made, turns=short.turns, alliance_level=short.alliance_level)


def test_the_exported_names_exist() -> None:
    module = sys.modules["alliance.model.timeline"]  # the attribute is the function of that name
    for name in module.__all__:
        assert hasattr(module, name)


# The summary.


def test_the_summary_counts_by_hand(sketch: Sketch) -> None:
    session = sketch(RICH)
    long = replace(session.turns[0], truncated=True)
    turns = (long, *session.turns[1:])
    summary = timeline(LabelledSession(session.session, turns, session.model)).summary
    assert (summary.turns, summary.labelled, summary.truncated) == (16, 14, 1)
    assert summary.unlabelled == {UnlabelledReason.NO_WORDS: 1, UnlabelledReason.ROLE_OTHER: 1}
    client, therapist = summary.client, summary.therapist
    assert client.labels == dict(zip(LABELS, (2, 2, 1, 2), strict=True))
    assert therapist.labels == dict(zip(LABELS, (3, 0, 0, 2), strict=True))
    assert (client.abstained, therapist.abstained) == (1, 1)
    assert client.rupture_share == 3 / 8
    assert therapist.rupture_share == 0
    assert therapist.positive_codes == {
        Marker.PB: 1,
        Marker.PT: 1,
        Marker.PG: 0,
        Marker.PR: 1,
    }
    assert summary.episodes == {Kind.WITHDRAWAL: 1, Kind.CONFRONTATION: 0, Kind.MIXED: 1}
    assert summary.outcomes == {Outcome.REPAIR_SIGNAL: 1, Outcome.OPEN: 1, Outcome.NONE_SEEN: 0}
    assert summary.heard_codes == (Marker.PB, Marker.PT, Marker.PG, Marker.PR)


def test_a_code_that_is_not_heard(sketch: Sketch) -> None:
    assert timeline(sketch("tPB cPG tPR?")).summary.heard_codes == (Marker.PB, Marker.PG)


def test_no_share_without_turns(sketch: Sketch) -> None:
    assert timeline(sketch("tN")).summary.client.rupture_share is None


@QUICK
@given(words=SESSIONS)
def test_every_turn_is_counted_once(sketch: Sketch, words: list[str]) -> None:
    made = timeline(sketch(" ".join(words)))
    summary = made.summary
    assert summary.labelled + sum(summary.unlabelled.values()) == summary.turns == len(words)
    assert sum(summary.episodes.values()) == sum(summary.outcomes.values()) == len(made.episodes)
    assert summary.client.rupture_turns + summary.therapist.rupture_turns == sum(
        len(episode.rupture_turns) for episode in made.episodes
    )


# JSON.


@QUICK
@given(words=SESSIONS, config=CONFIGS, timed=st.booleans())
def test_json_round_trip_and_schema(
    sketch: Sketch, words: list[str], config: TimelineConfig, timed: bool
) -> None:
    made = timeline(sketch(" ".join(words), timed=timed), config)
    with_text = through_json(made.to_dict())
    VALIDATOR.validate(with_text)
    assert Timeline.from_dict(with_text) == made

    without = through_json(made.to_dict(include_text=False))
    VALIDATOR.validate(without)
    read = Timeline.from_dict(without)
    assert read.episodes == made.episodes
    assert read.alliance_level == made.alliance_level
    assert [turn.turn.text for turn in read.turns] == [""] * len(words)
    assert read.to_dict(include_text=False) == made.to_dict(include_text=False)


def test_the_keys_of_the_contract(sketch: Sketch) -> None:
    data = timeline(sketch(RICH)).to_dict()
    assert list(data) == [
        "session_id",
        "turns",
        "episodes",
        "summary",
        "alliance_level",
        "model",
        "config",
    ]
    assert data["model"] == {
        "name": "stub-1",
        "codebook": CODEBOOK_VERSION,
        "purpose": "research",
    }
    assert len(data["alliance_level"]["client"]["value"]) == len(data["turns"])


def test_a_timeline_made_live_says_so(sketch: Sketch) -> None:
    made = sketch(RICH)
    causal = replace(made, model=replace(made.model, causal=True))
    data = through_json(timeline(causal).to_dict())
    VALIDATOR.validate(data)
    assert data["model"] == {**timeline(made).to_dict()["model"], "mode": "causal"}
    assert Timeline.from_dict(data) == timeline(causal)


def test_no_text_where_none_is_wanted(sketch: Sketch) -> None:
    made = timeline(sketch(RICH, text="secret"))
    assert "secret" in json.dumps(made.to_dict())
    assert "secret" not in json.dumps(made.to_dict(include_text=False))


# The schema.


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(timeline_schema())


def test_the_schema_is_a_fresh_copy() -> None:
    timeline_schema()["properties"].clear()
    assert timeline_schema()["properties"]


def test_every_object_is_strict_and_every_value_described() -> None:
    described = 0

    def walk(node: object, name: str) -> None:
        nonlocal described
        if isinstance(node, list):
            for item in node:
                walk(item, name)
        if not isinstance(node, dict):
            return
        if node.get("type") == "object":
            assert node["additionalProperties"] is False, name
            assert set(node["required"]) >= set(node["properties"]) - {"text", "mode", "why"}, name
            for key, value in node["properties"].items():
                assert "description" in value or "$ref" in value, key
                described += 1
        for key, value in node.items():
            walk(value, key)

    walk(timeline_schema(), "")
    assert described > 60


def test_the_schema_lists_what_the_code_knows() -> None:
    schema = timeline_schema()
    turn, episode = schema["$defs"]["turn"]["properties"], schema["$defs"]["episode"]["properties"]
    summary = schema["$defs"]["summary"]["properties"]
    assert turn["label"]["enum"] == [*(label.value for label in Label), None]
    assert turn["marker"]["enum"] == [*(marker.value for marker in Marker), None]
    assert turn["unlabelled_reason"]["enum"] == [*(r.value for r in UnlabelledReason), None]
    assert episode["kind"]["enum"] == [kind.value for kind in Kind]
    assert episode["outcome"]["enum"] == [outcome.value for outcome in Outcome]
    assert set(episode["markers"]["items"]["enum"]) == {
        marker.value for marker in Marker if marker.label.is_rupture
    }
    assert list(summary["outcomes"]["properties"]) == [outcome.value for outcome in Outcome]
    assert list(summary["episodes"]["properties"]) == [kind.value for kind in Kind]
    purposes = schema["properties"]["model"]["properties"]["purpose"]["enum"]
    assert purposes == [purpose.value for purpose in Purpose]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("extra",), 1),
        (("turns", 0, "extra"), 1),
        (("turns", 0, "label"), "positive"),
        (("turns", 0, "p_neutral"), 1.5),
        (("turns", 0, "p_neutral"), None),  # a label without its probabilities
        (("turns", 0, "unlabelled_reason"), "no_words"),  # a label and a reason
        (("turns", 2, "unlabelled_reason"), None),  # neither
        (("turns", 2, "abstained"), True),
        (("turns", 0, "start_ms"), -1),
        (("episodes", 0, "outcome"), "resolved"),
        (("episodes", 0, "rupture_turns"), []),
        (("episodes", 0, "markers"), ["PB"]),
        (("summary", "turns"), -1),
        (("alliance_level", "client", "value"), [2.0]),
        (("model", "purpose"), "diagnosis"),
        (("config", "level_half_life_turns"), 0),
    ],
)
def test_the_schema_refuses(sketch: Sketch, path: tuple[str | int, ...], value: object) -> None:
    data = timeline(sketch(RICH, timed=True)).to_dict()
    VALIDATOR.validate(data)
    node: Any = data
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    assert not VALIDATOR.is_valid(data)


def test_turns_stay_what_they_were(sketch: Sketch) -> None:
    turns: tuple[LabelledTurn, ...] = sketch(RICH).turns
    assert timeline(sketch(RICH)).turns == turns
