"""``alliance train`` and ``alliance crossvalidate`` as a user types them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from alliance.model import RuptureClassifier
from alliance.serve.main import app
from alliance.training.corpora import CodedSession

Make = Callable[..., list[CodedSession]]
Write = Callable[[Path, Sequence[CodedSession]], None]

SETTINGS = """\
name = "mine-1"
precision = "fp32"

[encoder]
base = {base}
max_tokens = 64
max_turn_tokens = 24
overlap_tokens = 16

[[stages]]
shares = {{mine = 1.0}}
epochs = 3
encoder_rate = 3e-3
head_rate = 1e-2
batch_tokens = 256
"""


def alliance(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def settings(tmp_path: Path, tiny_base: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(SETTINGS.format(base=json.dumps(str(tiny_base))), encoding="utf-8")
    return path


def test_own_codings_become_a_model(
    tmp_path: Path, settings: Path, coded_sessions: Make, write_coded_lines: Write
) -> None:
    corpus = tmp_path / "codings.jsonl"
    write_coded_lines(corpus, coded_sessions(12))
    out = tmp_path / "model"
    result = alliance("train", settings, "--corpus", f"mine={corpus}", "-o", out, "--threads", "1")
    assert result.exit_code == 0, result.output
    assert "agreement on rupture turns" in result.stderr
    assert result.stdout == ""
    model = RuptureClassifier.load(out)
    assert model.name == "mine-1"
    (unseen,) = coded_sessions(1, first=77)
    found = [turn.label for turn in model.label(unseen.session)]
    expected = [code.label for code in unseen.codes if code is not None]
    assert sum(a is b for a, b in zip(found, expected, strict=True)) > 0.8 * len(expected)


def test_settings_can_be_printed() -> None:
    result = alliance("train", "--print-config")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["encoder"]["base"] == "minilm"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "SETTINGS"], "add --corpus mine=PATH"),
        (["crossvalidate", "SETTINGS"], "registers, annomi; name one of these"),
        (["train", "SETTINGS", "--corpus", "mine="], "expects PATH or NAME=PATH, got 'mine='"),
        (["train", "--corpus", "a.csv", "--corpus", "b.csv"], "--corpus names 'own' twice"),
        (["train", "absent.toml"], "absent.toml: expected a training configuration, found none"),
        (["crossvalidate", "--folds", "0,x"], "--folds expects numbers such as 0,1, got '0,x'"),
    ],
)
def test_wrong_usage_is_one_sentence(settings: Path, words: list[str], told: str) -> None:
    result = alliance(*[settings if word == "SETTINGS" else word for word in words])
    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_corpus_that_no_stage_draws_from_is_refused(
    tmp_path: Path, settings: Path, coded_sessions: Make, write_coded_lines: Write
) -> None:
    corpus = tmp_path / "codings.jsonl"
    write_coded_lines(corpus, coded_sessions(2))
    result = alliance(
        "train", settings, "--corpus", f"mine={corpus}", "--corpus", f"theirs={corpus}"
    )
    assert result.exit_code == 2
    assert "--corpus names 'theirs', but no stage draws from it" in result.stderr
