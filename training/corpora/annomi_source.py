"""AnnoMI: its published file, where it lives on this machine, and our codes for it.

AnnoMI (Wu et al. 2022, "Anno-MI: a dataset of expert-annotated counselling dialogues", ICASSP)
holds transcribed demonstrations of good and poor motivational interviewing. Its text is fetched
from its authors and never shipped; our stand-off codes for 109 of its 133 sessions ship with this
package and are joined to it by transcript and utterance number.
"""

import csv
import hashlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Final

from alliance.model.codebook import Marker
from alliance.model.errors import InputError
from alliance.model.session import Session, Turn
from alliance.training.corpora.coded import CodedSession
from alliance.training.corpora.download import download

ANNOMI_URL: Final = "https://raw.githubusercontent.com/uccollab/AnnoMI/main/AnnoMI-simple.csv"
"""Where AnnoMI's authors publish the file."""

ANNOMI_SHA256: Final = "b178db3b0b9858a0fa4ed670dabeccd63e975ba67e141d7ae16f2e8214f78e61"
"""Hash of the one version of the file that our codes belong to."""

_FILE_NAME: Final = "AnnoMI-simple.csv"


def annomi_path() -> Path:
    """Where AnnoMI is kept unless another place is named: this user's data folder.

    ``$XDG_DATA_HOME`` (or ``~/.local/share``) on Linux, ``~/Library/Application Support`` on
    macOS, ``%LOCALAPPDATA%`` on Windows; in it ``alliance-rupture/corpora/AnnoMI-simple.csv``.
    The file need not exist.
    """
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "alliance-rupture" / "corpora" / _FILE_NAME


def fetch_annomi(
    folder: Path | None = None, *, url: str = ANNOMI_URL, timeout_s: float = 60.0
) -> Path:
    """Downloads AnnoMI's file (2.5 MB), unless it is already there.

    Args:
        folder: where to put it; by default the folder of :func:`annomi_path`.
        url: where to fetch it from.
        timeout_s: how long to wait for the server, in seconds.

    Returns:
        The file's path. It is there whole, with the expected SHA-256, or not at all.

    Raises:
        InputError: if it cannot be downloaded, is not the expected version, or another file of
            that name is in the way (which is left as it is).
    """
    destination = annomi_path() if folder is None else folder / _FILE_NAME
    return download(url, destination, sha256=ANNOMI_SHA256, timeout_s=timeout_s)


def annomi(path: Path | None = None) -> tuple[CodedSession, ...]:
    """The 109 coded sessions of AnnoMI, in 5 folds that keep a video whole.

    Session ids are AnnoMI's ``transcript_id``, utterance ids its ``utterance_id``. Of the other
    24 sessions nothing is returned, and AnnoMI's own annotation columns are not used.

    Args:
        path: AnnoMI-simple.csv; by default :func:`annomi_path`.

    Returns:
        The sessions in the order of AnnoMI's file.

    Raises:
        InputError: if the file is missing or is not the version that our codes belong to.
    """
    labels = _labels()
    turns: dict[str, list[Turn]] = {}
    for row in _rows(annomi_path() if path is None else path):
        if (row["transcript_id"], row["utterance_id"]) in labels:
            turns.setdefault(row["transcript_id"], []).append(
                Turn(
                    speaker=row["interlocutor"],
                    text=row["utterance_text"],
                    utterance_id=row["utterance_id"],
                )
            )
    sessions = []
    for session_id, spoken in turns.items():
        coded = [labels[session_id, turn.utterance_id] for turn in spoken]
        sessions.append(
            CodedSession(
                session=Session(id=session_id, turns=tuple(spoken)),
                codes=tuple(Marker(row["code"]) for row in coded),
                coder_a=tuple(Marker(row["coder_a"]) for row in coded),
                coder_b=tuple(Marker(row["coder_b"]) for row in coded),
                fold=int(coded[0]["fold"]),
            )
        )
    return tuple(sessions)


def annomi_quality(path: Path | None = None) -> dict[str, str]:
    """How AnnoMI's own experts rated each coded session: ``high`` or ``low`` quality.

    For evaluation only: the ratings enter no training, tuning or distillation.

    Args:
        path: AnnoMI-simple.csv; by default :func:`annomi_path`.

    Returns:
        From session id to ``"high"`` or ``"low"``, for the 109 coded sessions.

    Raises:
        InputError: as :func:`annomi`.
    """
    coded = {session_id for session_id, _ in _labels()}
    return {
        row["transcript_id"]: row["mi_quality"]
        for row in _rows(annomi_path() if path is None else path)
        if row["transcript_id"] in coded
    }


def annomi_labels() -> tuple[Mapping[str, str], ...]:
    """Our codes for AnnoMI, one row per turn, without any text (licence CC BY 4.0).

    Columns: ``transcript_id, utterance_id, speaker, code, coder_a, coder_b, fold``.
    """
    file = resources.files("alliance.training.corpora") / "annomi_labels.csv"
    return tuple(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"), newline="")))


def _labels() -> dict[tuple[str, str], Mapping[str, str]]:
    return {(row["transcript_id"], row["utterance_id"]): row for row in annomi_labels()}


def _rows(path: Path) -> Iterator[Mapping[str, str]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"expected AnnoMI's file at {path}, found none that can be read ({error.strerror}); "
            f"run `alliance corpora fetch annomi`, or name the file with --annomi"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != ANNOMI_SHA256:
        raise InputError(
            f"expected the version of AnnoMI-simple.csv whose SHA-256 begins with "
            f"{ANNOMI_SHA256[:12]}, found {found[:12]} in {path}: our codes would fall on the "
            f"wrong turns; fetch the file anew from {ANNOMI_URL}"
        )
    return csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
