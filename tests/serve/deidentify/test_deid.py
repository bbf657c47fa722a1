"""``alliance deid``: what is found, what stands in for it, and what is told of it."""

import csv
import datetime as dt
import io
import json
import os
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.session import Session, Turn
from alliance.serve.deidentify.dates import shift_date
from alliance.serve.deidentify.finding import find
from alliance.serve.deidentify.kinds import Finding, Kind
from alliance.serve.deidentify.names import is_name
from alliance.serve.deidentify.pseudonyms import Pseudonyms
from alliance.serve.deidentify.sessions import deidentify

Run = Callable[..., Any]


def _found(text: str, *names: str) -> list[tuple[str, str]]:
    found = find(text, names)
    return [(one.kind.value, one.text) for one in found if one.kind is not Kind.UNSURE]


def _left(text: str, *names: str) -> list[str]:
    return [one.text for one in find(text, names) if one.kind is Kind.UNSURE]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to ann.lee+x@mail.example.co.uk.", [("e-mail", "ann.lee+x@mail.example.co.uk")]),
        ("see https://example.org/a?b=1.", [("web address", "https://example.org/a?b=1")]),
        ("call 0151 496 0123 or +1 (212) 555-0199", [
            ("telephone", "0151 496 0123"), ("telephone", "+1 (212) 555-0199")]),
        ("it was 12 or 13 times, 100 200", []),
        ("on 2024-05-31, 31/05/2024, 5.6.24", [
            ("date", "2024-05-31"), ("date", "31/05/2024"), ("date", "5.6.24")]),
        ("May 3rd, 2021 and 4 June and the 5th of July", [
            ("date", "May 3rd, 2021"), ("date", "4 June"), ("date", "5th of July")]),
        ("we may 2 or 3 times", []),
        ("at 5:30 in May", []),
        ("he is 93 years old, she turned 88", [("age", "93")]),
        ("a 104-year-old man", [("age", "104")]),
        ("I live at SW1A 2AA.", [("postcode", "SW1A 2AA")]),
        ("my number is 123-45-6789 or 12345678", [
            ("number", "123-45-6789"), ("number", "12345678")]),
        ("Dr. Lee said so, and Mrs Anna Berg", [("name", "Lee"), ("name", "Anna Berg")]),
        ("my name is Carla. Carla, yes", [("name", "Carla"), ("name", "Carla")]),
        ("my brother Tom's car, and my mother. The car", [("name", "Tom")]),
        ("I told my sister, You are wrong", []),
        ("my boss I think is right", []),
        ("my friend José Álvarez and my cousin Łukasz", [
            ("name", "José Álvarez"), ("name", "Łukasz")]),
        ("your mother-in-law Fatima bint Abdullah, his ex-wife Mary-Jane O'Neill", [
            ("name", "Fatima bint Abdullah"), ("name", "Mary-Jane O'Neill")]),
        ("My doctor, Doctor Patel. The doctor is in, Doctor.", [("name", "Patel")]),
        ("my friends Ann and Bo", [("name", "Ann"), ("name", "Bo")]),
        ("I'm Dave. I'm Catholic, I'm Irish.", [("name", "Dave")]),
        ("Hello Kim. Hi there, good morning, Lou. So how are you, Pat?", [
            ("name", "Kim"), ("name", "Lou"), ("name", "Pat")]),
        ("my husband Will. Will you come? Will came. I hope Will will.", [
            ("name", "Will"), ("name", "Will"), ("name", "Will")]),
        ("my daughter May. In May I may. May I? May said so.", [("name", "May"), ("name", "May")]),
        ("my name is peter and i told peter, my name is not it", [
            ("name", "peter"), ("name", "peter")]),
        ("I live at 12 Baker Street or in Park Lane. The Court sat.", [
            ("address", "12 Baker Street"), ("address", "Park Lane")]),
        ("at 4 elm road", [("address", "4 elm road")]),
        ("at St. Mary's, or Leeds General Infirmary; on St Patrick's Day. My School", [
            ("place", "St. Mary's"), ("place", "Leeds General Infirmary")]),
        ("I work at Tesco, lived in Tel Aviv and was born in March", [
            ("place", "Tesco"), ("place", "Tel Aviv")]),
        ("07700 900123, +49 30 1234567, 030/12345678, 06 12 34 56 78", [
            ("telephone", "07700 900123"), ("telephone", "+49 30 1234567"),
            ("telephone", "030/12345678"), ("telephone", "06 12 34 56 78")]),
        ("from 2019-2020 to 2021 2022", []),
        ("4111 1111 1111 1111, DE89 3704 0044 0532 0130 00", [
            ("number", "4111 1111 1111 1111"), ("number", "DE89 3704 0044 0532 0130 00")]),
        ("twitter @anna_s, facebook.com/anna.s", [
            ("web address", "@anna_s"), ("web address", "facebook.com/anna.s")]),
        ("room 12, 10 mg, 50%, 9 out of 10, e.g. at 10:30", []),
    ],
)  # fmt: skip
def test_what_is_found(text: str, found: list[tuple[str, str]]) -> None:
    assert _found(text) == found


