"""Fetching a published file: checked, whole or not at all, never over another file."""

import hashlib
import http.client
import os
import tempfile
import urllib.request
from pathlib import Path
from typing import Final

from alliance.model.errors import InputError

_MOST_BYTES: Final = 64 * 1024 * 1024


def download(url: str, destination: Path, *, sha256: str, timeout_s: float = 60.0) -> Path:
    """Downloads a file whose hash is known; does nothing if it is already there.

    Args:
        url: an http or https address.
        destination: the file to write; its folder is made if need be.
        sha256: the expected SHA-256, as 64 hexadecimal digits.
        timeout_s: how long to wait for the server, in seconds.

    Returns:
        ``destination``, which then holds the expected content.

    Raises:
        InputError: if there is no connection, the server has another file, or ``destination``
            already holds something else (it is left as it is) or cannot be written.
    """
    if destination.exists():
        if destination.is_file() and _sha256(destination.read_bytes()) == sha256:
            return destination
        raise InputError(
            f"expected no other file at {destination}, found one with different content; move it "
            f"away or choose another folder"
        )
    content = _get(url, timeout_s=timeout_s)
    found = _sha256(content)
    if found != sha256:
        raise InputError(
            f"expected a file whose SHA-256 begins with {sha256[:12]} at {url}, found "
            f"{found[:12]}; nothing was written: ask whether it was changed there or on the way"
        )
    try:
        _write_new(content, destination)
    except FileExistsError:
        raise InputError(
            f"expected to write {destination}, found that another file appeared there meanwhile; "
            f"move it away and try again"
        ) from None
    except OSError as error:
        raise InputError(
            f"expected to write {destination}, found that it cannot be ({error.strerror}); choose "
            f"another folder"
        ) from None
    return destination


def _get(url: str, *, timeout_s: float) -> bytes:
    if not url.startswith(("https://", "http://")):
        raise InputError(f"expected an http or https address, found {url}")
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as response:
            content: bytes = response.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are OSErrors
        raise InputError(
            f"expected to download {url}, found no answer ({_reason(error)}); check the "
            f"connection, or download the file elsewhere and name its path"
        ) from None
    return content


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error) or type(error).__name__


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_new(content: bytes, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=destination.parent, prefix=f".{destination.name}.")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o644)
        try:
            # A hard link, unlike a rename, refuses to replace a file that appeared meanwhile.
            destination.hardlink_to(partial)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            partial.rename(destination)
    finally:
        partial.unlink(missing_ok=True)
