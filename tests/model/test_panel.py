"""Codings side by side, and the figures of a panel."""

from collections.abc import Sequence

import numpy as np
import pytest

from alliance.model.code_system import OWN
from alliance.model.codebook import Role
from alliance.model.codings import Coding, CodingTurn
from alliance.model.errors import ConfigError, InputError
from alliance.model.panel import align
from alliance.model.panel_figures import panel_figures
from alliance.model.raters import Order


def made(
    coder: str,
    codes: str | Sequence[str],
    *,
    session: str = "s",
    numbered: bool = True,
    by_model: bool = False,
    ids: bool = False,
) -> Coding:
    """A coding of one session; one code per turn, ``-`` for none."""
    turns = tuple(
        CodingTurn(
            session,
            place if numbered else None,
            f"u{place}" if ids or not numbered else "",
            (Role.THERAPIST, Role.CLIENT)[place % 2],
            "" if code == "-" else code,
            OWN.read("" if code == "-" else code),
            place + 2,
        )
        for place, code in enumerate(codes)
    )
    return Coding(coder, f"{coder}.csv", turns, by_model)


def test_turns_are_matched_by_number_or_by_identifier() -> None:
    second = made("b", "NW", ids=True)
    for first in (made("a", "NW"), made("a", "NW", numbered=False)):
        panel = align([first, second])
        assert panel.coders == ("a", "b")
        assert panel.given.tolist() == [[3, 1], [3, 1]]
        assert panel.role.tolist() == [1, 0]
    with pytest.raises(InputError, match="all to give their identifiers"):
        align([made("a", "NW", numbered=False), made("b", "NW")])


def test_a_coder_may_have_a_table_for_each_session() -> None:
    parts = [made("a", "NW", session="1"), made("a", "P", session="2")]
    panel = align([*parts, made("b", "PW", session="2"), made("b", "NN", session="1")])
    assert panel.sessions == ("1", "2")
    assert panel.session.tolist() == [0, 0, 1, 1]
    assert panel.given.tolist() == [[3, 1, 0, -1], [3, 3, 0, 1]]
    with pytest.raises(InputError, match=r"a\.csv:2: expected each turn once for a"):
        align([parts[0], parts[0], made("b", "NN", session="1")])


def test_a_turn_has_one_speaker() -> None:
    # The second coder counts from 1.
    late = Coding("b", "b.csv", tuple(
        CodingTurn(t.session, place + 1, "", t.role, t.text, t.code, t.line)
        for place, t in enumerate(made("b", "NWN").turns)
    ))  # fmt: skip
    with pytest.raises(
        InputError,
        match=r"b\.csv:2: expected the client to speak in turn 1 of session 's', as in another "
        r"table, found the therapist; number the turns alike, from 0",
    ):
        align([made("a", "NWN"), late])


def test_turns_nobody_coded_are_left_out() -> None:
    panel = align([made("a", "-NW"), made("b", "-N-")])
    assert panel.turn == ("1", "2")
    assert panel.given.tolist() == [[3, 1], [3, -1]]


@pytest.mark.parametrize(
    ("codings", "message"),
    [
        ([], "expected the codes of two coders or more, found none alone"),
        ([made("a", "N")], "found a alone"),
        ([made("a", "N-"), made("b", "-N")], "expected turns that two coders coded, found none"),
        ([made("a", "N", session="x"), made("b", "N")], "name their sessions and turns alike"),
    ],
)
def test_what_cannot_be_compared(codings: list[Coding], message: str) -> None:
    with pytest.raises(InputError, match=message):
        align(codings)


def test_markers_and_codes_of_any_kind() -> None:
    panel = align([made("a", ["W1", "N"]), made("b", ["W2", "N"])], kind="markers")
    assert panel.codes[panel.given[1, 0]] == "W2"
    with pytest.raises(InputError, match=r"b\.csv:2: expected a marker"):
        align([made("a", ["W1"]), made("b", ["withdrawal"])], kind="markers")
    rated = [made(coder, "-" * len(c)) for coder, c in (("a", "123"), ("b", "133"))]
    for coding, codes in zip(rated, ("123", "133"), strict=True):
        turns = tuple(
            CodingTurn(t.session, t.turn, "", None, c, None, t.line)
            for t, c in zip(coding.turns, codes, strict=True)
        )
        object.__setattr__(coding, "turns", turns)
    panel = align(rated, kind="any")
    assert panel.codes == ("1", "2", "3")
    ordered = panel_figures(panel, order=Order.QUADRATIC, resamples=20)
    overall = ordered["speakers"]["pooled"]["overall"]
    assert {"weighted_kappa", "ac2", "alpha_quadratic"} < set(overall)
    # Codes 1 2 3 against 1 3 3, by hand: 1 - mean(d²) / expected, with d² = 0 1 0 and means of
    # (0+4+4 + 1+1+1 + 4+0+0) / 9.
    assert overall["weighted_kappa"]["value"] == pytest.approx(1 - (1 / 3) / (15 / 9))
    with pytest.raises(InputError, match=r"a\.csv:4: expected one of the codes in order \(1, 2\)"):
        align(rated, kind="any", order=("1", "2"))
    with pytest.raises(ConfigError, match="one of labels, markers, any, got 'words'"):
        align(rated, kind="words")


