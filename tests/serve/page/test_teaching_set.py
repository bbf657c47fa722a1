"""The teaching set: a copy of the corpus, complete, in the codebook's words."""

import json
from importlib.resources import files
from typing import Any

import pytest

from alliance.model.codebook import MARKERS, Label, Marker
from alliance.model.episodes import Outcome
from alliance.model.labelled import LabelledSession, LabelledTurn, ModelInfo, Probabilities
from alliance.model.timeline import timeline
from alliance.serve.page.teaching_set import TeachingSession, teaching_set
from alliance.training.corpora.coded_lines import authored

CORPUS = {coded.id: coded for coded in authored()}
SET = teaching_set()
FILES = sorted(
    (file for file in (files("alliance.serve.page") / "teaching").iterdir()),
    key=lambda file: file.name,
)


def certain(label: Label) -> Probabilities:
    return Probabilities(*(float(one is label) for one in Label))


def outcomes(session: TeachingSession) -> set[Outcome]:
    turns = [
        LabelledTurn(index, turn, code.label, certain(code.label), marker=code, p_marker=1.0)
        for index, (turn, code) in enumerate(zip(session.session.turns, session.codes, strict=True))
    ]
    labelled = LabelledSession(session.session, tuple(turns), ModelInfo("settled"))
    return {episode.outcome for episode in timeline(labelled).episodes}


def test_there_are_twelve() -> None:
    assert len(SET) == len(FILES) == 12
    assert len({session.title for session in SET}) == 12


@pytest.mark.parametrize("session", SET, ids=lambda session: session.id)
def test_turns_and_codes_are_those_of_the_corpus(session: TeachingSession) -> None:
    coded = CORPUS[session.id]
    assert session.session.turns == coded.session.turns
    assert session.codes == coded.codes
    assert session.setting == coded.facts["setting"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_files_are_as_the_script_writes_them(file: Any) -> None:
    """After a change of the corpus: python .github/make_teaching.py."""
    data = json.loads(file.read_text(encoding="utf-8"))
    assert file.name == f"{data['id']}.json"
    assert data["licence"] == "CC BY 4.0"
    for turn, coded in zip(data["turns"], CORPUS[data["id"]].coder_a, strict=True):
        assert turn["coder_author"] == (None if coded is None else coded.value)


def test_all_markers_of_rupture_and_all_outcomes_occur() -> None:
    found = {code for session in SET for code in session.codes if code.label.is_rupture}
    assert found == {marker for marker in Marker if marker.label.is_rupture}
    seen = [outcomes(session) for session in SET]
    assert set().union(*seen) == set(Outcome)
    assert seen.count(set()) == 1  # one session without a rupture
    assert teaching_set()[0].id == SET[seen.index(set())].id  # a course begins with it


@pytest.mark.parametrize("session", SET, ids=lambda session: session.id)
def test_each_rupture_turn_has_a_short_reason(session: TeachingSession) -> None:
    ruptures = {index for index, code in enumerate(session.codes) if code.label.is_rupture}
    assert ruptures <= session.reasons.keys()
    assert len(set(session.reasons.values())) == len(session.reasons)
    for reason in (*session.reasons.values(), session.shows):
        assert 40 <= len(reason) <= 260
        assert reason.endswith(".")
        assert not any(code.value in reason.split() for code in MARKERS if code is not Marker.N)


@pytest.mark.parametrize("session", SET, ids=lambda session: session.id)
def test_reasons_quote_what_was_said(session: TeachingSession) -> None:
    """What stands in quotation marks occurs in the turn, or in one shortly before it."""
    for index, reason in session.reasons.items():
        near = " ".join(turn.text for turn in session.session.turns[max(0, index - 2) : index + 1])
        plain = near.lower().replace("’", "'")
        for quoted in reason.split("“")[1:]:
            words = quoted.partition("”")[0].lower().replace("’", "'").strip(".,")
            assert words in plain, (index, words)


def test_a_rupture_turn_without_a_reason_is_refused() -> None:
    data = json.loads(FILES[0].read_text(encoding="utf-8"))
    data["reasons"].popitem()
    with pytest.raises(ValueError, match="has no reason"):
        TeachingSession.from_dict(data)
