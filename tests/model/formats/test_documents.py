import io
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import docx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alliance.model.errors import TranscriptError, UnknownSpeakerError
from alliance.model.formats import read_session
from alliance.model.session import Session

Said = Callable[..., list[tuple[str, str]]]
Read = Callable[..., list[Session]]

T, C = "therapist", "client"
PAIR = [(T, "How are you?"), (C, "Fine, really.")]
EXAMPLE = Path(__file__).parents[2] / "data" / "formats" / "session.docx"

WORDS = st.text(alphabet=st.sampled_from("abc XYZ<>&.,'é😀\t\n"), min_size=1, max_size=30).filter(
    lambda text: any(c.isalpha() for c in text)
)


def saved(document: "docx.document.Document") -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def with_table(
    *rows: Sequence[str], before: Sequence[str] = (), after: Sequence[str] = ()
) -> bytes:
    document = docx.Document()
    for text in before:
        document.add_paragraph(text)
    table = document.add_table(rows=0, cols=len(rows[0]))
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    for text in after:
        document.add_paragraph(text)
    return saved(document)


def test_a_document_that_word_users_have() -> None:
    session = read_session(EXAMPLE)
    assert session.id == "session"
    assert [(t.speaker, t.text, t.start_ms) for t in session.turns] == [
        (T, "How was the week?", 5_000),
        (C, "It was fine, really. I did not do the diary.", 9_000),
        (T, "You did not do it.", 21_000),
        (C, "No.", None),
        (T, "What got in the way?", None),
    ]


def test_paragraphs(said: Said) -> None:
    document = docx.Document()
    document.add_heading("Session 12", 0)
    for text in ("Date: 3 May", "Therapist: Dr. Lee", "", "T: How are you?", "C: Fine,", "really."):
        document.add_paragraph(text)
    document.add_heading("Second half", 1)
    document.add_paragraph("T:\tWell.\nC: Yes.")
    assert said("a.docx", saved(document)) == [*PAIR, (T, "Well."), (C, "Yes.")]


@pytest.mark.parametrize("sign", ["\n", "\n\n"])
def test_what_teams_saves(read: Read, sign: str) -> None:
    document = docx.Document()
    for time, name, text in (
        ("0:0:5.120 --> 0:0:8.300", "Dr. Lee", "How are you?"),
        ("0:0:8.900 --> 0:0:9.400", "Anna Berg", "Fine,\nreally."),
        ("0:0:9.900 --> 0:0:10.400", "Dr. Lee", "Good."),
    ):
        for line in f"{time}{sign}{name}{sign}{text}".split("\n\n"):
            document.add_paragraph(line)
    (session,) = read("a.docx", saved(document), roles={"Anna Berg": "client"})
    assert [(t.speaker, t.text, t.start_ms, t.end_ms) for t in session.turns] == [
        (T, "How are you?", 5_120, 8_300),
        (C, "Fine, really.", 8_900, 9_400),
        (T, "Good.", 9_900, 10_400),
    ]
    with pytest.raises(UnknownSpeakerError, match=r"a\.docx, paragraph \d: .* 'Anna Berg'"):
        read("a.docx", saved(document))


def test_line_numbers_in_the_margin(said: Said) -> None:
    document = docx.Document()
    for number, text in enumerate(
        ["T: How are you?", "C: Fine,", "really.", "T: Well.", "C: Yes."]
    ):
        document.add_paragraph(f"{number + 1}  {text}")
    assert said("a.docx", saved(document)) == [*PAIR, (T, "Well."), (C, "Yes.")]


def test_headers_and_footers_are_not_read(said: Said) -> None:
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "T: a header"
    document.sections[0].footer.paragraphs[0].text = "Page 1"
    document.add_paragraph("T: How are you?")
    document.add_paragraph("C: Fine, really.")
    document.add_comment(document.paragraphs[0].runs, "C: a comment", author="X")
    assert said("a.docx", saved(document)) == PAIR


