"""The stages of a training: each begins where the last one ended, and is kept once finished."""

import dataclasses
import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_model, save_file
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from alliance.training.adapting import trained_parts
from alliance.training.callbacks import Progress, RunningAverage, StopAfter
from alliance.training.config import StageConfig, TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.files import write_json
from alliance.training.forms import ROUNDED
from alliance.training.imitation import Imitated, Imitation
from alliance.training.layer_fitting import fit_layer
from alliance.training.network import Network, build_network, use_bf16
from alliance.training.processes import is_first, process_count, wait_for_all
from alliance.training.rounding import round_weights, windows_to_read
from alliance.training.targets import PreparedSession, disturber, prepare
from alliance.training.teacher import Taught
from alliance.training.trainer import DEV_METRIC, WindowTrainer
from alliance.training.windows import TrainingPlan

__all__ = ["StageResult", "train_network", "train_stage"]

_FINISHED: Final = "finished.json"
_WEIGHTS: Final = "finished.safetensors"


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage did.

    Attributes:
        epochs: epochs whose state was kept: the best ones with stopping, else all.
        score: the development score of the kept state (0-1), or None without stopping.
        scores: the development score after each epoch that was run.
    """

    epochs: int
    score: float | None
    scores: tuple[float, ...]


def train_stage(
    network: Network,
    corpora: Mapping[str, Sequence[CodedSession]],
    dev: Sequence[CodedSession],
    config: TrainingConfig,
    stage: StageConfig,
    folder: Path,
    *,
    seed: int,
    taught: Taught | None = None,
    imitation: Imitation | None = None,
    quiet: bool = False,
) -> StageResult:
    """Train one stage in place.

    A stage that was killed goes on from its folder's last checkpoint; a stage that was finished
    is loaded. One of several runs trains each in a folder of its own, ``run-1`` and so on.

    Args:
        network: trained in place; ends in the state with the best dev score or, without dev
            sessions or patience, in the last one.
        corpora: coded sessions by corpus name.
        dev: sessions for stopping; may be empty.
        config: the run.
        stage: the stage.
        folder: where checkpoints and the finished state go.
        seed: of this stage's draws.
        taught: what teachers say of the corpora's turns, if the stage is to learn from them.
        imitation: reads what is to be imitated, for a stage that imitates.
        quiet: no progress bar.
    """
    if (folder / _FINISHED).is_file():
        load_model(network.whole, folder / _WEIGHTS)
        kept = json.loads((folder / _FINISHED).read_text(encoding="utf-8"))
        return StageResult(kept["epochs"], kept["score"], tuple(kept["scores"]))
    if stage.runs:
        train_run = partial(
            train_stage,
            network,
            corpora,
            dev,
            config,
            taught=taught,
            imitation=imitation,
            quiet=quiet,
        )
        return _finish(network, folder, _mean_of_runs(network, stage, folder, train_run))

    tokenizer = network.turn_tokenizer
    drawn = {name: corpora[name] for name in stage.shares}
    if not stage.taught:
        taught = None
    prepared = {
        name: prepare(
            coded, tokenizer, network.packing, config.loss, taught.get(name) if taught else None
        )
        for name, coded in drawn.items()
    }
    imitated: Imitated | None = None
    if stage.imitation:
        if imitation is None:
            raise ValueError("a stage imitates, but there is nothing to be imitated")
        imitated = imitation()
        prepared = {name: _with_states(prepared[name], imitated.states[name]) for name in drawn}
    if stage.encoder_rate == 0:
        if is_first():
            fit_layer(
                network,
                prepared,
                stage,
                config.session,
                code_weight=config.loss.code_weight,
                seed=seed,
            )
        return _finish(network, folder, StageResult(stage.epochs, None, ()))
    plan = TrainingPlan(
        prepared,
        network.packing,
        stage,
        config.loss,
        padding_id=network.model.config.pad_token_id or 0,
        seed=seed,
        disturbed=disturber(drawn, tokenizer, network.packing, config.loss, taught),
        layer=config.session,
    )
    stopping = stage.patience > 0 and len(dev) > 0
    on_gpu = torch.cuda.is_available()
    # Epochs differ by a few batches, since windows are drawn at random; the Trainer wants equal
    # steps, and the difference does not matter to it.
    # Each of several processes takes every so-manieth batch: a step is that many batches.
    steps = math.ceil(len(plan) / process_count())
    steps_per_epoch = math.ceil(steps / stage.epochs)
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,  # the plan holds all epochs
        per_device_train_batch_size=1,  # an item of the plan is a whole batch
        learning_rate=stage.encoder_rate,
        warmup_steps=round(stage.warmup * steps),
        bf16=use_bf16(config.precision),
        use_cpu=not on_gpu,
        seed=seed,
        data_seed=seed,
        logging_steps=max(1, steps_per_epoch // 4),
        eval_strategy="steps" if stopping else "no",
        eval_steps=steps_per_epoch,
        save_strategy="steps",
        save_steps=steps_per_epoch,
        save_total_limit=2,
        load_best_model_at_end=stopping,
        metric_for_best_model=f"eval_{DEV_METRIC}" if stopping else None,
        greater_is_better=True if stopping else None,
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=quiet,
        dataloader_pin_memory=on_gpu,
    )
    callbacks: list[TrainerCallback] = []
    if stopping:
        callbacks.append(EarlyStoppingCallback(stage.patience))
    if stage.stop_after:
        callbacks.append(StopAfter(stage.stop_after * steps_per_epoch))
    checkpoint = _last_checkpoint(folder)
    average = RunningAverage(stage.average, checkpoint) if stage.average else None
    if average is not None:
        callbacks.append(average)
    torch.manual_seed(seed)  # of what low-rank additions begin with
    role_ids = tuple(network.packing.role_ids.values())
    frozen = max(stage.frozen_layers, config.encoder.frozen_layers)
    encoder = dataclasses.replace(config.encoder, frozen_layers=frozen)
    with trained_parts(network.model, encoder, role_ids) as rows_of:
        trainer = WindowTrainer(
            network,
            plan,
            stage,
            config.loss,
            dev,
            rows_of=rows_of,
            window_weight=config.session.window_weight,
            components=None if imitated is None else torch.from_numpy(imitated.weights),
            args=arguments,
            callbacks=callbacks,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        if not quiet:
            trainer.add_callback(Progress(DEV_METRIC))
        trainer.train(resume_from_checkpoint=checkpoint)
        if average is not None:
            average.put_into(network.whole)
    scores = tuple(
        float(entry[f"eval_{DEV_METRIC}"])
        for entry in trainer.state.log_history
        if f"eval_{DEV_METRIC}" in entry
    )
    epochs = scores.index(max(scores)) + 1 if scores else stage.stop_after or stage.epochs
    return _finish(network, folder, StageResult(epochs, max(scores) if scores else None, scores))


def _with_states(
    sessions: Sequence[PreparedSession], states: Sequence[NDArray[np.float32]]
) -> list[PreparedSession]:
    return [
        dataclasses.replace(session, imitated=state)
        for session, state in zip(sessions, states, strict=True)
    ]


def _mean_of_runs(
    network: Network,
    stage: StageConfig,
    folder: Path,
    train_run: Callable[..., StageResult],
) -> StageResult:
    """Train a stage's runs and put the mean of their weights, stretched, into the network.

    A run that is finished is loaded like a finished stage. Weights that are whole numbers, and
    those that no run changed, stay what they are.
    """
    begin = {name: value.clone() for name, value in network.whole.state_dict().items()}
    way = {
        name: torch.zeros_like(value) for name, value in begin.items() if value.is_floating_point()
    }
    results = []
    for number, run in enumerate(stage.runs, start=1):
        network.whole.load_state_dict(begin)
        epochs = run.epochs or stage.epochs
        single = dataclasses.replace(stage, runs=(), stretch=1.0, epochs=epochs)
        results.append(train_run(single, folder / f"run-{number}", seed=run.seed))
        end = network.whole.state_dict()
        for name, gone in way.items():
            gone += (end[name] - begin[name]) / len(stage.runs)
    ends = {name: begin[name] + stage.stretch * gone for name, gone in way.items()}
    network.whole.load_state_dict({**begin, **ends})
    return StageResult(max(result.epochs for result in results), None, ())


def _finish(network: Network, folder: Path, result: StageResult) -> StageResult:
    """Write a stage's result down; its presence says that the stage is finished."""
    if is_first():
        folder.mkdir(parents=True, exist_ok=True)
        # Copies: on a GPU a recurrent layer's weights are views of one piece of memory.
        state = {name: value.cpu().clone() for name, value in network.whole.state_dict().items()}
        save_file(state, folder / _WEIGHTS)
        write_json(folder / _FINISHED, asdict(result))
        for left in (*folder.glob("checkpoint-*"), *folder.glob("run-*")):
            shutil.rmtree(left)
    wait_for_all()
    return result


