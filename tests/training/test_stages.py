"""A network learns, stops, and goes on after a kill, on sessions made for the test."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from alliance.model.agreement import confusion_matrix, macro_f1
from alliance.training import stages
from alliance.training.config import RunConfig, StageConfig, TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.network import build_network
from alliance.training.stages import StageResult, train_network
from alliance.training.trainer import WindowTrainer, predict

Make = Callable[..., list[CodedSession]]


def _corpora(make: Make) -> dict[str, list[CodedSession]]:
    return {"annomi": make(12), "authored": make(12, first=50)}


def test_a_network_learns_what_the_words_say(
    tiny_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    dev, test = coded_sessions(4, first=100), coded_sessions(4, first=200)
    before = predict(build_network(tiny_config.encoder), test, name="untrained")
    network, results = train_network(
        tiny_config, _corpora(coded_sessions), dev, tmp_path, quiet=True
    )
    after = predict(network, test, name="trained")
    assert macro_f1(confusion_matrix(before.gold, before.predicted)) < 0.5
    assert macro_f1(confusion_matrix(after.gold, after.predicted)) > 0.9
    first, second = results
    assert first.score is None  # the first stage runs its epochs out
    assert second.score == max(second.scores)
    assert second.epochs == second.scores.index(second.score) + 1


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("averaged", [False, True])
def test_a_killed_stage_goes_on_to_the_same_weights(
    averaged: bool,
    tiny_config: TrainingConfig,
    coded_sessions: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = tiny_config.stages[1]
    if averaged:
        stage = dataclasses.replace(stage, patience=0, average=0.9, disturbed_share=0.5)
    config = dataclasses.replace(tiny_config, stages=(stage,))
    dev = coded_sessions(3, first=100)
    whole, _ = train_network(config, _corpora(coded_sessions), dev, tmp_path / "whole", quiet=True)

    step = WindowTrainer.training_step

    def dying(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == self.args.save_steps + 1:
            raise _KilledError
        return step(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(WindowTrainer, "training_step", dying)
        with pytest.raises(_KilledError):
            train_network(config, _corpora(coded_sessions), dev, tmp_path / "killed", quiet=True)
    assert list((tmp_path / "killed" / "stage-1").glob("checkpoint-*"))
    resumed, _ = train_network(
        config, _corpora(coded_sessions), dev, tmp_path / "killed", quiet=True
    )
    expected = whole.model.state_dict()
    for name, found in resumed.model.state_dict().items():
        assert torch.allclose(found, expected[name], atol=1e-5), name


def test_averaging_ends_with_the_mean_of_the_last_steps(
    tiny_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    def run(average: float) -> dict[str, torch.Tensor]:
        stage = dataclasses.replace(
            tiny_config.stages[0], average=average, patience=0, encoder_rate=1e-3
        )
        config = dataclasses.replace(tiny_config, stages=(stage,))
        network, _ = train_network(
            config, _corpora(coded_sessions), [], tmp_path / str(average), quiet=True
        )
        return dict(network.model.state_dict())

    last, same, mean = run(0.0), run(1e-9), run(0.9)
    name = "classifier.weight"
    assert torch.allclose(last[name], same[name], atol=1e-6)
    assert not torch.allclose(last[name], mean[name], atol=1e-4)


def test_a_finished_stage_is_loaded_not_trained_again(
    tiny_config: TrainingConfig,
    coded_sessions: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corpora = _corpora(coded_sessions)
    dev = coded_sessions(3, first=100)
    network, results = train_network(tiny_config, corpora, dev, tmp_path, quiet=True)
    monkeypatch.setattr(stages, "WindowTrainer", None)  # whoever trains now fails
    again, results_again = train_network(tiny_config, corpora, dev, tmp_path, quiet=True)
    assert results_again == results
    expected = network.model.state_dict()
    assert all(torch.equal(w, expected[name]) for name, w in again.model.state_dict().items())


def test_stop_after_ends_a_stage_early(
    tiny_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    last = dataclasses.replace(tiny_config.stages[1], patience=0, stop_after=2)
    config = dataclasses.replace(tiny_config, stages=(last,))
    _, (result,) = train_network(config, _corpora(coded_sessions), [], tmp_path, quiet=True)
    assert result == StageResult(epochs=2, score=None, scores=())


def test_a_stage_with_a_seed_of_its_own_parts_ways_there(
    tiny_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    corpora = _corpora(coded_sessions)

    def run(name: str, seed: int) -> dict[str, Any]:
        last = dataclasses.replace(tiny_config.stages[1], patience=0, stop_after=1, seed=seed)
        config = dataclasses.replace(tiny_config, stages=(tiny_config.stages[0], last))
        train_network(
            config,
            corpora,
            [],
            tmp_path / name,
            shared=tmp_path / "shared",
            shared_stages=1,
            quiet=True,
        )
        return load_file(tmp_path / name / "stage-2" / "finished.safetensors")

    usual, same, other = run("usual", 0), run("same", tiny_config.seed + 2), run("other", 99)
    assert all(torch.equal(same[name], weight) for name, weight in usual.items())
    assert not all(torch.equal(other[name], weight) for name, weight in usual.items())


def _runs_after_a_shared_stage(
    config: TrainingConfig, corpora: dict[str, list[CodedSession]], folder: Path
) -> Callable[..., dict[str, torch.Tensor]]:
    """Trains the second stage as changed, in a folder of its own, and gives all weights."""

    def train(name: str, **changes: Any) -> dict[str, torch.Tensor]:
        last = dataclasses.replace(
            StageConfig(shares=config.stages[1].shares, patience=0, batch_tokens=512), **changes
        )
        network, _ = train_network(
            dataclasses.replace(config, stages=(config.stages[0], last)),
            corpora,
            [],
            folder / name,
            shared=folder / "shared",
            shared_stages=1,
            quiet=True,
        )
        return {name: value.clone() for name, value in network.whole.state_dict().items()}

    return train


_TWO_RUNS = (RunConfig(seed=5, epochs=1), RunConfig(seed=6))


@pytest.mark.parametrize("stretch", [1.0, 1.5])
def test_a_stage_of_runs_ends_with_their_mean_stretched(
    stretch: float, tiny_config: TrainingConfig, coded_sessions: Make, tmp_path: Path
) -> None:
    train = _runs_after_a_shared_stage(tiny_config, _corpora(coded_sessions), tmp_path)
    both = train("both", epochs=2, runs=_TWO_RUNS, stretch=stretch)
    one, other = train("one", epochs=1, seed=5), train("other", epochs=2, seed=6)
    begin = load_file(tmp_path / "shared" / "stage-1" / "finished.safetensors")
    moved = 0
    for name, found in both.items():
        if not found.is_floating_point():
            continue
        expected = begin[name] + stretch * ((one[name] + other[name]) / 2 - begin[name])
        assert torch.allclose(found, expected, atol=1e-5), name
        moved += not torch.allclose(found, one[name], atol=1e-5)
    assert moved  # the runs did end in different places


def test_a_killed_stage_of_runs_keeps_those_that_are_finished(
    tiny_config: TrainingConfig,
    coded_sessions: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train = _runs_after_a_shared_stage(tiny_config, _corpora(coded_sessions), tmp_path)
    whole = train("whole", epochs=2, runs=_TWO_RUNS)
    fit = WindowTrainer.train
    trained = 0

    def dying(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal trained
        if trained == 1:
            raise _KilledError
        trained += 1
        return fit(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(WindowTrainer, "train", dying)
        with pytest.raises(_KilledError):
            train("killed", epochs=2, runs=_TWO_RUNS)
        trained = 0  # one more run is to be trained, and no more than one
        resumed = train("killed", epochs=2, runs=_TWO_RUNS)
    assert all(torch.allclose(resumed[name], value, atol=1e-5) for name, value in whole.items())
    left = sorted(path.name for path in (tmp_path / "killed" / "stage-2").iterdir())
    assert left == ["finished.json", "finished.safetensors"]
