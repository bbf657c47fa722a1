"""Training on your own codings: the shipped recipe with your sessions in its last stage."""

import dataclasses
from typing import Final

from alliance.training.config import TrainingConfig

__all__ = ["OWN_CORPUS", "with_own"]

OWN_CORPUS: Final = "own"
"""The name by which stages draw from a corpus that was given without one."""

_NAME: Final = "alliance-own-1"


def with_own(recipe: TrainingConfig, *, annomi: bool) -> TrainingConfig:
    """A recipe whose last stage also draws from :data:`OWN_CORPUS`, all of it each epoch.

    Sessions are held out of your own corpus for stopping, calibration and thresholds, since the
    model is to be used on such.

    Args:
        recipe: the recipe of the shipped weights.
        annomi: whether AnnoMI is at hand; without it the stages do without.
    """
    stages = []
    for stage in recipe.stages:
        shares = {name: share for name, share in stage.shares.items() if annomi or name != "annomi"}
        stages.append(dataclasses.replace(stage, shares=shares))
    last = dataclasses.replace(stages[-1], shares={OWN_CORPUS: 1.0, **stages[-1].shares})
    return dataclasses.replace(recipe, name=_NAME, stages=(*stages[:-1], last))
