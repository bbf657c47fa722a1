"""Output files appear whole or not at all."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from alliance.model.errors import InputError


def write_whole(path: Path, content: bytes | str) -> None:
    """Writes a file in one step, in place of one that is there.

    Args:
        path: the file; its folder must exist.
        content: bytes, or text to be written as UTF-8.

    Raises:
        InputError: if it cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _refusal(path, error) from None
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(path.stat().st_mode if path.exists() else 0o644)
        partial.replace(path)
    except OSError as error:
        raise _refusal(path, error) from None
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Writes a JSON file in one step; errors as :func:`write_whole`."""
    write_whole(path, json.dumps(content, indent=2) + "\n")


def begun_with(path: Path, content: Any) -> bool:
    """Writes down what a folder is begun with; later, whether it is still the same.

    Args:
        path: the JSON file that says so.
        content: what it is to be.
    """
    if not path.is_file():
        write_json(path, content)
        return True
    held = json.loads(path.read_text(encoding="utf-8"))
    return bool(held == json.loads(json.dumps(content)))  # as it would have been written


def _refusal(path: Path, error: OSError) -> InputError:
    return InputError(
        f"expected to write {path}, found that it cannot be ({error.strerror}); choose another "
        f"place"
    )
