"""A server in a process of its own, for the benchmark: its address, its memory, its faults."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

__all__ = ["ServerProcess"]

_PROGRAM: Final = "from alliance.serve.main import main; main()"
_START_SECONDS: Final = 120.0


class ServerProcess:
    """``alliance serve`` on a free port of this machine; use it in a ``with`` statement.

    Args:
        model: a model folder; None for the shipped weights.
        environment: settings, as environment variables.

    Raises:
        RuntimeError: on entering, if it does not start.
    """

    def __init__(self, model: Path | None, environment: Mapping[str, str] | None = None) -> None:
        self._words = [sys.executable, "-c", _PROGRAM, "serve", "--port", "0"]
        if model is not None:
            self._words += ["--model", str(model)]
        self._environment = {**os.environ, **(environment or {})}
        self.url = ""
        """Where it listens."""
        self.faults = 0
        """Errors that it has logged."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._words, env=self._environment, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(10)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def memory(self) -> float | None:
        """Resident memory now, in MiB; None where the system does not tell (not on Linux)."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        except OSError:
            return None
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    @contextmanager
    def watched(self) -> Iterator[list[float]]:
        """The memory, looked at ten times a second while the block runs."""
        seen: list[float] = []
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.1):
                now = self.memory()
                if now is not None:
                    seen.append(now)

        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        try:
            yield seen
        finally:
            over.set()
            looking.join()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("event") == "listening":
                self.url = f"http://127.0.0.1:{entry['port']}"
                self._listening.set()
            if entry.get("level") in ("error", "critical"):
                self.faults += 1

    def _wait(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            if self._listening.wait(0.1) and _ready(self.url):
                return
            time.sleep(0.05)
        raise RuntimeError(
            f"expected alliance serve to be ready within {_START_SECONDS:g} s, found it is not; "
            f"start it by hand and see what it says"
        )


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
