import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the [train] extra")

from alliance.model.codebook import LABELS, Label, Marker
from alliance.model.labelled import UnlabelledReason
from alliance.model.session import Session, Turn
from alliance.training.corpora import CodedSession, authored
from alliance.training.rivals import baseline

SAID = {
    ("client", "W2"): "dunno really",
    ("client", "C1"): "you never listen",
    ("therapist", "PB"): "that sounds so hard",
    ("therapist", "N"): "tell me about work",
}


def coded(number: int, *keys: tuple[str, str]) -> CodedSession:
    turns = tuple(Turn(key[0], f"{SAID[key]} and so on") for key in keys)
    codes = tuple(Marker(key[1]) for key in keys)
    return CodedSession(Session(f"s{number}", turns), codes, codes, codes)


TRAINING = [coded(number, *(list(SAID) * 3)) for number in range(6)]


def test_words_of_a_label_are_learned() -> None:
    model = baseline.fit(TRAINING)
    session = coded(9, *reversed(SAID))
    labelled = model.label(session.session)
    assert tuple(turn.label for turn in labelled) == session.labels
    found = model.predict([session])
    assert found.model == baseline.Baseline.name
    assert (found.predicted == found.gold).all()
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(4))


def test_the_context_tells_two_equal_turns_apart() -> None:
    def exchange(number: int, opening: str, code: str) -> CodedSession:
        turns = (Turn("therapist", opening), Turn("client", "yes"))
        codes = (Marker.N, Marker(code))
        return CodedSession(Session(f"{code}{number}", turns), codes, codes, codes)

    pairs = [("do you agree with the plan", "W5"), ("did you sleep well", "N")]
    model = baseline.fit([exchange(n, *pair) for n in range(8) for pair in pairs])
    said = [list(model.label(exchange(99, *pair).session))[1].label for pair in pairs]
    assert said == [Label.WITHDRAWAL, Label.NEUTRAL]


def test_only_turns_with_words_of_client_and_therapist_get_a_label() -> None:
    turns = (
        Turn("client", "(pause)"),
        Turn("Mother", "tell me about work"),
        Turn("client", "well"),
    )
    labelled = baseline.fit(TRAINING).label(Session("x", turns))
    reasons = [turn.unlabelled_reason for turn in labelled]
    assert reasons == [UnlabelledReason.NO_WORDS, UnlabelledReason.ROLE_OTHER, None]
    assert baseline.fit(TRAINING).label(Session("empty", ())).turns == ()


def test_a_label_that_was_never_seen_has_probability_0() -> None:
    sessions = [coded(n, ("therapist", "N"), ("therapist", "PB")) for n in range(4)]
    found = baseline.fit(sessions).predict(sessions)
    assert (found.probabilities[:, LABELS.index(Label.WITHDRAWAL)] == 0).all()


def test_fitting_twice_gives_the_same() -> None:
    sessions = authored()[:12]
    first, second = (baseline.fit(sessions).predict(sessions[:3]) for _ in range(2))
    assert (first.probabilities == second.probabilities).all()
