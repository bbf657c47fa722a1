import json
from collections.abc import Callable
from pathlib import Path

import pytest

from alliance.model.codebook import Label, Marker
from alliance.model.labelled import LabelledSession
from alliance.serve.store.annotations import Judgement
from alliance.serve.store.audit import Service
from alliance.serve.store.store import Store
from alliance.training.corpora import load
from alliance.training.targets import code_targets

Sketch = Callable[..., LabelledSession]


def test_an_annotation_stands_beside_the_models_label(
    store: Store, sketch: Sketch, anna: Service
) -> None:
    stored = store.sessions.add(anna, sketch("tN cN cPB"))
    given = store.annotations.put(
        anna, stored.id, 1, Judgement(Label.WITHDRAWAL, Marker.W2, "quiet"), who="Anna"
    )
    assert given is not None
    assert (given.turn, given.who, given.created_at) == (1, "Anna", given.changed_at)
    assert store.annotations.of(anna, stored.id) == [given]
    found = store.sessions.get(anna, stored.id)
    assert found is not None
    assert found[0].annotated_turns == 1
    assert found[1].turns[1].label is Label.NEUTRAL


def test_a_change_is_told_with_what_was_said_before(
    store: Store, sketch: Sketch, anna: Service
) -> None:
    stored = store.sessions.add(anna, sketch("tN cN"))
    first, second = Judgement(Label.NEUTRAL), Judgement(Label.CONFRONTATION, Marker.C1, "louder")
    before = store.annotations.put(anna, stored.id, 1, first, who="Anna")
    after = store.annotations.put(anna, stored.id, 1, second, who="Anna")
    assert before is not None
    assert after is not None
    assert after.created_at == before.created_at < after.changed_at
    assert store.annotations.put(anna, stored.id, 1, second, who="Anna") == after
    entries = store.sessions.audit(anna, stored.id)
    assert [entry.value for entry in entries[1:]] == [
        {"who": "Anna", "before": None, "after": first.to_dict()},
        {"who": "Anna", "before": first.to_dict(), "after": second.to_dict()},
    ]


def test_each_person_has_their_own(store: Store, sketch: Sketch, anna: Service) -> None:
    stored = store.sessions.add(anna, sketch("tN cN"))
    for who in ("Anna", "Ben"):
        store.annotations.put(anna, stored.id, 1, Judgement(Label.NEUTRAL), who=who)
    assert [one.who for one in store.annotations.of(anna, stored.id)] == ["Anna", "Ben"]


@pytest.mark.parametrize("turn", [-1, 2])
def test_a_turn_that_is_not_there(store: Store, sketch: Sketch, anna: Service, turn: int) -> None:
    stored = store.sessions.add(anna, sketch("tN cN"))
    assert store.annotations.put(anna, stored.id, turn, Judgement(Label.NEUTRAL), who="A") is None


def test_what_the_codebook_forbids_is_refused(store: Store, sketch: Sketch, anna: Service) -> None:
    stored = store.sessions.add(anna, sketch("tN cN o"))
    with pytest.raises(ValueError, match="expected a marker of the label neutral, found W1"):
        Judgement(Label.NEUTRAL, Marker.W1)
    with pytest.raises(ValueError, match="of role therapist, found W1"):
        store.annotations.put(anna, stored.id, 0, Judgement(Label.WITHDRAWAL, Marker.W1), who="A")
    with pytest.raises(ValueError, match="another speaker"):
        store.annotations.put(anna, stored.id, 2, Judgement(Label.NEUTRAL), who="A")
    assert store.annotations.of(anna, stored.id) == []


def test_the_export_is_a_corpus_that_training_reads(
    store: Store, sketch: Sketch, anna: Service, tmp_path: Path
) -> None:
    stored = store.sessions.add(anna, sketch("tN cN tN cN cN tN cN"))
    store.sessions.add(anna, sketch("tN cN"))  # nobody has annotated it
    said: list[tuple[int, str, Judgement]] = [
        (1, "Anna", Judgement(Label.WITHDRAWAL, Marker.W2, "quiet")),
        (1, "Ben", Judgement(Label.CONFRONTATION, Marker.C2)),
        (2, "Anna", Judgement(Label.WITHDRAWAL)),  # the therapist's can only be WT
        (3, "Anna", Judgement(Label.WITHDRAWAL)),  # the client's may be any of seven
        (4, "Ben", Judgement(Label.NEUTRAL)),
        (6, "Anna", Judgement(Label.ALLIANCE_POSITIVE, Marker.PB)),
        (6, "Ben", Judgement(Label.ALLIANCE_POSITIVE, Marker.PG)),
        (6, "Chris", Judgement(Label.ALLIANCE_POSITIVE, Marker.PG)),
    ]
    for turn, who, judgement in said:
        store.annotations.put(anna, stored.id, turn, judgement, who=who)
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(store.export(anna)), encoding="utf-8")
    (coded,) = load(str(path))
    assert coded.id == stored.id
    assert [turn.text for turn in coded.session.turns][1] == "Words of turn 1."
    assert coded.codes == (None, Marker.W2, Marker.WT, None, Marker.N, None, Marker.PG)
    assert coded.coder_a == (None, Marker.W2, Marker.WT, None, None, None, Marker.PB)
    assert coded.coder_b == (None, Marker.C2, None, None, Marker.N, None, Marker.PG)
    line = json.loads(path.read_text(encoding="utf-8"))
    assert line["turns"][3]["annotations"] == [
        {"who": "Anna", "label": "withdrawal", "marker": None, "note": ""}
    ]
    assert [entry.action.value for entry in store.sessions.audit(anna, stored.id)].count(
        "session.exported"
    ) == 1


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([("W", None)], None),
        ([("W", None), ("N", None)], None),  # a tie: the first coder's label, which has no code
        ([("N", None), ("W", None)], Marker.N),
        ([("W", None), ("N", None), ("W", Marker.W3)], Marker.W3),  # outvoted, and by a code
        ([("N", None), ("W", None), ("W", None)], None),  # never what the outvoted say
        ([("C", Marker.C1), ("W", Marker.W2), ("W", Marker.W4)], Marker.W2),
    ],
)
def test_a_label_without_a_marker_votes_and_trains_nothing_wrong(
    store: Store,
    sketch: Sketch,
    anna: Service,
    tmp_path: Path,
    said: list[tuple[str, Marker | None]],
    code: Marker | None,
) -> None:
    stored = store.sessions.add(anna, sketch("tN cN"))
    for number, (letter, marker) in enumerate(said):
        label = next(label for label in Label if label.letter == letter)
        judgement = Judgement(label, marker)
        assert store.annotations.put(anna, stored.id, 1, judgement, who=f"coder {number}")
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(store.export(anna)), encoding="utf-8")
    (coded,) = load(str(path))
    assert coded.codes == (None, code)
    targets = code_targets(coded, settled_share=0.5)
    assert targets[0].sum() == 0  # nobody has judged it
    assert targets[1].sum() == (0 if code is None else 1)