def test_ordered_ratings_have_an_icc_of_their_own() -> None:
    rated = [
        Coding(coder, f"{coder}.csv", tuple(
            CodingTurn("12"[place > 1], place, "", None, code.strip("-"), None, place + 2)
            for place, code in enumerate(codes)
        ))
        for coder, codes in (("a", "12345"), ("b", "23355"), ("c", "1225-"))
    ]  # fmt: skip
    panel = align(rated, kind="any", order="12345")
    pooled = panel_figures(panel, order=Order.LINEAR, resamples=5)["speakers"]["pooled"]["overall"]
    # pingouin 0.7.0: intraclass_corr of the four turns that all rated, ICC(A,1) and ICC(A,k).
    assert pooled["icc_2_1"]["value"] == pytest.approx(0.85, abs=1e-6)
    assert pooled["icc_2_k"]["value"] == pytest.approx(0.944444, abs=1e-6)
    alone = align([*rated, made("d", "-")], kind="any", order="12345")
    nobody = panel_figures(alone, order=Order.LINEAR, resamples=5)["speakers"]["pooled"]["overall"]
    assert nobody["icc_2_1"]["value"] is None, "no turn was rated by all"


def test_figures_by_hand() -> None:
    a, b = "NNWWPCNNNN", "NNWNPCNNNC"
    report = panel_figures(align([made("a", a), made("b", b)]), resamples=50)
    pooled = report["speakers"]["pooled"]
    assert pooled["turns"] == 10
    assert pooled["overall"]["percent_agreement"]["value"] == pytest.approx(0.8)
    chance = (6 * 6 + 2 * 1 + 1 * 1 + 1 * 2) / 100
    assert pooled["overall"]["kappa"]["value"] == pytest.approx((0.8 - chance) / (1 - chance))
    assert pooled["codes"]["withdrawal"]["specific_agreement"]["value"] == pytest.approx(2 / 3)
    assert pooled["codes"]["confrontation"]["share"]["value"] == pytest.approx(0.15)
    assert set(report["speakers"]) == {"client", "therapist", "pooled"}
    assert report["pairs"][0]["confusion"][1] == [0, 1, 0, 1]
    # One session: figures, but no interval.
    assert pooled["overall"]["kappa"]["low"] is None
    assert report["models"] == {}


def test_episodes_and_frequencies() -> None:
    sessions = [("NNWNNNNNNC", "NNWNNNNNNN"), ("NCNN", "NNCN"), ("NNNN", "NNNN")]
    codings = [
        made(coder, codes[place], session=str(number))
        for number, codes in enumerate(sessions)
        for place, coder in enumerate(("a", "b"))
    ]
    report = panel_figures(align(codings), resamples=50)
    # Coder a: two episodes and one; b: one and one. Both of b's lie within a turn of one of a's.
    assert report["episodes"]["onset"]["1"]["value"] == pytest.approx(2 * 2 / (3 + 2))
    counts = np.array([[2, 1], [1, 1], [0, 0]], dtype=float)
    from alliance.model.agreement import icc_2_1

    assert report["frequencies"]["episodes"]["icc_2_1"]["value"] == pytest.approx(
        float(icc_2_1(counts)), abs=1e-6
    )


def test_the_model_as_one_more_coder() -> None:
    people = [made("a", "NWPCNN"), made("b", "NWPNNN"), made("c", "NWPCNP")]
    model = made("m", "NWPCNN", by_model=True)
    panel = align([*people, model])
    report = panel_figures(panel, resamples=20)
    found = report["models"]["m"]
    assert found["left_out"]["difference"]["value"] > 0
    assert found["pairs"]["model"]["value"] > found["pairs"]["people"]["value"]
    named = align([*people, made("m", "NWPCNN")], models=["m"])
    assert named.models == [3]
    assert panel_figures(named, resamples=20)["models"] == report["models"]
    with pytest.raises(ConfigError, match=r"one of the coders \(a, b, c\), found 'm'"):
        align(people, models=["m"])


def test_the_published_reliability_of_our_own_codes() -> None:
    """The two codings of AnnoMI: κ .81, macro-F1 .87 (data_cards/annomi.md)."""
    from importlib.resources import as_file, files

    from alliance.model.codings import read_codings

    with as_file(files("alliance.training.corpora") / "annomi_labels.csv") as path:
        panel = align(read_codings(path))
    report = panel_figures(panel, resamples=1)
    (pair,) = report["pairs"]
    assert pair["turns"] == 8037
    assert pair["kappa"]["value"] == pytest.approx(0.808, abs=5e-4)
    assert pair["macro_f1"]["value"] == pytest.approx(0.870, abs=5e-4)