@pytest.mark.parametrize(
    "rows",
    [
        [["T", "How are you?"], ["C", "Fine, really."], ["T", "Well."]],
        [["T:", "How are you?"], ["C:", "Fine,\nreally."], ["T:", "Well."]],
        [["1", "T", "How are you?"], ["2", "C", "Fine, really."], ["3", "T", "Well."]],
        [["Speaker", "Text"], ["T", "How are you?"], ["C", "Fine, really."], ["T", "Well."]],
        [["Text", "Speaker"], ["How are you?", "T"], ["Fine, really.", "C"], ["Well.", "T"]],
        [["T", "How are you?", "x" * 9], ["C", "Fine, really.", ""], ["T", "Well.", "agrees"]],
        [["", "T: How are you?"], ["", "C: Fine, really."], ["", "T: Well."]],
        [["T", "How are you?"], ["C", "Fine,"], ["", "really."], ["", ""], ["T", "Well."]],
        [["Name", "Talk"], ["T", "How are you?"], ["C", "Fine, really."], ["T", "Well."]],
    ],
)
def test_tables(said: Said, rows: list[list[str]]) -> None:
    assert said("a.docx", with_table(*rows)) == [*PAIR, (T, "Well.")]


@pytest.mark.parametrize(
    "rows",
    [
        [["0:05", "T", "Hello."], ["[00:01:10.5]", "C", "Hi."], ["1:20", "T", "So."]],
        [["Time", "Speaker", "Text"], ["0:05", "T", "Hello."], ["1:10.5", "C", "Hi."],
         ["1:20", "T", "So."]],
        [["T 0:05", "Hello."], ["C 1:10.5", "Hi."], ["T 1:20", "So."]],
        [["0:05", "T: Hello."], ["1:10.5", "C: Hi."], ["1:20", "T: So."]],
        [["Zeit", "Wer", "Was"], ["0:05", "T", "Hello."], ["1:10.5", "C", "Hi."],
         ["1:20", "T", "So."]],
    ],
)  # fmt: skip
def test_times_in_tables(read: Read, rows: list[list[str]]) -> None:
    (session,) = read("a.docx", with_table(*rows))
    assert [(turn.text, turn.start_ms) for turn in session.turns] == [
        ("Hello.", 5_000),
        ("Hi.", 70_500),
        ("So.", 80_000),
    ]


def test_spans_in_tables(read: Read) -> None:
    content = with_table(["Time", "Speaker", "Text"], ["[0:05 - 0:09]", "T", "Hello."])
    (turn,) = read("a.docx", content)[0].turns
    assert (turn.start_ms, turn.end_ms) == (5_000, 9_000)
    content = with_table(["Start", "End", "Speaker", "Text"], ["0:09", "0:05", "T", "Hello."])
    with pytest.raises(TranscriptError, match="row 2 of table 1: expected a turn to end after"):
        read("a.docx", content)


def test_names_that_are_asked_for(said: Said, read: Read) -> None:
    rows = [["Zeit", "Sprecher", "Inhalt"], ["0:01", "Ana", "Hallo."], ["0:02", "Ben", "Ja."],
            ["0:04", "Ana", "Gut."]]  # fmt: skip
    content = with_table(*rows)
    with pytest.raises(UnknownSpeakerError, match=r"^a\.docx, row 2 of table 1: .*'Ana', 'Ben';"):
        read("a.docx", content)
    roles = {"Ana": "therapist", "Ben": "client"}
    expected = [(T, "Hallo."), (C, "Ja."), (T, "Gut.")]
    assert said("a.docx", content, roles=roles) == expected
    columns = {"speaker": "Sprecher", "text": "Inhalt"}
    assert said("a.docx", content, roles=roles, columns=columns) == expected


