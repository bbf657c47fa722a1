"""The shipped model's figures, as far as ``/v1/model`` tells them.

They are copied from the reports in ``data_cards/figures`` into ``figures.json`` beside this
module, since an installed package has no data cards. After the reports have changed:
``python -m alliance.serve.http.figures data_cards/figures``.
"""

import json
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

__all__ = ["extract", "shipped_figures"]

_FILE: Final = "figures.json"
_OF_SPEAKER: Final = (
    "turns",
    "sessions",
    "macro_f1",
    "kappa",
    "accuracy",
    "ece",
    "abstained",
    "coders_macro_f1",
)
_OF_LABEL: Final = ("support", "few", "precision", "recall", "f1", "coders_f1")
_CROSS_VALIDATION: Final = "cross-validation.json"
_UNSEEN: Final = "sessions of a corpus that the model was never trained or tuned on"
_OF_OUR_OWN: Final = dict.fromkeys(
    ("quiet", "registers"),
    f"{_UNSEEN}; they were written by a language model in the manner of its training sessions, and "
    "are easier for it than what people say",
)


def shipped_figures() -> dict[str, Any]:
    """The figures, with the name of the model they belong to under ``model``."""
    path = files("alliance.serve.http") / _FILE
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def extract(folder: Path) -> dict[str, Any]:
    """What ``figures.json`` should hold.

    Args:
        folder: where the reports are: the cross-validation, and one for each test corpus.
    """
    main = _read(folder / _CROSS_VALIDATION)
    tests = [
        {
            "on": path.stem,
            "how": _OF_OUR_OWN.get(path.stem, _UNSEEN),
            **_report(_read(path)),
        }
        for path in sorted(folder.glob("*.json"))
        if path.name != _CROSS_VALIDATION and "speakers" in _read(path)
    ]
    return {
        "model": main["config"]["name"],
        "measured": [
            {
                "on": "annomi",
                "how": "five-fold cross-validation of the recipe; the shipped model itself is "
                "trained on every fold",
                **_report(main["network"]),
                "rivals": {
                    "tf_idf": {"macro_f1": main["baseline"]["speakers"]["pooled"]["macro_f1"]}
                },
            },
            *tests,
        ],
    }


def _report(report: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "purpose": report.get("purpose", "research"),
        "level": report["level"],
        "speakers": {
            name: {
                **_some(figures, _OF_SPEAKER),
                "labels": {
                    label: _some(values, _OF_LABEL) for label, values in figures["labels"].items()
                },
            }
            for name, figures in report["speakers"].items()
        },
    }


def _some(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _rounded(values[name]) for name in names if values.get(name) is not None}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def _read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


if __name__ == "__main__":
    text = json.dumps(extract(Path(sys.argv[1])), indent=1)
    Path(__file__).with_name(_FILE).write_text(text + "\n", encoding="utf-8")
