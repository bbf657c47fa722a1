"""Training: stages of packed windows through the ``transformers`` Trainer."""

import dataclasses
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_model, save_file
from torch import Tensor
from torch.utils.data import SequentialSampler
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from alliance.model.agreement import average_precision
from alliance.model.calibration import Calibration
from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import LABELS, Label
from alliance.model.decision import DecisionPolicy
from alliance.model.labelled import Purpose
from alliance.training.adapting import parameter_groups, trained_parts
from alliance.training.callbacks import Progress, RunningAverage, StopAfter
from alliance.training.config import LossConfig, StageConfig, TrainingConfig
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.predictions import Predictions, collect
from alliance.training.files import write_json
from alliance.training.imitation import Imitated, Imitation
from alliance.training.layer_fitting import fit_layer
from alliance.training.network import (
    Network,
    TorchBackend,
    build_network,
    torch_layer,
    turn_loss,
)
from alliance.training.processes import is_first, process_count, wait_for_all
from alliance.training.session_layer import imitation_error, pool_turns
from alliance.training.targets import PreparedSession, disturber, prepare
from alliance.training.teacher import Taught
from alliance.training.windows import TrainingPlan, first_batch

DEV_METRIC: Final = "average_precision"
"""Stopping looks at the mean average precision of the three labels that are not neutral: it needs
no threshold, so thresholds can be chosen afterwards."""


_FINISHED: Final = "finished.json"
_WEIGHTS: Final = "finished.safetensors"


class WindowTrainer(Trainer):
    """Trains on planned batches and evaluates by labelling whole development sessions."""

    def __init__(
        self,
        network: Network,
        plan: TrainingPlan,
        stage: StageConfig,
        loss: LossConfig,
        dev: Sequence[CodedSession],
        *,
        rows_of: Tensor | None,
        window_weight: float = 0.0,
        components: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        self._network = network
        self._rows_of = rows_of
        self._stage = stage
        self._loss = loss
        self._dev = dev
        self._window_weight = window_weight
        self._components = components
        super().__init__(
            model=network.whole,
            train_dataset=plan,
            eval_dataset=plan,  # asked for, never read: `evaluate` labels whole sessions
            data_collator=first_batch,
            **kwargs,
        )

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> SequentialSampler:
        # The plan's order is drawn already; it must be the same after a restart.
        assert self.train_dataset is not None
        return SequentialSampler(self.train_dataset)  # type: ignore[arg-type]

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """AdamW with a higher rate for the new head than for the encoder."""
        if self.optimizer is None:
            assert self.model is not None
            self.optimizer = torch.optim.AdamW(
                parameter_groups(
                    self.model,
                    encoder_rate=self._stage.encoder_rate,
                    head_rate=self._stage.head_rate,
                    rows_of=self._rows_of,
                ),
                weight_decay=self._stage.weight_decay,
                fused=True,
            )
        return self.optimizer

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Loss of one planned batch (see ``network.turn_loss``)."""
        if self._network.session is None:
            said = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
            turns = pool_turns(said.logits, inputs["turn_of_token"], len(inputs["targets"]))
            loss = self._turn_loss(turns, inputs)
        else:
            names = ("input_ids", "attention_mask", "turn_of_token", "roles", "lengths", "counts")
            said = model(**{name: inputs[name] for name in names})
            logits, alone, imitation = said
            loss = self._turn_loss(alone, inputs)
            if self._stage.in_session:
                loss = self._turn_loss(logits, inputs) + self._window_weight * loss
            if self._stage.imitation:
                weights = self._components
                assert imitation is not None
                assert weights is not None
                error = imitation_error(imitation, inputs["imitated"], weights.to(imitation.device))
                loss = loss + self._stage.imitation * error
        return (loss, said) if return_outputs else loss

    def _turn_loss(self, logits: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        return turn_loss(
            logits,
            inputs["targets"],
            inputs["legal"],
            inputs["weights"],
            code_weight=self._loss.code_weight,
        )

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Label the development sessions as a user would, and score the probabilities."""
        network = self._network
        if not self._stage.in_session:  # there the encoder's own head learns
            network = dataclasses.replace(network, session=None)
        predictions = predict(network, self._dev, name="dev")
        figures = {f"eval_{DEV_METRIC}": mean_average_precision(predictions)}
        self.log(figures)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, figures
        )
        return figures


def mean_average_precision(predictions: Predictions) -> float:
    """Mean over the three labels that are not neutral; a label without instances is left out."""
    values = [
        float(average_precision(predictions.gold == place, predictions.probabilities[:, place]))
        for place, label in enumerate(LABELS)
        if label is not Label.NEUTRAL
    ]
    return float(np.nanmean(values))


def predict(
    network: Network,
    sessions: Sequence[CodedSession],
    *,
    name: str,
    calibration: Calibration | None = None,
    decision: DecisionPolicy | None = None,
) -> Predictions:
    """What a torch network says, through the product's own windows; uncalibrated unless told."""
    whole = network.whole
    training = whole.training
    whole.eval()
    classifier = RuptureClassifier(
        name,
        tokenizer=network.turn_tokenizer,
        backend=TorchBackend(network),
        layer=torch_layer(network),
        packing=network.packing,
        calibration=calibration,
        decision=decision,
    )
    predictions = collect(classifier, sessions, purpose=Purpose.RESEARCH)
    whole.train(training)
    return predictions


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
    is loaded.

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

    tokenizer = network.turn_tokenizer
    drawn = {name: corpora[name] for name in stage.shares}
    if not stage.taught:
        taught = None
    said = dict.fromkeys(drawn) if taught is None else {name: taught[name] for name in drawn}
    prepared = {
        name: prepare(coded, tokenizer, network.packing, config.loss, said[name])
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
        bf16=_use_bf16(config.precision),
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


def _finish(network: Network, folder: Path, result: StageResult) -> StageResult:
    """Write a stage's result down; its presence says that the stage is finished."""
    if is_first():
        folder.mkdir(parents=True, exist_ok=True)
        # Copies: on a GPU a recurrent layer's weights are views of one piece of memory.
        state = {name: value.cpu().clone() for name, value in network.whole.state_dict().items()}
        save_file(state, folder / _WEIGHTS)
        write_json(folder / _FINISHED, asdict(result))
        for left in folder.glob("checkpoint-*"):
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
                seed=config.seed + number,
                taught=taught,
                imitation=imitation,
                quiet=quiet,
            )
        )
    return network, results


def _use_bf16(precision: str) -> bool:
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _last_checkpoint(folder: Path) -> str | None:
    if not folder.is_dir():
        return None
    found: str | None = get_last_checkpoint(str(folder))  # type: ignore[no-untyped-call]
    return found
