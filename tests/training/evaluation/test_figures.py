import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alliance.model import agreement
from alliance.model.classifier import RuptureClassifier
from alliance.model.codebook import LABELS, MARKER_ORDER, Label, Marker, Role
from alliance.model.errors import InputError
from alliance.model.labelled import LabelledSession
from alliance.model.session import Session, Turn
from alliance.training.corpora import CodedSession
from alliance.training.evaluation import figures as evaluation
from alliance.training.evaluation import tables
from alliance.training.evaluation.predictions import NONE, ROLES, Predictions, collect, concatenate

metrics = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn ([train])")

STUB = Path(__file__).parents[2] / "data" / "stub_model"


def predictions(*, turns: int = 400, sessions: int = 15, seed: int = 0) -> Predictions:
    random = np.random.default_rng(seed)
    gold = random.choice(4, size=turns, p=[0.2, 0.1, 0.1, 0.6])
    scores = random.dirichlet([1, 1, 1, 3], size=turns) + np.eye(4)[gold] * random.random(
        (turns, 1)
    )
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    coder_b = np.where(random.random(turns) < 0.85, gold, random.integers(4, size=turns))
    marker_of = [MARKER_ORDER.index(Marker(code)) for code in ("PB", "W2", "C1", "N")]
    return Predictions(
        model="stub",
        session_ids=tuple(f"s{i}" for i in range(sessions)),
        session=np.sort(random.integers(sessions, size=turns)),
        turn=np.arange(turns),
        role=random.integers(2, size=turns),
        gold=gold,
        coder_a=gold.copy(),
        coder_b=coder_b,
        probabilities=probabilities,
        predicted=probabilities.argmax(axis=1),
        abstained=probabilities.max(axis=1) < 0.4,
        gold_marker=np.array(marker_of)[gold],
        predicted_marker=np.full(turns, NONE),
        no_words=2,
    )


def changed(base: Predictions, **changes: object) -> Predictions:
    names = Predictions.__dataclass_fields__
    return Predictions(**{name: getattr(base, name) for name in names} | changes)


def same(first: Predictions, second: Predictions) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in Predictions.__dataclass_fields__
    )


# --- Predictions


def coded(id: str, *turns: tuple[str, str, str | None]) -> CodedSession:  # noqa: A002
    codes = tuple(None if code is None else Marker(code) for _, _, code in turns)
    session = Session(id, tuple(Turn(speaker, text) for speaker, text, _ in turns))
    return CodedSession(session, codes, (None,) * len(turns), codes)


def test_the_real_classifier_is_set_beside_the_codes() -> None:
    sessions = [
        coded("a", ("therapist", "You must go", "CT"), ("client", "useless", "N")),
        coded(
            "b",
            ("client", "[inaudible]", "W2"),
            ("Mother", "thanks", None),
            ("client", "dunno", "W2"),
            ("therapist", "hello", None),
        ),
    ]
    found = collect(RuptureClassifier.load(STUB), sessions)
    assert found.model == RuptureClassifier.load(STUB).name
    assert (len(found), found.no_words) == (3, 1)
    assert found.session.tolist() == [0, 0, 1]
    assert found.turn.tolist() == [0, 1, 2]
    assert [ROLES[role] for role in found.role] == [Role.THERAPIST, Role.CLIENT, Role.CLIENT]
    gold = [Label.CONFRONTATION, Label.NEUTRAL, Label.WITHDRAWAL]
    assert [LABELS[place] for place in found.gold] == gold
    said = [Label.CONFRONTATION, Label.CONFRONTATION, Label.WITHDRAWAL]
    assert [LABELS[place] for place in found.predicted] == said
    assert [MARKER_ORDER[place] for place in found.gold_marker] == ["CT", "N", "W2"]
    assert [MARKER_ORDER[place] for place in found.predicted_marker] == ["CT", "C3", "W2"]
    assert found.coder_a.tolist() == [NONE] * 3
    assert (found.coder_b == found.gold).all()
    assert found.probabilities.argmax(axis=1).tolist() == found.predicted.tolist()


