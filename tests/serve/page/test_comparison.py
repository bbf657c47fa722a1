"""Agreement of codings of one session."""

import pytest

from alliance.model.codebook import Label, Marker
from alliance.serve.page.comparison import CodedTurn, compare

P, W, C, N = Label
W1, W2 = Marker.W1, Marker.W2


def coding(labels: str) -> dict[int, CodedTurn]:
    by_letter = {label.letter: label for label in Label}
    return {
        turn: CodedTurn(by_letter[letter]) for turn, letter in enumerate(labels) if letter != "-"
    }


def test_agreement_by_hand() -> None:
    # Cohen 1960: observed 5/8, by chance (2·3 + 6·5)/64.
    (one,) = compare({"you": coding("WWNNNNNN"), "model": coding("WNWWNNNN")}).agreements
    assert (one.first, one.second, one.turns) == ("you", "model", 8)
    assert one.same == pytest.approx(5 / 8)
    chance = (2 * 3 + 6 * 5) / 64
    assert one.kappa == pytest.approx((5 / 8 - chance) / (1 - chance))
    assert one.rupture_kappa == pytest.approx(one.kappa)
    assert one.marker_turns == 0
    assert one.same_marker is None


def test_only_turns_that_both_coded_count() -> None:
    (one,) = compare({"a": coding("WC--N"), "b": coding("-CNN-")}).agreements
    assert one.turns == 1
    assert one.same == 1.0
    assert one.kappa is None  # one label throughout: agreement by chance is certain


def test_no_common_turn_has_no_value() -> None:
    (one,) = compare({"a": coding("W-"), "b": coding("-W")}).agreements
    assert (one.turns, one.same, one.kappa, one.ac1) == (0, None, None, None)


def test_rupture_or_not_passes_over_the_kind() -> None:
    (one,) = compare({"a": coding("WCNN"), "b": coding("CWNN")}).agreements
    assert one.rupture_kappa == 1.0
    assert one.kappa is not None
    assert one.kappa < 1.0


def test_differences_are_told_of_the_first_coding() -> None:
    a = {0: CodedTurn(W, W1), 1: CodedTurn(N), 2: CodedTurn(W, W2), 3: CodedTurn(W)}
    b = {0: CodedTurn(W, W2), 1: CodedTurn(N), 2: CodedTurn(W), 4: CodedTurn(C)}
    c = {3: CodedTurn(P), 2: CodedTurn(W, W2)}
    made = compare({"a": a, "b": b, "c": c})
    assert [one.turn for one in made.differences] == [0, 3]
    assert made.differences[1].said == {"a": CodedTurn(W), "c": CodedTurn(P)}
    pairs = [(one.first, one.second) for one in made.agreements]
    assert pairs == [("a", "b"), ("a", "c"), ("b", "c")]
    assert made.agreements[0].marker_turns == 1
    assert made.agreements[0].same_marker == 0.0


def test_neutral_turns_say_nothing_of_markers() -> None:
    a = {0: CodedTurn(N, Marker.N), 1: CodedTurn(N, Marker.N), 2: CodedTurn(W, W1)}
    (one,) = compare({"a": a, "b": {**a, 2: CodedTurn(W, W2)}}).agreements
    assert (one.marker_turns, one.same_marker) == (1, 0.0)


def test_a_marker_of_another_label_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a marker of the label neutral, found W1"):
        CodedTurn(N, W1)
