"""Your own codings: tables with words and codes, in our codes or another system's."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from alliance.model.code_system import CIS
from alliance.model.codebook import MARKER_ORDER, Label, Marker, Role
from alliance.model.errors import InputError
from alliance.serve.main import app
from alliance.training.config import RECIPE, TrainingConfig
from alliance.training.corpora import coded_table, from_dataset, load, to_dataset
from alliance.training.evaluation.predictions import NONE, collect
from alliance.training.own_codings import OWN_CORPUS, with_own
from alliance.training.targets import code_targets

HEAD = "session_id,speaker,text"


def _table(folder: Path, content: str, name: str = "mine.csv") -> Path:
    file = folder / name
    file.write_text(content, encoding="utf-8")
    return file


def test_settled_codes_and_two_coders(tmp_path: Path) -> None:
    file = _table(
        tmp_path,
        f"{HEAD},turn,code,coder_a,coder_b\n"
        "a,therapist,Hello.,0,PT,PT,N\na,client,Fine.,1,W2,W2,\nb,client,No.,0,,C2,\n",
    )
    first, second = coded_table(file).sessions
    assert first.codes == (Marker.PT, Marker.W2)
    assert first.coder_a == (Marker.PT, Marker.W2)
    assert first.coder_b == (Marker.N, None)
    assert second.codes == (None,)
    assert [turn.text for turn in first.session.turns] == ["Hello.", "Fine."]


def test_without_a_settled_code_agreement_settles(tmp_path: Path) -> None:
    file = _table(
        tmp_path,
        f"{HEAD},turn,coder_a,coder_b\n"
        "a,client,x,0,W1,W1\na,client,y,1,W1,W2\na,client,z,2,W1,C1\na,client,u,3,,N\n",
    )
    found = coded_table(file)
    (coded,) = found.sessions
    assert coded.codes == (Marker.W1, Label.WITHDRAWAL, None, Marker.N)
    assert found.unsettled == 1


def test_plain_labels_and_what_a_speaker_cannot_say(tmp_path: Path) -> None:
    file = _table(
        tmp_path,
        f"{HEAD},turn,code\n"
        "a,therapist,x,0,W1\na,therapist,y,1,withdrawal\na,Mother,z,2,N\na,client,u,3,WT\n",
    )
    found = coded_table(file, roles={"Mother": "other"})
    (coded,) = found.sessions
    assert coded.codes == (Label.WITHDRAWAL, Label.WITHDRAWAL, None, Label.WITHDRAWAL)
    assert found.not_allowed == 3


def test_codes_of_another_system(tmp_path: Path) -> None:
    file = _table(tmp_path, f"{HEAD},turn,code\na,client,x,0,DRM\na,client,y,1,CP\n")
    (coded,) = coded_table(file, system=CIS).sessions
    assert coded.codes == (Label.CONFRONTATION, Label.ALLIANCE_POSITIVE)
    with pytest.raises(InputError, match=r"mine\.csv:2: expected a code of the codebook"):
        coded_table(file)


def test_a_table_without_any_code(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected codes, found none that is settled"):
        coded_table(_table(tmp_path, f"{HEAD},turn,code\na,client,x,0,\n"))


def test_load_tells_tables_from_sessions_and_says_what_is_left_out(tmp_path: Path) -> None:
    said: list[str] = []
    table = _table(tmp_path, f"{HEAD},turn,coder_a,coder_b\na,client,x,0,W1,C1\na,client,y,1,N,N\n")
    (coded,) = load(str(table), tell=said.append)
    assert coded.codes == (None, Marker.N)
    assert said == [f"{table}: 1 turns on which coders differ were left without a code"]
    turns = _table(
        tmp_path,
        '{"session_id": "a", "turn": 0, "speaker": "client", "text": "x", "code": "N"}\n',
        "turns.jsonl",
    )
    assert load(str(turns))[0].codes == (Marker.N,)
    sessions = _table(
        tmp_path,
        '{"id": "a", "turns": [{"speaker": "client", "text": "x", "code": "N"}]}\n',
        "sessions.jsonl",
    )
    assert load(str(sessions))[0].codes == (Marker.N,)
    with pytest.raises(InputError, match="expected a JSON object"):
        load(str(_table(tmp_path, "not JSON\n", "bad.jsonl")))


def test_a_label_alone_is_learnt_as_any_of_its_codes(tmp_path: Path) -> None:
    file = _table(
        tmp_path, f"{HEAD},turn,code\na,therapist,x,0,withdrawal\na,client,y,1,positive\n"
    )
    (coded,) = coded_table(file).sessions
    therapist, client = code_targets(coded, settled_share=0.5)
    assert therapist[MARKER_ORDER.index(Marker.WT)] == pytest.approx(1.0)
    positive = [marker.label is Label.ALLIANCE_POSITIVE for marker in MARKER_ORDER]
    assert client[positive] == pytest.approx(np.full(4, 0.25))
    assert client.sum() == pytest.approx(1.0)


def test_a_label_alone_has_no_gold_marker_and_survives_a_data_set(tmp_path: Path) -> None:
    file = _table(tmp_path, f"{HEAD},turn,code\na,client,x,0,withdrawal\na,client,y,1,W1\n")
    sessions = coded_table(file).sessions
    from alliance.model.classifier import RuptureClassifier

    stub = Path(__file__).parents[1] / "data" / "stub_model"
    found = collect(RuptureClassifier.load(stub), sessions)
    assert found.gold.tolist() == [1, 1]
    assert found.gold_marker.tolist() == [NONE, MARKER_ORDER.index(Marker.W1)]
    assert from_dataset(to_dataset(sessions))[0].codes == sessions[0].codes


def test_who_may_carry_a_label() -> None:
    assert all(
        label.may_be_said_by(role) for label in Label for role in (Role.CLIENT, Role.THERAPIST)
    )
    assert not any(label.may_be_said_by(Role.OTHER) for label in Label)
    assert Label.WITHDRAWAL.label is Label.WITHDRAWAL


def test_the_recipe_with_your_own_sessions() -> None:
    recipe = TrainingConfig.from_file(RECIPE)
    mine = with_own(recipe, annomi=True)
    assert next(iter(mine.stages[-1].shares)) == OWN_CORPUS  # what is held out of
    assert dict(mine.stages[-1].shares) == {OWN_CORPUS: 1.0, **recipe.stages[-1].shares}
    assert mine.stages[:-1] == recipe.stages[:-1]
    assert mine.name != recipe.name
    assert "annomi" not in with_own(recipe, annomi=False).stages[-1].shares


def test_a_table_is_evaluated(tmp_path: Path) -> None:
    file = _table(
        tmp_path, f"{HEAD},turn,code\na,Ann,x,0,CP\na,Bo,y,1,DRM\nb,Ann,x,0,N\nb,Bo,y,1,IRM\n"
    )
    stub = Path(__file__).parents[1] / "data" / "stub_model"
    roles = ("--role", "Ann=therapist", "--role", "Bo=client")
    words = ("evaluate", stub, file, "--map", "cis", *roles, "--resamples", "5", "-q")
    result = CliRunner().invoke(app, [*map(str, words)])
    assert result.exit_code == 0, result.output
    assert "4 turns of 2 sessions" in result.stdout