def test_causal_predictions_say_so() -> None:
    sessions = [coded("a", ("therapist", "You must go", "CT"), ("client", "useless", "N"))]
    model = RuptureClassifier.load(STUB)
    asked: list[dict[str, object]] = []

    class Recording:
        name = "stub-1"

        def label(self, session: Session, **options: Any) -> LabelledSession:
            asked.append(options)
            return model.label(session, **options)

    found = collect(Recording(), sessions, causal=True)
    assert found.model == "stub-1, causal"
    assert collect(Recording(), sessions).model == "stub-1"
    # A classifier that knows no causal mode must not be asked about it.
    assert [options.get("causal", "-") for options in asked] == [True, "-"]


def test_codes_and_speakers_stay_while_another_transcript_is_shown() -> None:
    sessions = [coded("a", ("therapist", "You must go", "CT"), ("client", "thanks", "PB"))]

    def misheard(session: Session) -> Session:
        first, second = session.turns
        return Session(session.id, (replace(first, speaker="client"), replace(second, text="so")))

    found = collect(RuptureClassifier.load(STUB), sessions, shown=misheard)
    assert [ROLES[role] for role in found.role] == [Role.THERAPIST, Role.CLIENT]
    assert [MARKER_ORDER[place] for place in found.gold_marker] == ["CT", "PB"]
    # "must" is a confrontation only from a therapist, and the thanks were not heard.
    assert [LABELS[place] for place in found.predicted] == [Label.NEUTRAL] * 2
    with pytest.raises(ValueError, match="1 turns shown in place of 2"):
        collect(
            RuptureClassifier.load(STUB),
            sessions,
            shown=lambda session: Session("a", session.turns[:1]),
        )


def test_collecting_nothing_gives_nothing() -> None:
    found = collect(RuptureClassifier.load(STUB), [])
    assert (len(found), found.session_ids) == (0, ())


def test_predictions_round_trip(tmp_path: Path) -> None:
    before = predictions()
    before.save(tmp_path / "p.npz")
    assert same(Predictions.load(tmp_path / "p.npz"), before)
    assert [path.name for path in tmp_path.iterdir()] == ["p.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text"])
def test_another_file_is_not_predictions(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.npz").write_bytes(content)
    with pytest.raises(InputError, match="expected predictions"):
        Predictions.load(tmp_path / "p.npz")
    with pytest.raises(InputError, match="expected predictions"):
        Predictions.load(tmp_path / "none.npz")
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(InputError, match="expected predictions"):
        Predictions.load(tmp_path / "array.npy")


def test_predictions_that_cannot_be_written_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="choose another place"):
        predictions().save(tmp_path / "nowhere" / "p.npz")


def test_parts_join_to_the_whole() -> None:
    whole = predictions()
    first, second = predictions(seed=1), predictions(seed=2)
    second = changed(second, session_ids=tuple(f"t{i}" for i in range(15)), model="other")
    joined = concatenate([first, second])
    assert joined.session_ids == first.session_ids + second.session_ids
    assert joined.model == "stub + other"
    assert joined.no_words == 4
    assert (joined.session[len(first) :] == second.session + 15).all()
    assert same(concatenate([whole]), whole)
    with pytest.raises(ValueError, match="occurs twice"):
        concatenate([whole, whole])
    with pytest.raises(ValueError, match="no predictions"):
        concatenate([])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("gold", np.full(400, -1), "gold holds a value out of its range"),
        ("coder_a", np.full(400, 4), "coder_a holds a value"),
        ("turn", np.arange(3), r"turn has shape \(3,\)"),
        ("probabilities", np.ones((400, 4)), "sum to 1"),
    ],
)
def test_impossible_predictions_are_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed(predictions(), **{name: value})


# --- figures


