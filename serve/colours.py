"""The labels' colours wherever they are shown: those of Okabe & Ito (2008)."""

from collections.abc import Mapping
from typing import Final

from alliance.model.codebook import Label

__all__ = ["COLOURS", "UNSURE_COLOUR"]

COLOURS: Final[Mapping[Label, str]] = {
    Label.ALLIANCE_POSITIVE: "#009E73",
    Label.WITHDRAWAL: "#0072B2",
    Label.CONFRONTATION: "#D55E00",
    Label.NEUTRAL: "#999999",
}
"""A colour a label, as ``#RRGGBB``."""

UNSURE_COLOUR: Final = "#CC79A7"
"""For turns on which the model abstains."""
