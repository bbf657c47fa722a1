"""Training on packed windows: what the ``transformers`` Trainer does with a planned batch."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import SequentialSampler
from transformers import Trainer

from alliance.model.agreement import average_precision
from alliance.model.calibration import Calibration
from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import LABELS, Label
from alliance.model.decision import DecisionPolicy
from alliance.model.labelled import Purpose
from alliance.training.adapting import parameter_groups
from alliance.training.config import LossConfig, StageConfig
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.predictions import Predictions, collect
from alliance.training.network import Network, TorchBackend, torch_layer, turn_loss
from alliance.training.session_layer import imitation_error, pool_turns
from alliance.training.windows import TrainingPlan, first_batch

__all__ = ["DEV_METRIC", "WindowTrainer", "mean_average_precision", "predict"]

DEV_METRIC: Final = "average_precision"
"""Stopping looks at the mean average precision of the three labels that are not neutral: it needs
no threshold, so thresholds can be chosen afterwards."""


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
