"""A model whose encoder gives features, and a layer over the session makes logits of them."""

import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alliance.model.backend import Features, Logits
from alliance.model.calibration import Calibration
from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import LABELS, MARKER_ORDER, Role
from alliance.model.decision import DecisionPolicy, DecisionRule, Rules
from alliance.model.errors import ModelError
from alliance.model.explain import explain
from alliance.model.labelled import Purpose
from alliance.model.model_folder import CAUSAL_RULES
from alliance.model.scores import chosen_rows
from alliance.model.session import Session, Turn
from alliance.model.session_layer import ROLES, OnnxSessionLayer
from alliance.serve.remembering import RememberingClassifier

Sessions = Callable[..., Session]
Writes = Callable[..., None]
WIDTH = 7


@pytest.fixture
def model(layered: Path) -> RuptureClassifier:
    return RuptureClassifier.load(layered, threads=1)


class Noting:
    """The layer, and how many turns it was given each time."""

    def __init__(self, inner: RuptureClassifier) -> None:
        assert inner.layer is not None
        self.inner = inner.layer
        self.read: list[int] = []

    def __call__(self, features: Features, roles: Sequence[Role], lengths: Sequence[int]) -> Logits:
        self.read.append(len(roles))
        assert features.shape == (len(roles), WIDTH)
        return self.inner(features, roles, lengths)


def noting(model: RuptureClassifier) -> tuple[RuptureClassifier, Noting]:
    layer = Noting(model)
    return RuptureClassifier(
        "noting",
        tokenizer=model.tokenizer,
        backend=model.backend,
        packing=model.packing,
        layer=layer,
    ), layer


# What it reads.


def test_it_reads_the_whole_session_once(model: RuptureClassifier, long_session: Sessions) -> None:
    model, layer = noting(model)
    session = long_session(90)
    assert len(model.plan(session).windows) > 5
    assert len(model.label(session)) == 90
    assert layer.read == [90]


@pytest.mark.parametrize("turns", [0, 1, 2, 500])
def test_sessions_of_any_length(
    model: RuptureClassifier, long_session: Sessions, turns: int
) -> None:
    scores = model.score(long_session(turns))
    assert scores.logits.shape == (turns, len(MARKER_ORDER))
    assert scores.logits.dtype == np.float32
    assert np.isfinite(scores.logits).all()


def test_a_label_rests_on_turns_far_away(model: RuptureClassifier, long_session: Sessions) -> None:
    session = long_session(80)
    other = replace(session, turns=(Turn("client", "useless"), *session.turns[1:]))
    one, two = model.score(session).logits, model.score(other).logits
    assert not np.array_equal(one[40], two[40])


def test_it_is_told_who_speaks_and_how_long(layered: Path) -> None:
    layer = OnnxSessionLayer(layered / "session.onnx")
    features = np.random.default_rng(0).normal(size=(3, WIDTH)).astype(np.float32)
    plain = layer(features, [Role.THERAPIST] * 3, [5, 5, 5])
    assert not np.array_equal(plain, layer(features, [Role.THERAPIST] * 3, [5, 9, 5]))
    said_by = {layer(features, [role] * 3, [5, 5, 5]).tobytes() for role in Role}
    assert len(said_by) == 3
    # Folders that lie about depend on it.
    assert ROLES == (Role.THERAPIST, Role.CLIENT, Role.OTHER)
    assert set(ROLES) == set(Role)


def test_what_it_gives_is_what_its_own_file_gives(
    model: RuptureClassifier, layered: Path, long_session: Sessions
) -> None:
    session = long_session(70)
    plan = model.plan(session)
    pooled = [model.run_window(plan, number) for number in range(len(plan.windows))]
    layer = OnnxSessionLayer(layered / "session.onnx")
    by_hand = layer(
        chosen_rows(plan, pooled),
        [turn.role for turn in session.turns],
        [len(turn.ids) for turn in plan.encoded],
    )
    assert np.array_equal(model.score(session).logits, by_hand)


# The same by every way.


def test_in_steps_and_behind_another_backend_it_is_the_same(
    model: RuptureClassifier, long_session: Sessions
) -> None:
    session = long_session(60)
    whole = model.label(session, purpose=Purpose.SCREENING)
    plan = model.plan(session)
    pooled = [model.run_window(plan, number) for number in reversed(range(len(plan.windows)))]
    assert model.finish(session, plan, pooled[::-1], purpose=Purpose.SCREENING) == whole
    assert model.label_for(session)[Purpose.SCREENING] == whole
    other = model.with_backend(lambda ids: model.backend(ids))
    assert other.layer is model.layer
    assert other.label(session, purpose=Purpose.SCREENING) == whole


def test_threads_may_share_it(model: RuptureClassifier, long_session: Sessions) -> None:
    sessions = [long_session(20 + 7 * seed, seed=seed) for seed in range(12)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(model.label, sessions))
    assert together == [model.label(session) for session in sessions]