def train_network(
    config: TrainingConfig,
    corpora: Mapping[str, Sequence[CodedSession]],
    dev: Sequence[CodedSession],
    folder: Path,
    *,
    shared: Path | None = None,
    shared_stages: int = 0,
    taught: Taught | None = None,
    imitation: Imitation | None = None,
    quiet: bool = False,
) -> tuple[Network, list[StageResult]]:
    """Build the network and train all stages.

    Args:
        config: the run.
        corpora: training sessions by corpus name.
        dev: sessions for stopping; may be empty.
        folder: where the stages keep their checkpoints; ``stage-1`` and so on.
        shared: another folder for the first stages, so that runs that begin alike train them
            once. Whoever shares it sees to it that these stages' sessions are the same.
        shared_stages: how many stages lie there.
        taught: what teachers say of the corpora's turns.
        imitation: reads what is to be imitated, for stages that imitate.
        quiet: no progress bar.
    """
    torch.manual_seed(config.seed)
    network = build_network(config.encoder, config.session, imitated=config.imitated)
    results = []
    for number, stage in enumerate(config.stages, start=1):
        place = shared if shared is not None and number <= shared_stages else folder
        results.append(
            train_stage(
                network,
                corpora,
                dev,
                config,
                stage,
                place / f"stage-{number}",
                seed=stage.seed or config.seed + number,
                taught=taught,
                imitation=imitation,
                quiet=quiet,
            )
        )
    if config.quantise == ROUNDED:
        round_weights(network, windows_to_read(network))
    return network, results


def _last_checkpoint(folder: Path) -> str | None:
    if not folder.is_dir():
        return None
    found: str | None = get_last_checkpoint(str(folder))  # type: ignore[no-untyped-call]
    return found
