"""A model with a session layer says the same by every way to it."""

import asyncio
import json
import multiprocessing
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import Result

from alliance.model.classifier import RuptureClassifier
from alliance.model.explain import explain
from alliance.model.formats import read_sessions
from alliance.model.labelled import Purpose
from alliance.model.session import Session
from alliance.model.timeline import timeline
from alliance.serve.batch.settings import weights_digest
from alliance.serve.http.app import create_app
from alliance.serve.http.batching import LabelQueue
from alliance.serve.http.live_limits import LiveLimits
from alliance.serve.http.live_sessions import LiveSessions
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings
from alliance.serve.labelling import label_files
from alliance.serve.live import LiveSession
from alliance.serve.live_client import LiveClient
from alliance.serve.remembering import RememberingClassifier
from alliance.serve.table import row

Sessions = Callable[..., Session]
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def model(layered: Path) -> RuptureClassifier:
    return RuptureClassifier.load(layered, threads=1)


@pytest.fixture
def corpus(tmp_path: Path, long_session: Sessions) -> tuple[Path, list[Session]]:
    """Sessions of several windows, and of none, in one file."""
    sessions = [
        long_session(turns, seed=seed, session_id=f"s{seed}")
        for seed, turns in enumerate([30, 1, 90, 2, 45, 12])
    ]
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(f"{json.dumps(sent(one))}\n" for one in sessions), encoding="utf-8")
    assert [one.turns for one in read_sessions(path)] == [one.turns for one in sessions]
    return path, sessions


def sent(session: Session) -> dict[str, Any]:
    turns = [{"speaker": turn.speaker, "text": turn.text} for turn in session.turns]
    return {"id": session.id, "turns": turns}


def rows(model: RuptureClassifier, session: Session, **options: Any) -> list[dict[str, Any]]:
    labelled = model.label(session, **options)
    return [row(labelled, turn, include_text=True) for turn in labelled]


# A batch.


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_a_batch_by_threads_says_what_the_classifier_says(
    model: RuptureClassifier,
    corpus: tuple[Path, list[Session]],
    tmp_path: Path,
    workers: int,
) -> None:
    path, sessions = corpus
    out = tmp_path / "out.jsonl"
    report = label_files([path], out, labeller=model, workers=workers)
    assert (report.sessions, report.turns) == (6, 180)
    told = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    expected = [one for session in sessions for one in rows(model, session)]
    assert told == json.loads(json.dumps(expected))


def labels_elsewhere(folder: Path, session: Session) -> list[dict[str, Any]]:
    return rows(RuptureClassifier.load(folder, threads=1), session)


def test_another_process_that_loads_the_folder_says_the_same(
    model: RuptureClassifier, layered: Path, long_session: Sessions
) -> None:
    session = long_session(50)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        told = pool.starmap(labels_elsewhere, [(layered, session)] * 2)
    assert told == [rows(model, session)] * 2


def test_the_command_says_the_same(
    model: RuptureClassifier, layered: Path, corpus: tuple[Path, list[Session]], alliance: Run
) -> None:
    path, sessions = corpus
    result = alliance("label", path, "--format", "jsonl", "--model", layered)
    assert result.exit_code == 0, result.stderr
    told = [json.loads(line) for line in result.stdout.splitlines()]
    expected = [one for session in sessions for one in rows(model, session)]
    assert told == json.loads(json.dumps(expected))


def test_the_layer_is_part_of_what_a_batch_was_begun_with(layered: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(layered, tmp_path / "model"))
    assert weights_digest(folder) == weights_digest(layered)
    content = (folder / "session.onnx").read_bytes()
    (folder / "session.onnx").write_bytes(content + b"\0")
    assert weights_digest(folder) != weights_digest(layered)


# The service.