def test_paragraphs_and_tables_together(said: Said) -> None:
    rows = [["T", "How are you?"], ["C", "Fine, really."], ["T", "Well."]]
    table = [*PAIR, (T, "Well.")]
    talk = with_table(*rows, before=["T: One.", "C: Two.", "T: Three."], after=["C: End."])
    found = [(T, "One."), (C, "Two."), (T, "Three."), *table, (C, "End.")]
    assert said("a.docx", talk) == found
    head = with_table(*rows, before=["Therapist: Dr. Lee", "Client: Ana"])
    assert said("a.docx", head) == table
    legend = with_table(["T", "therapist"], ["C", "client"], after=["T: One.", "C: Two.", "T: 3."])
    assert said("a.docx", legend) == [(T, "One."), (C, "Two."), (T, "3.")]
    codes = with_table(["Code", "Meaning"], ["(.)", "a pause"], after=["T: One.", "C: Two."])
    assert said("a.docx", codes) == [(T, "One."), (C, "Two.")]


def test_merged_cells(said: Said, ooxml: ModuleType) -> None:
    p = ooxml.paragraph
    merged = "<w:tc><w:tcPr><w:vMerge/></w:tcPr>" + p("T") + "</w:tc>"
    first = '<w:tc><w:tcPr><w:vMerge w:val="restart"/></w:tcPr>' + p("T") + "</w:tc>"
    wide = '<w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr>' + p("Part two") + "</w:tc>"
    body = ooxml.table([first, "How are"], [merged, "you?"], [wide], ["C", "Fine, really."],
                       ["T", "Well."])  # fmt: skip
    assert said("a.docx", ooxml.docx(body)) == [*PAIR, (T, "Well.")]


def test_a_table_for_a_frame_and_one_cut_by_pages(said: Said, ooxml: ModuleType) -> None:
    rows = [["T", "How are you?"], ["C", "Fine, really."], ["T", "Well."]]
    frame = f"<w:tc>{ooxml.table(*rows)}{ooxml.paragraph('C: Yes.')}</w:tc>"
    assert said("a.docx", ooxml.docx(ooxml.table([frame]))) == [*PAIR, (T, "Well."), (C, "Yes.")]
    header = ["Name of who speaks", "Speaker", "Text"]
    body = ooxml.table(header, ["a", "T", "How are you?"]) + ooxml.table(
        ["b", "C", "Fine, really."]
    )
    assert said("a.docx", ooxml.docx(body)) == PAIR


def test_tracked_changes_count_as_accepted(said: Said, ooxml: ModuleType) -> None:
    run = ooxml.run_of
    deleted = '<w:r><w:delText xml:space="preserve">not </w:delText></w:r>'
    body = ooxml.paragraph(
        "T: How are ", f"<w:del>{deleted}</w:del>", f"<w:ins>{run('you?')}</w:ins>"
    )
    # The end of this paragraph was deleted: the next one goes on with it.
    body += ooxml.paragraph("C: Fine, ", properties="<w:rPr><w:del/></w:rPr>")
    body += ooxml.paragraph(
        f"<w:moveFrom>{run('gone')}</w:moveFrom>", f"<w:moveTo>{run('really.')}</w:moveTo>"
    )
    row = "<w:tr><w:trPr><w:del/></w:trPr>" + f"<w:tc>{ooxml.paragraph('T')}</w:tc>" * 2 + "</w:tr>"
    body += f"<w:tbl>{row}</w:tbl>"
    assert said("a.docx", ooxml.docx(body)) == PAIR


def test_hidden_text_is_left_out(said: Said, ooxml: ModuleType) -> None:
    run = ooxml.run_of
    styles = (
        '<w:style w:styleId="Note"><w:name w:val="Note"/><w:rPr><w:vanish/></w:rPr></w:style>'
        '<w:style w:styleId="Sub"><w:name w:val="Sub"/><w:basedOn w:val="Note"/></w:style>'
        '<w:style w:styleId="Out"><w:basedOn w:val="Sub"/>'
        '<w:rPr><w:vanish w:val="0"/></w:rPr></w:style>'
    )
    body = ooxml.paragraph(
        "T: How ",
        run("(smiles)", "<w:vanish/>"),
        run("are ", '<w:vanish w:val="false"/>'),
        run("x", '<w:rStyle w:val="Sub"/>'),
        run("you?", '<w:rStyle w:val="Out"/>'),
    )
    body += ooxml.paragraph("C: a whole paragraph", properties='<w:pStyle w:val="Sub"/>')
    body += ooxml.paragraph("C: Fine, really.")
    assert said("a.docx", ooxml.docx(body, styles=styles)) == PAIR


