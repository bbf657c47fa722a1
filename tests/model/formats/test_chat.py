import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pylangacq
import pytest

from alliance.model.errors import TranscriptError, UnknownSpeakerError
from alliance.model.formats import read_session
from alliance.model.formats.chat_text import readable
from alliance.model.session import Session
from alliance.model.text import has_words

Said = Callable[..., list[tuple[str, str]]]
Read = Callable[..., list[Session]]

T, C = "therapist", "client"
FIXTURE = Path(__file__).parents[2] / "data" / "annotations" / "session.cha"
HEAD = "@UTF8\n@Begin\n@Participants:\tCLI Client, THE Therapist\n"


def test_a_file_of_talkbanks() -> None:
    session = read_session(FIXTURE, roles={"INV": "other"})
    assert (session.id, session.date) == ("session", dt.date(2024, 5, 3))
    assert [(turn.speaker, turn.text, turn.start_ms, turn.end_ms) for turn in session.turns] == [
        (T, "how was your week?", 0, 1500),
        (C, "I was I was um (.) fine, because xxx [laughs].", 1450, 2900),
        (T, "gonna tell me more...", 3000, 4250),
        ("INV", "[coughs].", 5000, 5100),
        (C, "", None, None),
    ]


def test_pylangacq_finds_the_same_speakers_times_and_words() -> None:
    """It drops retraced words, ``xxx`` and replaced forms; what it keeps must be in ours."""
    theirs = pylangacq.read_chat(str(FIXTURE), strict=False).utterances()
    mains = [each for each in theirs if each.participant is not None]
    turns = read_session(FIXTURE, roles={"INV": "other"}).turns
    roles = {"THE": T, "CLI": C, "INV": "INV"}
    assert [roles[each.participant] for each in mains] == [turn.speaker for turn in turns]
    for each, turn in zip(mains, turns, strict=True):
        if each.time_marks is not None and "INV" not in each.participant:
            assert each.time_marks == (turn.start_ms, turn.end_ms)
        words = {token.word for token in each.tokens or () if token.word.isalpha()}
        assert words - {"going", "to"} <= set(turn.text.replace("?", " ").split()) | {
            word.strip(".,") for word in turn.text.split()
        }


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("hello .", "hello."),
        ("hello , you !", "hello, you!"),
        ("<I want> [/] I want <to go> [//] to stay [///] now [/-] so [/?] .",
         "I want I want to go to stay now so."),
        ("&-um well &-uh &um &~gaga", "um well uh um gaga"),
        ("&+fr friends", "fr- friends"),
        ("(be)cause goin(g) don(t)", "because going dont"),
        ("he gonna [: going to] go [:: went] .", "he gonna go."),
        ("the form [= a paper] [% looks] [* m:+ed] [+ exc] [=? farm] [?] .", "the form."),
        ("xxx yyy www .", "xxx yyy www."),
        ("well [=! laughs] .", "well [laughs]."),
        ("0 [=! cries loudly] .", "[cries loudly]."),
        ("0is he 0the there ?", "he there?"),
        ("&=laughs yes &=imit:baby &{l=coughs no &}l=coughs .",
         "[laughs] yes [imit baby] [coughs] no."),
        ("and then &*THE:mhm I left .", "and then [THE: mhm] I left."),
        ("(.) so (..) well (...) (1.5) (0:02.3)", "(.) so (..) well (...) (1.5) (0:02.3)"),
        ("I was +...", "I was..."),
        ("was it +..?", "was it...?"),
        ("but I +/.", "but I-"),
        ("no I +//.", "no I-"),
        ("what +/?", "what-?"),
        ("you did +!?", "you did!?"),
        ('she said +"/.', "she said."),
        ('+" come here .', "come here."),
        ("+^ yes . ", "yes."),
        ("+, and so on .", "and so on."),
        ("+< mhm .", "mhm."),
        ("no: wa:::it rhi^noceros at 10:30", "no wait rhinoceros at 10:30"),
        ("hola@s:spa b@l hmm@i bɪdɪ@u", "hola b hmm bɪdɪ"),
        ("New_York ice+cream a_b", "New York ice cream a b"),
        ("<no> [>] yes [<1] ⌈ok⌉ ↑well [!] really [!!] [x 3] [- spa] [^c]",
         "no yes ok well really"),
        ("yes ‡ Bob „ right ?", "yes, Bob, right?"),
        ("[inaudible] that's [sic] it", "[inaudible] that's [sic] it"),
        ("0 .", ""),
        (".", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_shown(line: str, shown: str) -> None:
    assert readable(line) == shown


def test_notes_hold_no_words() -> None:
    assert has_words(readable("<I want> [/] I want"))
    for line in ("0 [=! cries] .", "xxx .", "&=laughs .", "(.) 0 ."):
        assert not has_words(readable(line)), line


def test_roles_from_the_headers(said: Said, read: Read) -> None:
    talk = "*THE:\tyes .\n*CLI:\tno .\n*PAT:\tso .\n"
    head = "@Participants:\tTHE Therapist, CLI Anna Client, PAT Patient\n"
    assert said("a.cha", head + talk) == [(T, "yes."), (C, "no."), (C, "so.")]
    ids = "".join(
        f"@ID:\teng|x|{code}|||||{role}|||\n"
        for code, role in (("THE", "Therapist"), ("CLI", "Client"), ("PAT", "Patient"))
    )
    assert said("a.cha", ids + talk) == [(T, "yes."), (C, "no."), (C, "so.")]
    # The caller's word for the code comes first, and for the role it reaches all who have it.
    assert said("a.cha", head + talk, roles={"CLI": "other"})[1] == ("CLI", "no.")
    investigator = "@Participants:\tINV Kate Investigator, CHI Target_Child\n*INV:\thi .\n"
    assert said("a.cha", investigator, roles={"Investigator": T}) == [(T, "hi.")]
    with pytest.raises(UnknownSpeakerError, match=r"a\.cha:2: .*--role 'INV=therapist"):
        read("a.cha", investigator)
    with pytest.raises(UnknownSpeakerError, match=r"a\.cha:1: .*found 'THE', 'CLI' "):
        read("a.cha", talk)


def test_a_code_speaks_for_itself_where_the_role_says_nothing(said: Said) -> None:
    head = "@Participants:\tT Participant, C Participant\n"
    assert said("a.cha", head + "*T:\thi .\n*C:\tyes .\n") == [(T, "hi."), (C, "yes.")]


def test_lines_that_go_on_and_several_bullets(read: Read) -> None:
    content = (
        f"\ufeff{HEAD}*CLI:\tone \x151_2\x15\n\ttwo\n   three . \x153_40\x15\n\n"
        "%com:\tnot\n\tthis\n@G:\tnor\n\tthis\n*the: •5_6-• four .\n@End\n"
    ).replace("\n", "\r\n")
    (session,) = read("a.cha", content, roles={"the": T})
    assert [(turn.text, turn.start_ms, turn.end_ms) for turn in session.turns] == [
        ("one two three.", 1, 40),
        ("four.", 5, 6),
    ]


@pytest.mark.parametrize("date", ["", "31-FEB-2024", "2024-05-03", "03-XYZ-2024"])
def test_dates_that_are_none(read: Read, date: str) -> None:
    assert read("a.cha", f"{HEAD}@Date:\t{date}\n*CLI:\thi .\n")[0].date is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEAD, r"a\.cha: expected main lines such as '\*CLI:'"),
        (f"{HEAD}*CLI:\thi .\nwhisper\n", r"a\.cha:5: expected a CHAT line"),
        (f"{HEAD}*CLI whisper\n", r"a\.cha:4: expected a speaker's code and a colon"),
        (f"{HEAD}*CLI:\twhisper . \x159_5\x15\n", r"a\.cha:4: expected an utterance to end after"),
        (f"{HEAD}*CLI:\t{'x' * 11_000_000}", r"a\.cha:4: expected an utterance of at most"),
        (f"{HEAD}*CLI:" + "\twhisper\n" * 1_600_000, r"a\.cha:4: expected an utterance of at most"),
    ],
)
def test_files_that_are_wrong(read: Read, content: str, message: str) -> None:
    with pytest.raises(TranscriptError, match=message) as error:
        read("a.cha", content)
    assert "whisper" not in str(error.value)


@pytest.mark.parametrize(
    "piece", ["[= ", "&=", "&*A:x", "+", " ", "a(b", "\x15", "a_", "a@s:", ":", "1_", "<", "0", "["]
)
def test_marks_without_end_take_linear_time(piece: str) -> None:
    # Quadratic time would be felt: tens of thousands of millions of steps.
    readable("a" + piece * (200_000 // len(piece)))