def test_the_figures_are_those_of_scikit_learn_for_each_speaker() -> None:
    whole = predictions()
    found = evaluation.figures(whole, resamples=40)
    assert (found["turns"], found["sessions"], found["no_words"]) == (400, 15, 2)
    assert list(found["speakers"]) == ["client", "therapist", "pooled"]
    for name, block in found["speakers"].items():
        part = whole if name == "pooled" else whole.said_by(Role(name))
        gold, said = part.gold, part.predicted
        assert block["turns"] == len(part)
        p, r, f, support = metrics.precision_recall_fscore_support(gold, said, labels=range(4))
        for place, label in enumerate(LABELS):
            row = block["labels"][label.value]
            area = metrics.roc_auc_score(gold == place, part.probabilities[:, place])
            assert row["auroc"]["value"] == pytest.approx(area, abs=1e-6)
            errors = metrics.brier_score_loss(gold == place, part.probabilities[:, place])
            share = (gold == place).mean()
            skill = 1 - errors / (share * (1 - share))
            assert row["brier_skill"]["value"] == pytest.approx(skill, abs=1e-6)
            assert row["support"] == support[place]
            assert row["predicted"] == (said == place).sum()
            assert row["precision"]["value"] == pytest.approx(p[place], abs=1e-6)
            assert row["recall"]["value"] == pytest.approx(r[place], abs=1e-6)
            assert row["f1"]["value"] == pytest.approx(f[place], abs=1e-6)
            auprc = metrics.average_precision_score(gold == place, part.probabilities[:, place])
            assert row["auprc"]["value"] == pytest.approx(auprc, abs=1e-6)
            assert row["auprc"]["low"] < auprc < row["auprc"]["high"]
            coders = metrics.f1_score(part.coder_a == place, part.coder_b == place)
            assert row["coders_f1"]["value"] == pytest.approx(coders, abs=1e-6)
            with_coders = (f[place] + metrics.f1_score(part.coder_b == place, said == place)) / 2
            assert row["f1_against_coders"]["value"] == pytest.approx(with_coders, abs=1e-6)
        brier = ((part.probabilities - np.eye(4)[gold]) ** 2).sum(axis=1).mean()
        shares = np.bincount(gold, minlength=4) / len(part)
        expected = {
            "macro_f1": f.mean(),
            "ac1": agreement.ac1(agreement.confusion_matrix(gold, said)),
            "coders_ac1": agreement.ac1(agreement.confusion_matrix(part.coder_a, part.coder_b)),
            "balanced_accuracy": metrics.balanced_accuracy_score(gold, said),
            "brier_skill": 1 - brier / (1 - (shares**2).sum()),
            "kappa": metrics.cohen_kappa_score(gold, said),
            "accuracy": (gold == said).mean(),
            "brier": brier,
            "abstained": part.abstained.mean(),
            "coders_kappa": metrics.cohen_kappa_score(part.coder_a, part.coder_b),
            "coders_macro_f1": metrics.f1_score(part.coder_a, part.coder_b, average="macro"),
        }
        for key, value in expected.items():
            assert block[key]["value"] == pytest.approx(value, abs=1e-6)
            assert block[key]["low"] < value < block[key]["high"]
        assert block["majority"]["label"] == "neutral"
        assert block["majority"]["accuracy"]["value"] == pytest.approx((gold == 3).mean(), abs=1e-6)


def test_the_figures_are_plain_json_and_follow_the_seed() -> None:
    first = evaluation.figures(predictions(), resamples=30, seed=1)
    text = json.dumps(first, allow_nan=False)
    assert json.loads(text) == first
    assert evaluation.figures(predictions(), resamples=30, seed=1) == first
    assert evaluation.figures(predictions(), resamples=30, seed=2) != first


