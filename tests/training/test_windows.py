"""Training windows: what is drawn, and what a batch holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.codebook import LABELS, MARKER_ORDER, Label, Marker, Role
from alliance.model.packing import PackingConfig
from alliance.model.session import Session, Turn
from alliance.model.tokens import TokenIds, TurnTokenizer
from alliance.training.config import LossConfig, SessionConfig, StageConfig
from alliance.training.corpora import CodedSession
from alliance.training.targets import (
    PreparedSession,
    code_targets,
    disturber,
    label_weights,
    prepare,
)
from alliance.training.windows import TrainingPlan, draw_part, draw_windows

PACKING = PackingConfig(
    role_ids={Role.THERAPIST: 90, Role.CLIENT: 91, Role.OTHER: 92},
    opening_id=98,
    closing_id=99,
    max_tokens=40,
    max_turn_tokens=12,
    overlap_tokens=8,
)


class _Letters(TurnTokenizer):
    """One token per letter: lengths are known without a vocabulary."""

    def __init__(self) -> None:
        pass

    def __call__(self, texts) -> list[TokenIds]:  # type: ignore[no-untyped-def]
        return [np.array([ord(x) % 50 + 1 for x in text], dtype=np.int64) for text in texts]


def _coded(*turns: tuple[str, str, Marker | None]) -> CodedSession:
    codes = tuple(code for _, _, code in turns)
    said = tuple(Turn(speaker, text) for speaker, text, _ in turns)
    return CodedSession(Session("s", said), codes, codes, codes)


def _prepared(count: int = 30) -> list[PreparedSession]:
    turns = [
        ("client" if place % 2 else "therapist", "word" * (1 + place % 2), Marker.N)
        for place in range(count)
    ]
    return prepare([_coded(*turns)], _Letters(), PACKING, LossConfig())


@given(
    lengths=st.lists(st.integers(1, 12), max_size=80),
    room=st.integers(12, 200),
    seed=st.integers(0, 1000),
)
@settings(max_examples=100, deadline=None)
def test_drawn_windows_hold_every_turn_once_and_fit(
    lengths: list[int], room: int, seed: int
) -> None:
    windows = draw_windows(lengths, room, np.random.default_rng(seed))
    assert [turn for w in windows for turn in range(w.first, w.stop)] == list(range(len(lengths)))
    assert all(sum(lengths[w.first : w.stop]) <= room for w in windows)


def test_targets_are_shared_between_the_settled_code_and_both_codings() -> None:
    turn = Turn("client", "dunno")
    coded = CodedSession(Session("s", (turn,)), (Marker.W2,), (Marker.W2,), (Marker.N,))
    (row,) = code_targets(coded, settled_share=0.5)
    assert row[MARKER_ORDER.index(Marker.W2)] == pytest.approx(0.75)
    assert row[MARKER_ORDER.index(Marker.N)] == pytest.approx(0.25)
    (settled,) = code_targets(coded, settled_share=1.0)
    assert settled[MARKER_ORDER.index(Marker.W2)] == 1.0


@pytest.mark.parametrize(
    "turn", [Turn("client", "[inaudible]"), Turn("Anna", "I am the interpreter")]
)
def test_turns_that_get_no_label_are_not_learnt_from(turn: Turn) -> None:
    code = Marker.N if turn.speaker == "client" else None
    coded = CodedSession(Session("s", (turn,)), (code,), (code,), (code,))
    assert not code_targets(coded, settled_share=0.5).any()
    (prepared,) = prepare([coded], _Letters(), PACKING, LossConfig())
    assert prepared.weights.tolist() == [0.0]


def test_rare_labels_weigh_more_and_the_mean_weight_is_one() -> None:
    coded = _coded(*[("client", "bus", Marker.N)] * 90, *[("client", "dunno", Marker.W2)] * 10)
    flat = label_weights([coded], balance=0.0)
    assert flat == pytest.approx(np.ones(4))
    weights = label_weights([coded], balance=0.5)
    neutral, withdrawal = LABELS.index(Label.NEUTRAL), LABELS.index(Label.WITHDRAWAL)
    # Square root of 91 against 11, since every label is counted once more than it occurs.
    assert weights[withdrawal] / weights[neutral] == pytest.approx((91 / 11) ** 0.5)


def _plan(seed: int = 1, **loss: float) -> TrainingPlan:
    stage = StageConfig(shares={"mine": 1.0}, epochs=3, batch_tokens=80)
    return TrainingPlan(
        {"mine": _prepared()}, PACKING, stage, LossConfig(**loss), padding_id=0, seed=seed
    )


def test_a_plan_is_drawn_from_its_seed_alone() -> None:
    assert _plan(1).batches == _plan(1).batches
    assert _plan(1).batches != _plan(2).batches


def test_each_epoch_holds_every_turn_once_within_the_token_budget() -> None:
    plan = _plan()
    start = 0
    for end in plan.epoch_ends:
        batches = plan.batches[start:end]
        turns = [t for b in batches for w in b for t in range(w.window.first, w.window.stop)]
        assert sorted(turns) == list(range(30))
        assert all(max(w.tokens for w in b) * len(b) <= 80 for b in batches)
        start = end
    assert start == len(plan)


def test_a_batch_marks_each_token_with_its_turn() -> None:
    plan = _plan(other_share=0.0)
    for step in range(len(plan)):
        batch = plan[step]
        ids, turns = batch["input_ids"].numpy(), batch["turn_of_token"].numpy()
        opens = np.isin(ids, [90, 91])
        count = len(batch["targets"])
        assert opens.sum() == count  # one role token per turn ...
        assert sorted(turns[opens].tolist()) == list(range(count))
        assert (turns[np.isin(ids, [0, 98, 99])] == -1).all()  # ... and none for the frame
        assert (batch["attention_mask"].numpy() == (ids != 0)).all()
        therapist = [turn for turn in range(count) if (ids[turns == turn] == 90).any()]
        legal = batch["legal"].numpy()
        assert legal[therapist][:, MARKER_ORDER.index(Marker.CT)].all()
        assert not legal[therapist][:, MARKER_ORDER.index(Marker.W2)].any()


def test_renamed_speakers_are_other_people_without_a_label() -> None:
    plan = _plan(other_share=1.0)
    batch = plan[0]
    ids, turns = batch["input_ids"].numpy(), batch["turn_of_token"].numpy()
    others = turns[ids == 92]
    assert len(others) > 0
    weights = batch["weights"].numpy()
    assert (weights[others] == 0).all()
    kept = np.setdiff1d(np.arange(len(weights)), others)
    assert (weights[kept] > 0).all()


def _long_sessions() -> list[CodedSession]:
    # Five ruptures in a row amid neutral turns: most windows hold none.
    codes = [Marker.C1 if 40 <= place < 45 else Marker.N for place in range(80)]
    return [_coded(*(("client", f"word{place}", code) for place, code in enumerate(codes)))] * 3


def test_windows_with_ruptures_are_kept_where_plain_ones_are_thinned() -> None:
    prepared = prepare(_long_sessions(), _Letters(), PACKING, LossConfig())
    stage = StageConfig(shares={"own": 1.0}, epochs=4, plain_share=0.25)
    plan = TrainingPlan({"own": prepared}, PACKING, stage, LossConfig(), padding_id=0, seed=2)
    windows = [item.window for batch in plan.batches for item in batch]
    drawn = [turn for window in windows for turn in range(window.first, window.stop)]
    assert all(drawn.count(turn) == 12 for turn in range(40, 45))
    assert len(drawn) < 0.6 * 12 * 80


def test_disturbed_sessions_are_drawn_anew_and_keep_their_codes() -> None:
    sessions = _long_sessions()
    loss = LossConfig()
    stage = StageConfig(shares={"own": 1.0}, epochs=2, disturbed_share=1.0)
    plan = TrainingPlan(
        {"own": prepare(sessions, _Letters(), PACKING, loss)},
        PACKING,
        stage,
        loss,
        padding_id=0,
        seed=2,
        disturbed=disturber({"own": sessions}, _Letters(), PACKING, loss),
    )
    ruptures = [label.is_rupture for label in (code.label for code in MARKER_ORDER)]
    batches = [plan[step] for step in range(len(plan))]
    targets = np.concatenate([batch["targets"].numpy() for batch in batches])
    assert len(targets) == 2 * 3 * 80
    assert targets[:, ruptures].sum() == pytest.approx(2 * 3 * 5)


@given(turns=st.integers(1, 60), share=st.sampled_from([0.0, 0.5, 1.0]), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_a_part_is_some_turns_in_a_row(turns: int, share: float, seed: int) -> None:
    first, stop = draw_part(turns, share, np.random.default_rng(seed))
    assert 0 <= first < stop <= turns
    assert stop - first >= min(turns, 8)
    if share == 0:
        assert (first, stop) == (0, turns)


def _plan_of_parts(
    sessions: list[PreparedSession], *, budget: int = 160, **layer: float
) -> TrainingPlan:
    stage = StageConfig(shares={"mine": 1.0}, epochs=2, batch_tokens=budget)
    config = SessionConfig(hidden=4, **layer)
    return TrainingPlan(
        {"mine": sessions}, PACKING, stage, LossConfig(), padding_id=0, seed=3, layer=config
    )


def test_for_a_layer_over_the_session_its_windows_stay_together() -> None:
    plan = _plan_of_parts([*_prepared(8), *_prepared(30), *_prepared(5)], part_share=0.0)
    start = 0
    for end in plan.epoch_ends:
        shown = []
        for batch in plan.batches[start:end]:
            assert max(w.tokens for w in batch) * len(batch) <= 160
            for before, window in zip([None, *batch], batch, strict=False):
                if before is not None and not window.begins:
                    assert window.session == before.session
                    assert window.window.first == before.window.stop
                    assert window.renamed is before.renamed
            assert batch[0].begins
            shown += [(w.session, t) for w in batch for t in range(w.window.first, w.window.stop)]
        assert sorted(shown) == [(0, t) for t in range(8)] + [(1, t) for t in range(30)] + [
            (2, t) for t in range(5)
        ]
        start = end
    assert any(len(batch) > 1 and not batch[1].begins for batch in plan.batches)


def test_a_batch_of_parts_says_who_speaks_how_long_and_where_a_part_ends() -> None:
    sessions = _prepared(30)
    plan = _plan_of_parts(sessions)
    for step, planned in enumerate(plan.batches):
        batch = plan[step]
        turns = [t for w in planned for t in range(w.window.first, w.window.stop)]
        assert batch["counts"].sum() == len(turns) == len(batch["targets"])
        assert len(batch["counts"]) == sum(w.begins for w in planned)
        assert batch["lengths"].tolist() == [sessions[0].lengths[t] for t in turns]
        renamed = any(w.renamed for w in planned)
        if not renamed:
            assert batch["roles"].tolist() == [t % 2 for t in turns]  # 0: therapist, 1: client


def test_parts_without_a_rupture_are_thinned_too() -> None:
    prepared = prepare(_long_sessions(), _Letters(), PACKING, LossConfig())
    stage = StageConfig(shares={"own": 1.0}, epochs=4, plain_share=0.25, batch_tokens=80)
    layer = SessionConfig(hidden=4, part_share=0.0)
    plan = TrainingPlan(
        {"own": prepared}, PACKING, stage, LossConfig(), padding_id=0, seed=2, layer=layer
    )
    windows = [item.window for batch in plan.batches for item in batch]
    drawn = [turn for window in windows for turn in range(window.first, window.stop)]
    assert all(drawn.count(turn) == 12 for turn in range(40, 45))
    assert len(drawn) < 0.8 * 12 * 80


def test_a_stage_outside_the_session_draws_single_windows() -> None:
    stage = StageConfig(shares={"mine": 1.0}, epochs=2, batch_tokens=160, in_session=False)
    plans = [
        TrainingPlan(
            {"mine": _prepared()}, PACKING, stage, LossConfig(), padding_id=0, seed=3, layer=layer
        )
        for layer in (SessionConfig(hidden=4), None)
    ]
    assert plans[0].batches == plans[1].batches