# By the past alone.


def test_a_causal_label_is_that_of_the_newest_turn(
    model: RuptureClassifier, long_session: Sessions
) -> None:
    session = long_session(40)
    causal = model.label(session, causal=True)
    assert causal.turns != model.label(session).turns
    for turn in range(40):
        assert model.label_last(session.turns[: turn + 1]) == causal.turns[turn]


def test_in_causal_mode_a_folder_may_have_other_rules(
    layered: Path, tmp_path: Path, long_session: Sessions
) -> None:
    folder = Path(shutil.copytree(layered, tmp_path / "model"))
    plain = RuptureClassifier.load(folder)
    rules = Rules(
        Calibration(bias=(0.0, 1.5, -0.5, 0.0)),
        DecisionPolicy(
            {
                purpose: DecisionRule({label: 1 + place for place, label in enumerate(LABELS)})
                for purpose in Purpose
            }
        ),
    )
    (folder / CAUSAL_RULES).write_text(json.dumps(rules.to_dict()), encoding="utf-8")
    model = RuptureClassifier.load(folder)
    assert model.causal == rules
    session = long_session(30)
    assert model.label(session).turns == plain.label(session).turns
    causal = model.label(session, causal=True)
    as_full = RuptureClassifier.load(layered)
    as_full.calibration, as_full.decision = rules.calibration, rules.decision
    assert causal.turns == as_full.label(session, causal=True).turns
    assert causal.turns != plain.label(session, causal=True).turns
    for other in (model.with_backend(model.backend), RememberingClassifier(model)):
        assert other.label_last(session.turns) == causal.turns[-1]
    for explanation in explain(model, causal):
        turn = causal.turns[explanation.turn]
        assert turn.probabilities is not None
        assert turn.label is not None
        assert explanation.p == pytest.approx(turn.probabilities.of(turn.label))
    (folder / CAUSAL_RULES).write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match=r"causal\.json: expected the settings .*KeyError"):
        RuptureClassifier.load(folder)


def test_in_causal_mode_it_reads_the_window_alone(
    model: RuptureClassifier, long_session: Sessions
) -> None:
    model, layer = noting(model)
    session = Session("s", tuple(Turn("client", "so well the bus") for _ in range(60)))
    last = model.score_last(session.turns)
    assert len(layer.read) == 1
    assert 1 < layer.read[0] < 20
    assert np.array_equal(last.logits, model.score_last(session.turns[30:]).logits)
    assert last.encoded_tokens <= (model.packing.causal_tokens or 0)


# Folders that are not whole.


@pytest.fixture
def folder(layered: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(layered, tmp_path / "model"))


def set_format(folder: Path, number: int) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(config | {"format": number}), encoding="utf-8")


def test_a_folder_without_its_layer_is_refused(folder: Path) -> None:
    (folder / "session.onnx").unlink()
    with pytest.raises(ModelError, match=r"session\.onnx: expected a session layer, found no file"):
        RuptureClassifier.load(folder)


def test_a_layer_that_the_folder_does_not_speak_of_is_refused(folder: Path, stub: Path) -> None:
    set_format(folder, 1)
    message = r"session\.onnx: expected no session layer in a folder of format 1, found one"
    with pytest.raises(ModelError, match=message):
        RuptureClassifier.load(folder)
    (folder / "session.onnx").unlink()
    with pytest.raises(ModelError, match=r"expected logits \(1, tokens, 21\).* found 7 a token"):
        RuptureClassifier.load(folder)
    shutil.copyfile(stub / "model.onnx", folder / "model.onnx")
    assert RuptureClassifier.load(folder).layer is None


def test_an_encoder_and_a_layer_of_different_widths_are_refused(
    folder: Path, session_layer: Writes
) -> None:
    session_layer(folder / "session.onnx", width=9)
    message = r"model\.onnx: expected features \(1, tokens, 9\), .* found 7 a token"
    with pytest.raises(ModelError, match=message):
        RuptureClassifier.load(folder)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ({"turns": 70}, r"found \[70, 7\] and \[70, 21\]"),
        ({"codes": 4}, r"found \['turns', 7\] and \['turns', 4\]"),
    ],
)
def test_a_layer_of_another_shape_is_refused(
    folder: Path, session_layer: Writes, shape: dict[str, int], found: str
) -> None:
    session_layer(folder / "session.onnx", width=7, **shape)
    with pytest.raises(ModelError, match=rf"of any number of turns, {found}; use a model"):
        RuptureClassifier.load(folder)


def test_what_is_no_layer_is_refused(folder: Path) -> None:
    (folder / "session.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"session\.onnx: expected an ONNX model, found a file"):
        RuptureClassifier.load(folder)
    shutil.copyfile(folder / "model.onnx", folder / "session.onnx")
    with pytest.raises(ModelError, match=r"expected the inputs features .*, found input_ids"):
        RuptureClassifier.load(folder)