@pytest.mark.parametrize("live_threads", [1, 2])
def test_the_service_says_the_same_whatever_threads_live_turns_have(
    model: RuptureClassifier, layered: Path, long_session: Sessions, live_threads: int
) -> None:
    settings = Settings(model=layered, workers=2, threads=1, live_threads=live_threads)
    sessions = [long_session(turns, seed=turns, session_id=f"s{turns}") for turns in (1, 80, 25)]
    app = create_app(settings)
    with TestClient(app, base_url="http://localhost") as client:
        deadline = time.monotonic() + 60
        while client.get("/readyz").status_code == 503 and time.monotonic() < deadline:
            time.sleep(0.01)
        body = {"sessions": [sent(session) for session in sessions], "include_text": True}
        response = client.post("/v1/timelines", json=body)
        assert response.status_code == 200, response.text
        told = response.json()["results"]
        queue: LabelQueue = app.state.queue
        causal = asyncio.run(queue.label(sessions[1], causal=True))
    expected = [timeline(model.label(session)).to_dict(include_text=True) for session in sessions]
    assert told == json.loads(json.dumps(expected))
    assert causal == model.label(sessions[1], causal=True)


# A session that goes on.


@pytest.mark.parametrize("seed", [0, 1])
def test_live_labels_are_the_causal_ones_and_at_the_end_those_of_the_whole(
    model: RuptureClassifier, long_session: Sessions, seed: int
) -> None:
    session = long_session(50, seed=seed)
    live = LiveSession(model, session_id=session.id, purpose=Purpose.SCREENING)
    told = []
    for place, turn in enumerate(session.turns):
        told.append(live.add(turn).newest)
        if place % 7 == 3:
            live.look()
            part = Session(session.id, session.turns[: place + 1])
            assert live.labelled == model.label(part, purpose=Purpose.SCREENING)
    causal = model.label(session, purpose=Purpose.SCREENING, causal=True)
    assert tuple(told) == causal.turns
    assert live.end().turns == model.label(session, purpose=Purpose.SCREENING).turns


def test_what_is_remembered_is_the_same_and_costs_the_new_windows_alone(
    model: RuptureClassifier, long_session: Sessions
) -> None:
    session = long_session(80)
    remembering = RememberingClassifier(model)
    assert remembering.layer is model.layer
    for turns in (0, 1, 20, 21, 79, 80):
        part = Session("s", session.turns[:turns])
        assert remembering.label(part) == model.label(part)
    again = remembering.score(session)
    assert again.encoded_tokens == 0
    assert (again.logits == model.score(session).logits).all()
    assert remembering.label(session, causal=True) == model.label(session, causal=True)


def test_a_live_conversation_with_the_service(
    model: RuptureClassifier, long_session: Sessions
) -> None:
    session = long_session(25, session_id="talk")
    settings = Settings(workers=2, port=0)
    app = create_app(settings, model)
    app.state.live = LiveSessions(LiveLimits(messages_per_second=10_000.0))
    with (
        in_thread(app, settings) as url,
        LiveClient(url, session_id="talk", include_text=True) as live,
    ):
        told = [live.turn(turn.speaker, turn.text).newest for turn in session.turns]
        live.catch_up()
        ended = live.end()
    assert tuple(told) == model.label(session, causal=True).turns
    assert ended == timeline(model.label(session))


# Why.


def test_reasons_are_told_of_a_model_with_a_layer(
    model: RuptureClassifier,
    layered: Path,
    corpus: tuple[Path, list[Session]],
    alliance: Run,
) -> None:
    path, sessions = corpus
    words = ["timeline", path, "--session", "s0", "--json", "--explain", "--model", layered]
    result = alliance(*words)
    assert result.exit_code == 0, result.stderr
    labelled = model.label(sessions[0])
    reasons = explain(
        model,
        labelled,
        turns=[
            turn.index
            for turn in labelled
            if turn.label is not None and turn.label.is_rupture and not turn.abstained
        ],
    )
    assert reasons
    assert any(reason.neighbours for reason in reasons)
    expected = timeline(labelled, explanations=reasons).to_dict(include_text=True)
    assert json.loads(result.stdout) == json.loads(json.dumps(expected))


def test_the_page_tells_reasons_too(model: RuptureClassifier, long_session: Sessions) -> None:
    session = long_session(40)
    labelled = model.label(session)
    turn = next(turn.index for turn in labelled if turn.label is not None and turn.label.is_rupture)
    with TestClient(create_app(Settings(workers=2), model), base_url="http://localhost") as client:
        response = client.post("/page/why", json={"session": sent(session), "turn": turn})
        assert response.status_code == 200, response.text
    told = response.json()
    assert told["phrases"] or told["turns"]