def test_a_perfect_model_is_perfect_and_calibrated() -> None:
    base = predictions()
    sure = changed(base, probabilities=np.eye(4)[base.gold], predicted=base.gold)
    pooled = evaluation.figures(sure, resamples=20)["speakers"]["pooled"]
    one = {"value": 1.0, "low": 1.0, "high": 1.0}
    zero = {"value": 0.0, "low": 0.0, "high": 0.0}
    perfect = ("macro_f1", "kappa", "ac1", "accuracy", "balanced_accuracy", "brier_skill")
    assert [pooled[key] for key in perfect] == [one] * 6
    assert [pooled[key] for key in ("ece", "brier")] == [zero] * 2
    assert pooled["labels"]["withdrawal"]["auprc"] == one


def test_what_is_rare_or_absent_is_marked_and_null() -> None:
    base = predictions()
    gold = np.where(base.gold == 1, 3, base.gold)
    gold[:3] = 1
    few = changed(base, gold=gold, role=np.zeros(400, dtype=np.int64), coder_a=np.full(400, NONE))
    found = evaluation.figures(few, resamples=30)
    withdrawal = found["speakers"]["client"]["labels"]["withdrawal"]
    assert (withdrawal["support"], withdrawal["few"]) == (3, True)
    # The three sit in one session: most resamples lack them, so recall has no interval.
    assert withdrawal["recall"]["low"] is None
    assert withdrawal["recall"]["value"] is not None
    pooled = found["speakers"]["pooled"]
    assert pooled["coders_turns"] == 0
    assert pooled["coders_kappa"] == {"value": None, "low": None, "high": None}
    therapist = found["speakers"]["therapist"]
    assert (therapist["turns"], therapist["macro_f1"]["value"]) == (0, None)
    text = tables.markdown(found)
    assert "withdrawal rupture†" in text
    assert "nan" not in text.lower()
    assert "None" not in text


def test_codes_are_reported_from_twenty_turns_on() -> None:
    base = predictions()
    marked = changed(base, predicted_marker=base.gold_marker)
    code = MARKER_ORDER.index(Marker.W7)
    marked.gold_marker[:5] = code
    found = evaluation.figures(marked, resamples=20)["markers"]
    assert set(found) == {"PB", "W2", "C1", "N"}
    assert found["W2"]["f1"]["value"] > 0.9


def test_a_comparison_pairs_the_same_turns() -> None:
    base = predictions()
    worse = changed(base, predicted=np.where(np.arange(400) % 3, base.predicted, 3), model="rival")
    order = np.random.default_rng(0).permutation(400)
    shuffled = worse.where(order)
    found = evaluation.comparison(shuffled, base, resamples=60)
    pooled = found["speakers"]["pooled"]["macro_f1"]
    macro = [metrics.f1_score(base.gold, p.predicted, average="macro") for p in (base, worse)]
    assert pooled["value"] == pytest.approx(macro[0] - macro[1], abs=1e-6)
    assert 0 < pooled["low"] < pooled["high"]
    assert found["rival"] == "rival"
    assert "difference in" in tables.comparison_markdown(found)
    with pytest.raises(ValueError, match="same turns"):
        evaluation.comparison(base, base.where(order[:30]))


# --- tables


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.614, 0.55, 0.667, ".61 [.55, .67]"),
        (1.0, 0.996, 1.25, "1.00 [1.00, 1.25]"),
        (0.3, None, None, ".30"),
        (None, None, None, "–"),
    ],
)
def test_an_estimate_reads_as_in_a_journal(
    value: float | None, low: float | None, high: float | None, text: str
) -> None:
    assert tables.estimate(value, low, high) == text


def test_a_difference_carries_its_sign() -> None:
    assert tables.estimate(-0.051, -0.1, 0.001, signed=True) == "-.05 [-.10, .00]"


def test_the_tables_have_as_many_cells_in_every_row() -> None:
    text = tables.markdown(evaluation.figures(predictions(), resamples=20))
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1
    assert text.index("The client's turns") < text.index("The therapist's") < text.index("pooled:")
