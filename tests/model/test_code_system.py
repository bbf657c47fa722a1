"""Codes by our own names, by the CIS's, and by a map."""

from pathlib import Path

import pytest

from alliance.model.code_system import CIS, OWN, Code, code_system
from alliance.model.codebook import LABELS, MARKER_ORDER, Label, Marker
from alliance.model.errors import InputError


def test_our_own_codes_in_all_their_spellings() -> None:
    for marker in MARKER_ORDER:
        assert OWN.read(marker.value.lower()) == Code(marker.label, marker)
    for label in LABELS:
        found = [OWN.read(name) for name in (label.value, label.title, label.letter)]
        assert [code and code.label for code in found] == [label] * 3
    assert OWN.read(" Alliance positive ") == Code(Label.ALLIANCE_POSITIVE)
    assert OWN.read("  ") is None


def test_an_unknown_code_is_not_repeated_but_the_known_are_listed() -> None:
    with pytest.raises(LookupError, match=r"of the codebook \(alliance_positive, withdrawal") as e:
        OWN.read("Anna said so")
    assert "Anna" not in str(e.value)


def test_a_marker_is_its_own_labels() -> None:
    with pytest.raises(ValueError, match="expected a marker of the label neutral, found W1"):
        Code(Label.NEUTRAL, Marker.W1)


def test_the_classes_of_the_cis() -> None:
    assert CIS.read("DRM") == Code(Label.CONFRONTATION)
    assert CIS.read("irm") == Code(Label.WITHDRAWAL)
    assert CIS.read("RI") is None


def test_a_map(tmp_path: Path) -> None:
    file = tmp_path / "map.csv"
    file.write_text(
        "code,label,marker\nIR1,withdrawal,W1\nDR,confrontation,\nmm-hm,,\nresolution,,PR\n",
        encoding="utf-8-sig",
    )
    system = code_system(file)
    assert system.read("ir1") == Code(Label.WITHDRAWAL, Marker.W1)
    assert system.read("DR") == Code(Label.CONFRONTATION)
    assert system.read("mm hm") is None
    assert system.read("Resolution") == Code(Label.ALLIANCE_POSITIVE, Marker.PR)
    semicolons = file.with_name("german.csv")
    semicolons.write_text(file.read_text(encoding="utf-8-sig").replace(",", ";"), encoding="utf-8")
    assert code_system(semicolons).codes == system.codes
    with pytest.raises(LookupError, match=r"map map\.csv \(IR1, DR, mm-hm, resolution\)"):
        system.read("W1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"map\.csv:1: expected the columns code and label, found none"),
        ("a,b\n1,2\n", "expected the columns code and label, found a, b"),
        ("code,label\n", "expected a row for each code, found none"),
        ("code,label\nX,rupture\n", r"map\.csv:2: expected a code of the codebook"),
        (
            "code,label,marker\nX,neutral,W1\n",
            r"map\.csv:2: expected a marker of the label neutral",
        ),
        ("code,label,marker\nX,neutral,Q9\n", r"map\.csv:2: unknown marker 'Q9'"),
        ("code,label\nX,neutral\nX,withdrawal\n", r"map\.csv:3: expected each code once"),
    ],
)
def test_a_bad_map_is_told_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "map.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        code_system(file)


def test_a_map_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected own, cis or a readable map of codes"):
        code_system(tmp_path / "none.csv")
    assert code_system(None) is OWN
    assert code_system("cis") is CIS
