import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alliance.model.classifier import RuptureClassifier
from alliance.model.errors import MissingExtraError
from alliance.serve.batch.ray_engine import RayEngine, actors, device
from alliance.serve.engine_name import EngineName
from alliance.serve.labelling import label_files
from alliance.serve.progress import Progress

Corpus = Callable[..., Path]

# Ray's own loose ends: files and threads that it leaves to the end of the process.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("cpus", "workers", "expected"),
    [(1, None, 1), (2, None, 1), (8, None, 7), (8, 3, 3), (8, 8, 7), (8, 80, 7), (0.5, 4, 1)],
)
def test_actors_leave_a_cpu_free_where_there_are_two(
    cpus: float, workers: int | None, expected: int
) -> None:
    assert actors({"CPU": cpus}, workers=workers, on="cpu") == expected


def test_actors_on_gpus_are_as_many_as_those() -> None:
    assert actors({"CPU": 8, "GPU": 2}, workers=None, on="cuda") == 2
    assert actors({"CPU": 2, "GPU": 4}, workers=None, on="cuda") == 1


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"\[ray\] extra"):
        device()


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    ray = pytest.importorskip("ray", reason="needs the [ray] extra")
    yield ray
    ray.shutdown()


def test_the_same_bytes_though_an_actor_is_killed(
    ray: Any,
    corpus: Corpus,
    classifier: RuptureClassifier,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sources = [corpus("a.csv", 12, prefix="a"), corpus("b.csv", 30, turns=9, prefix="b")]
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    label_files(sources, whole, labeller=classifier)
    killed: list[int] = []

    class Killing(Progress):
        def advance(self, *, done: int, turns: int) -> None:
            if len(killed) < 2 and turns > 40 * (1 + len(killed)):
                (engine,) = engines
                pid = ray.get(engine._actors[0].pid.remote())
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    engines: list[RayEngine] = []
    made = RayEngine.__init__

    def noted(self: RayEngine, *args: Any, **keywords: Any) -> None:
        engines.append(self)
        made(self, *args, **keywords)

    monkeypatch.setattr(RayEngine, "__init__", noted)
    report = label_files(
        sources, out, labeller=classifier, engine=EngineName.RAY, workers=1, progress=Killing()
    )
    assert len(set(killed)) == 2
    assert report.failures == ()
    assert out.read_bytes() == whole.read_bytes()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_actors_get_the_session_layer_with_the_model(
    ray: Any, corpus: Corpus, layered: Path, tmp_path: Path
) -> None:
    source = corpus("a.csv", 7, turns=40)
    classifier = RuptureClassifier.load(layered, threads=1)
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    label_files([source], whole, labeller=classifier)
    report = label_files([source], out, labeller=classifier, engine=EngineName.RAY, workers=2)
    assert report.failures == ()
    assert out.read_bytes() == whole.read_bytes()