def test_known_names_are_whole_words_and_may_be_shouted() -> None:
    assert _found("Ann said ANN, Anne and ann did not", "Ann") == [("name", "Ann"), ("name", "ANN")]
    assert _found("Jean-Luc's house", "Jean-Luc") == [("name", "Jean-Luc")]


def test_names_in_small_letters_count_where_nothing_has_a_capital() -> None:
    assert _found("i told anna that will is here", "Anna", "Will") == [("name", "anna")]
    assert _found("I told anna", "Anna") == []


def test_what_is_left_for_a_person_to_judge() -> None:
    text = "We met Oliver in Manchester on the 3rd. Jane said No, but in May I can't."
    assert _left(text) == ["Oliver", "Manchester", "the 3rd", "Jane"]
    assert _left("We met Oliver", "Oliver") == []
    assert _left("and Mum Anna and Mum") == ["Anna"]


@pytest.mark.parametrize(
    ("speaker", "name"),
    [("Anna", True), ("Anna Lee", True), ("Mother", False), ("P2", False), ("SPEAKER_01", False),
     ("Group member 3", False), ("O'Brien", True), ("Al", False)],
)  # fmt: skip
def test_who_goes_by_a_name(speaker: str, name: bool) -> None:
    assert is_name(speaker) is name


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("2024-02-28", "2024-03-13"),
        ("28/02/2024", "13/03/2024"),
        ("3/4/24", "17/4/24"),
        ("31.12.2023", "14.01.2024"),
        ("May 31st, 2021", "June 14th, 2021"),
        ("Sept. 20, 2021", "Oct. 4, 2021"),
        ("1 May", "15 May"),
        ("20th of may", "3rd of june"),
        ("14 november.", "28 november."),
        ("20 May.", "3 June."),
        ("Apr. 20", "May 4"),
        ("Dec 25", "Jan 8"),
        ("30 February", None),
        ("45/45/2024", None),
        ("9999-12-31", None),
    ],
)
def test_dates_move_and_keep_their_form(text: str, moved: str | None) -> None:
    assert shift_date(text, 14, day_first=True) == moved


def test_numbers_of_a_date_may_begin_with_the_month() -> None:
    assert shift_date("3/4/2024", 7, day_first=False) == "3/11/2024"
    assert shift_date("31/4/2024", 7, day_first=False) is None  # there is no such day


@settings(max_examples=60, deadline=None)
@given(st.dates(dt.date(1971, 1, 1), dt.date(2069, 12, 31)), st.integers(-200, 200))
def test_a_date_moved_there_and_back(date: dt.date, days: int) -> None:
    for text in (date.isoformat(), f"{date:%d/%m/%Y}", f"{date:%B} {date.day}, {date.year}"):
        there = shift_date(text, days, day_first=True)
        assert there is not None
        assert shift_date(there, -days, day_first=True) == text


def test_the_same_person_has_the_same_name_throughout() -> None:
    made = Pseudonyms()
    anna = made.name("Anna")
    assert anna != "Anna"
    assert made.name("ANNA") == anna.upper()
    assert made.name("anna") == anna.lower()
    assert made.name("Anna Berg") == f"{anna} {made.name('Berg')}"
    assert made.name("Anna von Berg") == f"{anna} von {made.name('Berg')}"
    assert made.name("Zoë") == made.name("Zoe")
    taken = [made.name(f"Name{chr(97 + i % 26)}{chr(97 + i // 26)}") for i in range(100)]
    assert len(set(taken)) == 100


