"""Coded sessions as a Hugging Face ``datasets.Dataset``, and back."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from alliance.model.codebook import LABELS, MARKER_ORDER, Label, Marker
from alliance.model.errors import MissingExtraError
from alliance.model.session import Session
from alliance.training.corpora.coded import CodedSession, Codes

if TYPE_CHECKING:
    from datasets import Dataset

_CODINGS = ("codes", "coder_a", "coder_b")
_CODES: Final[tuple[Marker | Label, ...]] = (*MARKER_ORDER, *LABELS)
_UNCODED = -1  # what the datasets library writes for "no class"


def to_dataset(sessions: Iterable[CodedSession]) -> "Dataset":
    """The sessions as a data set: one row a session, so that no batch cuts one in two.

    Columns: ``id``, ``client_id``, ``date`` (ISO 8601; strings), ``number``, ``fold`` (int32), all
    but the first null where not known; ``facts`` (list of key and value); ``turns`` (list of
    ``speaker, text, utterance_id, start_ms, end_ms``); ``codes``, ``coder_a``, ``coder_b`` (lists
    of class labels: the markers in the order of ``codebook.MARKER_ORDER``, then the labels, for
    codes that name no marker; -1 for a turn without a code).

    Raises:
        MissingExtraError: if the ``datasets`` library is not installed.
    """
    datasets = _datasets()
    code = datasets.ClassLabel(names=[code.value for code in _CODES])
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "client_id": datasets.Value("string"),
            "date": datasets.Value("string"),
            "number": datasets.Value("int32"),
            "fold": datasets.Value("int32"),
            "facts": datasets.List(
                {"key": datasets.Value("string"), "value": datasets.Value("string")}
            ),
            "turns": datasets.List(
                {
                    "speaker": datasets.Value("string"),
                    "text": datasets.Value("string"),
                    "utterance_id": datasets.Value("string"),
                    "start_ms": datasets.Value("int64"),
                    "end_ms": datasets.Value("int64"),
                }
            ),
            **{name: datasets.List(code) for name in _CODINGS},
        }
    )
    return datasets.Dataset.from_list([_row(coded) for coded in sessions], features=features)


def from_dataset(dataset: "Dataset") -> tuple[CodedSession, ...]:
    """The inverse of :func:`to_dataset`."""
    return tuple(_coded(row) for row in dataset)


def _datasets() -> Any:
    try:
        import datasets
    except ModuleNotFoundError as error:
        if error.name != "datasets":
            raise
        raise MissingExtraError("a Hugging Face data set", "train") from None
    return datasets


def _row(coded: CodedSession) -> dict[str, Any]:
    session = coded.session
    return {
        "id": session.id,
        "client_id": session.client_id,
        "date": None if session.date is None else session.date.isoformat(),
        "number": session.number,
        "fold": coded.fold,
        "facts": [{"key": key, "value": value} for key, value in coded.facts.items()],
        "turns": [
            {
                "speaker": turn.speaker,
                "text": turn.text,
                "utterance_id": turn.utterance_id,
                "start_ms": turn.start_ms,
                "end_ms": turn.end_ms,
            }
            for turn in session.turns
        ],
        **{
            name: [_UNCODED if code is None else _CODES.index(code) for code in codes]
            for name, codes in zip(_CODINGS, _codings(coded), strict=True)
        },
    }


def _codings(coded: CodedSession) -> tuple[Codes, Codes, Codes]:
    return coded.codes, coded.coder_a, coded.coder_b


def _coded(row: dict[str, Any]) -> CodedSession:
    codings = {name: tuple(_code(number) for number in row[name]) for name in _CODINGS}
    return CodedSession(
        session=Session.from_dict(row),
        fold=row["fold"],
        facts={fact["key"]: fact["value"] for fact in row["facts"]},
        **codings,
    )


def _code(number: int) -> Marker | Label | None:
    return None if number == _UNCODED else _CODES[number]
