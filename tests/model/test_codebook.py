import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from alliance.model.codebook import (
    LABELS,
    MARKER_ORDER,
    MARKERS,
    RUPTURE_LABELS,
    Label,
    Marker,
    Role,
)

ROOT = Path(__file__).parents[2]
PRINTED = ROOT.parent / "shared" / "annotation" / "CODEBOOK.md"
SOURCES = [path for name in ("model", "training", "serve") for path in (ROOT / name).rglob("*.py")]
LABEL_STRING = re.compile(rf"(?:p_)?(?:{'|'.join(Label)})")


def printed_codes() -> Iterator[tuple[str, str]]:
    """The codes of the codebook's tables, each with the heading it stands under."""
    heading = ""
    for line in PRINTED.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        row = re.match(r"\| ([A-Z][A-Z0-9]) \|", line)
        if row:
            yield row[1], heading


@pytest.mark.skipif(not PRINTED.exists(), reason="the coders' codebook is not beside the checkout")
def test_every_printed_code_is_here_with_its_speakers() -> None:
    speakers = {
        "Withdrawal, client": {Role.CLIENT},
        "Confrontation, client": {Role.CLIENT},
        "Therapist": {Role.THERAPIST},
        "Alliance-positive, either speaker": {Role.CLIENT, Role.THERAPIST},
    }
    printed = dict(printed_codes())
    assert set(printed) == set(Marker) - {"N"}
    for code, heading in printed.items():
        assert Marker(code).entry.roles == speakers[heading], code


@pytest.mark.skipif(not PRINTED.exists(), reason="the coders' codebook is not beside the checkout")
def test_the_labels_have_the_printed_titles_and_letters() -> None:
    rows = re.findall(r"^\| ([\w -]+) \| ([PWCN]) \|", PRINTED.read_text(encoding="utf-8"), re.M)
    assert dict(rows) == {label.title: label.letter for label in Label}


def test_the_order_of_arrays_is_fixed() -> None:
    # Saved weights and calibrations depend on it.
    assert [label.letter for label in LABELS] == ["P", "W", "C", "N"]
    assert " ".join(MARKER_ORDER) == (
        "W1 W2 W3 W4 W5 W6 W7 WT C1 C2 C3 C4 C5 C6 C7 CT PB PT PG PR N"
    )
    assert [label.letter for label in RUPTURE_LABELS] == ["W", "C"]


@pytest.mark.parametrize("code", Marker)
def test_a_code_belongs_to_the_label_of_its_letter(code: Marker) -> None:
    assert code.label.letter == code.value[0]
    assert code.label.is_rupture == (code.value[0] in "WC")


@pytest.mark.parametrize("code", Marker)
def test_who_may_carry_a_code(code: Marker) -> None:
    therapist = code in {"WT", "CT"}
    client = code.label.is_rupture and not therapist
    assert code.may_be_said_by(Role.THERAPIST) == (not client)
    assert code.may_be_said_by(Role.CLIENT) == (not therapist)
    assert not code.may_be_said_by(Role.OTHER)


def test_every_code_is_described_once() -> None:
    assert set(MARKERS) == set(Marker)
    for entries in zip(*((e.name, e.definition) for e in MARKERS.values()), strict=True):
        assert len(set(entries)) == len(Marker)


def test_labels_are_told_apart_without_colour() -> None:
    for signs in zip(*((x.letter, x.symbol, x.title, x.definition) for x in Label), strict=True):
        assert len(set(signs)) == len(Label)


@pytest.mark.parametrize("kind", [Label, Marker, Role])
def test_an_unknown_value_is_answered_with_the_valid_ones(
    kind: type[Label] | type[Marker] | type[Role],
) -> None:
    with pytest.raises(ValueError, match=f"unknown {kind.__name__.lower()} 'nonsense'") as caught:
        kind("nonsense")
    listed = str(caught.value).partition("expected one of ")[2]
    assert listed.split(", ") == [member.value for member in kind]


def label_strings(source: str) -> list[str]:
    """String literals that are a label's value, or a label's column; names are not literals."""
    return [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and LABEL_STRING.fullmatch(node.value)
    ]


def test_label_strings_are_written_in_the_codebook_and_nowhere_else() -> None:
    written = {
        str(path.relative_to(ROOT)): found
        for path in SOURCES
        if (found := label_strings(path.read_text(encoding="utf-8")))
    }
    assert written.pop("model/codebook.py")
    written.pop("serve/report/strings.py", None)  # English words that a reader sees, not labels
    assert written == {}


def test_the_search_for_label_strings_sees_what_it_should() -> None:
    strings = 'row["p_withdrawal"] = {"neutral": f"confrontation{x}"}'
    assert sorted(label_strings(strings)) == ["confrontation", "neutral", "p_withdrawal"]
    assert label_strings('p.withdrawal = f(neutral=Label.NEUTRAL)  # "neutral"') == []