def test_nobody_gets_the_name_of_somebody_else_who_is_there() -> None:
    made = Pseudonyms()
    first = Pseudonyms().name("X")
    made.names[first.casefold()] = "Zed"  # somebody here is really called that
    assert made.name("Anna") != first


def test_shifts_are_whole_weeks_and_one_for_each_client() -> None:
    made = Pseudonyms()
    days = {client: made.days(client) for client in "abcdefgh"}
    assert all(day % 7 == 0 and abs(day) >= 14 for day in days.values())
    assert made.days("a") == days["a"]


SESSION = Session(
    "anna_berg_3",
    (
        Turn("therapist", "Hello Anna, it's 5 March 2024."),
        Turn("client", "My sister Julia called. JULIA! On 2024-03-01."),
        Turn("Tom Berg", "Mail me: tom@example.org."),
        Turn("Mother", "Julia's fine. Mother's here.", utterance_id="julia-1"),
    ),
    client_id="c77",
    date=dt.date(2024, 3, 5),
)


def test_a_session() -> None:
    made = Pseudonyms()
    result = deidentify(SESSION, made, names=["Anna Berg"])
    session = result.session
    anna, berg, julia, tom = (made.name(name) for name in ("Anna", "Berg", "Julia", "Tom"))
    days = dt.timedelta(days=made.days("c77"))
    assert session.id == f"{anna}_{berg}_3"
    assert session.date == dt.date(2024, 3, 5) + days
    assert session.client_id == "client-1"
    texts = [turn.text for turn in session.turns]
    assert texts[0].startswith(f"Hello {anna}, it's ")
    moved = (dt.date(2024, 3, 1) + days).isoformat()
    assert texts[1] == f"My sister {julia} called. {julia.upper()}! On {moved}."
    assert texts[2] == "Mail me: EMAIL-1."
    assert texts[3] == f"{julia}'s fine. Mother's here."
    assert session.turns[2].speaker == f"{tom} {berg}"
    assert session.turns[3].speaker == "Mother"
    assert session.turns[3].utterance_id == f"{julia}-1"
    everything = json.dumps(session.to_dict())
    assert not re.search("anna|berg|julia|tom@", everything, re.IGNORECASE)
    kinds = [one.kind for one in result.replacements]
    assert kinds.count(Kind.NAME) == 4
    assert kinds.count(Kind.DATE) == 2


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.lists(st.text(min_size=1, max_size=8), max_size=3))
def test_any_text_survives(text: str, names: list[str]) -> None:
    found = find(text, names)
    assert all(text[one.start : one.end] == one.text for one in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    turn = Turn("client", text)
    (made,) = deidentify(Session("s", (turn,)), Pseudonyms(), names=names).session.turns
    if not found:
        assert made.text == text


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    path = tmp_path / "anna.txt"
    path.write_text(
        "Dr. Lee: Hello Anna.\nAnna: I met Bo on 3 March 2021, =Anna.\n", encoding="utf-8"
    )
    return path


def test_as_a_command(transcript: Path, tmp_path: Path, alliance: Run) -> None:
    out, review, mapping = (tmp_path / name for name in ("out.jsonl", "review.csv", "map.json"))
    words = ("deid", transcript, "-o", out, "--review", review, "--mapping", mapping)
    names = tmp_path / "names.txt"
    names.write_text("Bo\n\n", encoding="utf-8")
    result = alliance(*words, "--role", "Anna=client", "--names", names)
    assert result.exit_code == 0, result.output
    session = json.loads(out.read_text(encoding="utf-8"))
    pseudonym = json.loads(mapping.read_text(encoding="utf-8"))["names"]["anna"]
    assert session["id"] == pseudonym
    assert session["turns"][0]["text"] == f"Hello {pseudonym}."
    assert "Anna" not in out.read_text(encoding="utf-8") + result.stderr
    assert "1 session, 2 turns; replaced in 2 turns: name 3, date 1\n" in result.stderr
    assert "read the result before you share it" in " ".join(result.stderr.split())
    rows = list(csv.DictReader(io.StringIO(review.read_text(encoding="utf-8"))))
    assert [(row["kind"], row["found"]) for row in rows] == [
        ("name", "Anna"), ("name", "Bo"), ("date", "3 March 2021"), ("name", "Anna"),
    ]  # fmt: skip
    if os.name == "posix":
        assert mapping.stat().st_mode & 0o077 == 0
    before = out.read_bytes()
    again = alliance(*words, "--role", "Anna=client", "--names", names)
    assert again.exit_code == 0
    assert out.read_bytes() == before  # the pseudonyms are those of the first run


def test_what_was_left_is_counted_and_listed(transcript: Path, alliance: Run) -> None:
    transcript.write_text("Dr. Lee: Hello.\nC: I met Jo in Rome. José came.\n", encoding="utf-8")
    out, review = (transcript.parent / name for name in ("o.csv", "r.csv"))
    names = ("--name", "José")
    result = alliance("deid", transcript, "-o", out, "--review", review, *names)
    assert "name 1; left for you to judge: 2" in result.stderr
    rows = list(csv.DictReader(io.StringIO(review.read_text(encoding="utf-8"))))
    assert [(row["kind"], row["found"], row["replaced_by"] == "") for row in rows] == [
        ("to judge", "Jo", True), ("to judge", "Rome", True), ("name", "José", False),
    ]  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_what_is_written_can_be_read_again(
    transcript: Path, tmp_path: Path, alliance: Run, ending: str
) -> None:
    with transcript.open("a", encoding="utf-8") as stream:
        stream.write("Tom: He is late.\nTom: Again.\n")
    out = tmp_path / f"out.{ending}"
    roles = ("--role", "Anna=client", "--role", "Tom=other")
    assert alliance("deid", transcript, "-o", out, "-q", *roles).exit_code == 0
    result = alliance("label", out)
    assert result.exit_code == 0, result.stderr
    assert len(result.stdout.splitlines()) == 5


def test_every_capital_may_be_taken_for_a_name(transcript: Path, alliance: Run) -> None:
    transcript.write_text(
        "T: So Denise left?\nC: Denise did, on Tuesdays, on the 3rd. In May I saw Lidl.\n",
        encoding="utf-8",
    )
    out = transcript.parent / "o.csv"
    result = alliance("deid", transcript, "-o", out, "--capitals")
    assert "name 3; left for you to judge: 1" in result.stderr
    text = out.read_text(encoding="utf-8")
    assert "Denise" not in text
    assert "Lidl" not in text
    assert "did, on Tuesdays, on the 3rd. In May I saw" in text


def test_a_bad_file_costs_only_itself(transcript: Path, tmp_path: Path, alliance: Run) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{", encoding="utf-8")
    out = tmp_path / "out.jsonl"
    result = alliance("deid", bad, transcript, "-o", out, "--role", "Anna=client")
    assert result.exit_code == 1
    assert "bad.json:1: expected JSON" in result.stderr
    assert len(out.read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mapping", "{}/anna.txt"], "expected the pseudonyms of an earlier run"),
        (["--names", "{}/none.txt"], "expected a text file .* with a name a line, found none"),
        (["--presidio"], "extra"),
    ],
)
def test_what_cannot_be_used(
    transcript: Path,
    options: list[str],
    message: str,
    alliance: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    words = [word.format(transcript.parent) for word in options]
    out = transcript.parent / "o.csv"
    result = alliance("deid", transcript, "-o", out, "--role", "Anna=client", *words)
    assert result.exit_code in (1, 2)
    assert re.search(message, " ".join(result.stderr.split()))
    assert not out.exists()


def test_presidio_is_one_more_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    class Engine:
        def analyze(self, *, text: str, language: str, entities: list[str]) -> list[Any]:
            assert language == "en"
            assert "PERSON" in entities
            start = text.index("Oakfield")
            found = ModuleType("found")
            found.start, found.end, found.entity_type = start, start + 8, "LOCATION"  # type: ignore[attr-defined]
            return [found]

    presidio, spacy = ModuleType("presidio_analyzer"), ModuleType("spacy")
    presidio.AnalyzerEngine = Engine  # type: ignore[attr-defined]
    util = ModuleType("spacy.util")
    util.is_package = lambda name: True  # type: ignore[attr-defined]
    spacy.util = util  # type: ignore[attr-defined]
    for module in (presidio, spacy, util):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    from alliance.serve.deidentify.presidio import presidio_finder

    (one,) = find("It is in Oakfield", more=[presidio_finder()])
    assert one == Finding(9, 17, Kind.PLACE, "presidio: location", "Oakfield")
    util.is_package = lambda name: False  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="expected spaCy's model"):
        presidio_finder()
