"""Labelling on Ray: actors that each hold the model, on this machine or on a cluster.

The rows that travel are whole sessions, so none is ever cut in two. Inputs are read, and the
journal is kept, by the process that was started, in order; so all that the local engine promises
holds here too, and the bytes are the same. The model travels with the work: every node labels with
the same weights, and must have the same versions of alliance and of ONNX Runtime.

Ray connects to the cluster that its variable ``RAY_ADDRESS`` names or that runs on this machine,
else it starts one of its own here, for this batch. It reports its use to its makers and opens a
page for all who ask, unless it is told not to before it is loaded; it is told so here.
"""

import logging
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from alliance.model.backend import silent_runtime
from alliance.model.classifier import RuptureClassifier
from alliance.model.errors import AllianceError, MissingExtraError
from alliance.model.labelled import Purpose
from alliance.model.session import Session
from alliance.serve.batch.engine import Pending, Rows, rows_of
from alliance.serve.batch.settings import changed, model_files, versions

__all__ = ["RayEngine", "RayEngineError", "device"]

_IN_FLIGHT: Final = 2  # sessions that an actor has: one in work, the next at hand
_RETRIES: Final = 5  # how often a session is tried whose actor dies; its file fails then
_PATIENCE_S: Final = 300.0  # for the first answer of the actors


class RayEngineError(AllianceError):
    """The cluster cannot do the work."""


def device() -> str:
    """What the actors label on: ``cuda`` where the cluster has GPUs and ONNX Runtime can use them.

    Raises:
        MissingExtraError: if Ray is not installed.
    """
    ray = _connected()
    usable = "CUDAExecutionProvider" in silent_runtime().get_available_providers()
    return "cuda" if usable and ray.cluster_resources().get("GPU", 0) >= 1 else "cpu"


class RayEngine:
    """Labels sessions by a pool of actors; use as a context manager.

    The actors take at most all CPUs of the cluster but one, and at least one: what claims them all
    leaves nothing for Ray's own tasks and those of others. An actor that dies is started again,
    and its sessions are labelled by it then.

    Args:
        folder: the model folder.
        purpose: chooses the decision thresholds.
        include_text: whether the rows hold what was said.
        workers: actors; None for as many as there is room for.

    Raises:
        MissingExtraError: if Ray is not installed.
        RayEngineError: if no actor starts, or one has other versions than this process.
    """

    def __init__(
        self, folder: Path, *, purpose: Purpose, include_text: bool, workers: int | None
    ) -> None:
        self._ray = ray = _connected()
        on = device()
        count = actors(ray.cluster_resources(), workers=workers, on=on)
        options = {
            "num_cpus": 1,
            "num_gpus": 1 if on == "cuda" else 0,
            "max_restarts": -1,
            "max_task_retries": _RETRIES,
        }
        # Within a list it is not unpacked for every session, only by an actor that has no model.
        self._files = [ray.put(model_files(folder))]
        made = ray.remote(**options)(_Actor)
        self._actors = [made.remote(purpose, include_text, on) for _ in range(count)]
        self._in_flight: dict[Any, Any] = {}
        try:
            self._check_versions()
        except BaseException:
            self._release()
            raise

    def submit(self, session: Session, *, meanwhile: Callable[[], None]) -> Pending:
        """Hand a session to the actor that has least to do."""
        while len(self._in_flight) >= _IN_FLIGHT * len(self._actors):
            meanwhile()
            ready, _ = self._ray.wait(list(self._in_flight), num_returns=1)
            for reference in ready:
                del self._in_flight[reference]
        busy = list(self._in_flight.values())
        actor = min(self._actors, key=busy.count)
        reference = actor.rows.remote(session, self._files)
        self._in_flight[reference] = actor
        return _Task(self._ray, reference)

    def _check_versions(self) -> None:
        asked = [actor.ready.remote(self._files) for actor in self._actors]
        ready, _ = self._ray.wait(asked, num_returns=len(asked), timeout=_PATIENCE_S)
        if not ready:
            raise RayEngineError(
                f"expected a free CPU on the Ray cluster, found none within {_PATIENCE_S:.0f} s; "
                f"wait until others have done their work, or use --engine local"
            )
        for reference in ready:
            try:
                found = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                raise RayEngineError(
                    f"expected the Ray cluster's nodes to load the model, found that one cannot "
                    f"({type(error).__name__}); install alliance-rupture[ray] of this version on "
                    f"all of them"
                ) from error
            if differ := changed(found, versions()):
                raise RayEngineError(
                    f"expected the same versions on all nodes of the Ray cluster, found others of "
                    f"{', '.join(differ)}; install the same ones, or the labels may differ"
                )

    def _release(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors = []
        self._ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()


def actors(resources: Mapping[str, float], *, workers: int | None, on: str) -> int:
    """How many actors a cluster has room for: all CPUs but one, at least one.

    Args:
        resources: of the whole cluster, as Ray counts them (``CPU``, ``GPU``).
        workers: how many are wished for; None for as many as there is room for.
        on: ``cuda`` if each takes a GPU.
    """
    room = max(1, int(resources.get("CPU", 1)) - 1)
    if on == "cuda":
        room = min(room, int(resources["GPU"]))
    return room if workers is None else min(workers, room)


class _Actor:
    """Holds the model on a node of the cluster; started again, it fetches it again."""

    def __init__(self, purpose: Purpose, include_text: bool, on: str) -> None:
        self._purpose = purpose
        self._include_text = include_text
        self._on = on
        self._classifier: RuptureClassifier | None = None

    def ready(self, files: Sequence[Any]) -> Mapping[str, str]:
        """Load the model, and say the versions of what has a part in the labels."""
        self._loaded(files)
        return versions()

    def pid(self) -> int:
        """The number of the process that it is."""
        return os.getpid()

    def rows(self, session: Session, files: Sequence[Any]) -> Rows:
        """Label a session."""
        labelled = self._loaded(files).label(session, purpose=self._purpose)
        return rows_of(labelled, include_text=self._include_text)

    def _loaded(self, files: Sequence[Any]) -> RuptureClassifier:
        if self._classifier is None:
            import ray

            contents: Mapping[str, bytes] = ray.get(files[0])
            with tempfile.TemporaryDirectory() as folder:
                for name, content in contents.items():
                    Path(folder, name).write_bytes(content)
                self._classifier = RuptureClassifier.load(folder, threads=1, device=self._on)
        return self._classifier


class _Task:
    def __init__(self, ray: Any, reference: Any) -> None:
        self._ray = ray
        self._reference = reference

    def done(self) -> bool:
        ready, _ = self._ray.wait([self._reference], timeout=0)
        return bool(ready)

    def rows(self) -> Rows:
        try:
            rows: Rows = self._ray.get(self._reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from error
        return rows


def _connected() -> Any:
    """Ray, connected to a cluster, and silent."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")  # a busy machine takes its time
    # It would otherwise warn of what a later version will do with GPUs that nobody asked for.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtraError("--engine ray", "ray") from error
    if not ray.is_initialized():
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # it raises bare Exception where a part of it does not start
            raise RayEngineError(
                f"expected Ray to start, or a cluster where RAY_ADDRESS says, found neither "
                f"({type(error).__name__}); see Ray's own logs, or use --engine local"
            ) from error
    return ray