def test_what_stands_around_runs(said: Said, ooxml: ModuleType) -> None:
    run = ooxml.run_of
    text_box = (
        "<w:r><w:drawing><w:txbxContent>"
        + ooxml.paragraph("C: box")
        + "</w:txbxContent></w:drawing></w:r>"
    )
    note = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    field = "<w:r><w:instrText>PAGE</w:instrText></w:r>"
    body = "<w:sdt><w:sdtPr/><w:sdtContent>" + ooxml.paragraph(
        "T:", "<w:r><w:tab/></w:r>", f"<w:hyperlink>{run('How')}</w:hyperlink>", text_box, note,
        f"<w:sdt><w:sdtContent>{run(' are')}</w:sdtContent></w:sdt>", field, run(" you?"),
    ) + "</w:sdtContent></w:sdt>"  # fmt: skip
    body += ooxml.paragraph("C: Fine,", "<w:r><w:br/></w:r>", "really.")
    assert said("a.docx", ooxml.docx(body)) == PAIR


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WORDS, min_size=3, max_size=8), st.booleans())
def test_talk_is_read_as_python_docx_writes_it(talk: list[str], in_table: bool) -> None:
    rows = [[f"{'TC'[n % 2]}", text] for n, text in enumerate(talk)]
    if in_table:
        content = with_table(["Speaker", "Text"], *rows)
    else:
        document = docx.Document()
        for speaker, text in rows:
            document.add_paragraph(f"{speaker}: {text}")
        content = saved(document)
    session = read_session(io.BytesIO(content), name="a.docx")
    # Spaces at the edges are layout, and so is where a line breaks.
    expected = [
        " ".join(line.strip() for line in text.split("\n") if line.strip()) for text in talk
    ]
    assert [turn.text for turn in session.turns] == expected


def test_the_strict_kind_and_other_names_of_parts(said: Said, ooxml: ModuleType) -> None:
    parts = {
        "_rels/.rels": ooxml.relations(officeDocument="/Word/Doc2.xml").replace(
            ooxml.R, "http://purl.oclc.org/ooxml/officeDocument/relationships"
        ),
        "word/doc2.xml": '<document xmlns="http://purl.oclc.org/ooxml/wordprocessingml/main">'
        "<body><p><r><t>T: How are you?</t></r></p><p><r><t>C: Fine, really.</t></r></p></body>"
        "</document>",
    }
    assert said("a.docx", ooxml.zipped(parts)) == PAIR


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "found an empty document; put the speaker and a colon"),
        ("<w:p><w:r><w:t>only talk</w:t></w:r></w:p>", "found none; put the speaker and a colon"),
        ("<w:tbl><w:tr><w:tc/></w:tr></w:tbl>", "found none|found an empty document"),
        ("<w:p><w:r><w:t>T: a</w:t></w:r></w:p><w:p><w:r><w:t>X: b</w:t></w:r></w:p>"
         "<w:p><w:r><w:t>X: c</w:t></w:r></w:p>", r"a\.docx, paragraph 2: .*found 'X'"),
    ],
)  # fmt: skip
def test_documents_without_what_is_needed(
    read: Read, ooxml: ModuleType, body: str, message: str
) -> None:
    with pytest.raises(TranscriptError, match=message):
        read("a.docx", ooxml.docx(body))


def test_columns_without_end_are_not_kept(read: Read, ooxml: ModuleType) -> None:
    body = f"<w:tbl><w:tr>{'<w:tc/>' * 5_000}</w:tr></w:tbl>"
    with pytest.raises(TranscriptError, match="found none"):
        read("a.docx", ooxml.docx(body))
