"""The recurrent layer over a frozen encoder's states."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the [train] extra")

from alliance.model.codebook import Marker
from alliance.model.errors import ConfigError
from alliance.model.session import Session, Turn
from alliance.training.config import TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.embeddings import Embedding, FrozenEncoder, embed_each
from alliance.training.evaluation.predictions import collect
from alliance.training.rivals.sequence import Settings, fit

SMALL = Settings(
    draws=2, first_epochs=2, epochs=12, width=24, hidden=12, dropout=0.0, input_dropout=0.0
)


def told_at_the_start(count: int, first: int) -> tuple[list[CodedSession], dict[str, Embedding]]:
    """Sessions of the same words, in which the first turn's state says how the client speaks."""
    coded, states = [], {}
    for number in range(first, first + count):
        turns = [Turn(("therapist", "client")[place % 2], "so") for place in range(10)]
        code = (Marker.W2, Marker.C2)[number % 2]
        codes = tuple(code if turn.speaker == "client" else Marker.N for turn in turns)
        session = Session(f"s{number}", tuple(turns))
        coded.append(CodedSession(session, codes, codes, codes))
        states[session.id] = np.random.default_rng(number).normal(size=(10, 8)).astype(np.float32)
        states[session.id][0] = (-3, 3)[number % 2] * np.array([1, -1] * 4)
    return coded, states


def test_what_a_session_is_like_counts_for_each_of_its_turns() -> None:
    (train, states), (test, more) = told_at_the_start(24, 0), told_at_the_start(8, 100)
    settings = dataclasses.replace(SMALL, cut_share=0.0, epochs=20, rate=1e-2, average=0.9)
    rival = fit(train, [], states | more, layers=2, settings=settings)
    found = collect(rival, test)
    assert (found.predicted == found.gold).mean() > 0.95
    assert found.probabilities.sum(axis=1) == pytest.approx(1.0)
    assert rival.label(Session("empty", ())).turns == ()


def test_a_rate_may_rise_in_a_single_step() -> None:
    train, states = told_at_the_start(4, 0)
    ten = dataclasses.replace(
        SMALL, draws=1, first_epochs=0, epochs=10
    )  # of which it takes a tenth
    probabilities = fit(train, [], states, layers=2, settings=ten).probabilities(train[0].session)
    assert np.isfinite(probabilities).all()


def test_training_is_the_same_again_and_leaves_torch_s_chance_alone() -> None:
    import torch

    train, states = told_at_the_start(6, 0)
    settings = dataclasses.replace(SMALL, epochs=1)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one, two = (
        fit(train, train[:2], states, layers=2, settings=settings).probabilities(train[0].session)
        for _ in range(2)
    )
    assert (one == two).all()
    assert torch.rand(1) == expected
    other = fit(train, train[:2], states, layers=2, settings=settings, seed=7)
    assert (other.probabilities(train[0].session) != one).any()


def test_states_of_each_session_are_kept_and_made_once(
    tiny_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = [Session(name, (Turn("client", "thanks"),) * n) for name, n in (("a", 2), ("b", 3))]
    told: list[str] = []

    def embed(which: list[Session]) -> dict[str, Embedding]:
        return embed_each(
            tiny_config.encoder, which, tmp_path / "states", layers=(0, 1), tell=told.append
        )

    first = embed(sessions[:1])
    both = embed(sessions)
    assert [line.split(" reads ")[1] for line in told] == ["1 sessions", "1 sessions"]
    assert (both["a"] == first["a"]).all()
    assert both["b"].shape == (3, 64)
    last = FrozenEncoder(tiny_config.encoder)(sessions[1])
    assert both["b"][:, 32:] == pytest.approx(last, abs=2e-3)  # half precision on disk
    assert not any("thanks" in path.name for path in (tmp_path / "states").iterdir())

    monkeypatch.setattr("alliance.training.embeddings.FrozenEncoder", None)
    assert (embed(sessions)["b"] == both["b"]).all()
    changed = Session("a", (Turn("client", "warm"),) * 2)
    with pytest.raises(TypeError):  # it would be read anew
        embed([changed])
    with pytest.raises(ValueError, match="twice"):
        embed([sessions[0], sessions[0]])
    with pytest.raises(ConfigError, match="delete the folder"):
        embed_each(tiny_config.encoder, sessions, tmp_path / "states", layers=(1,))


def test_it_learns_from_what_an_encoder_reads(
    coded_sessions: Callable[..., list[CodedSession]], tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    train, own = coded_sessions(10, folds=5), coded_sessions(6, first=50)
    test = coded_sessions(4, first=80)
    whole = [coded.session for coded in (*train, *own, *test)]
    states = embed_each(tiny_config.encoder, whole, tmp_path / "states", layers=(0, 1))
    settings = dataclasses.replace(SMALL, epochs=20, rate=1e-2, average=0.9)
    found = collect(fit(train, own, states, layers=2, settings=settings), test)
    assert (found.predicted == found.gold).mean() > 0.8
