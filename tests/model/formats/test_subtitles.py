from collections.abc import Callable

import pytest

from alliance.model.errors import TranscriptError, UnknownSpeakerError
from alliance.model.session import Session

Said = Callable[..., list[tuple[str, str]]]
Read = Callable[..., list[Session]]

T, C = "therapist", "client"


def vtt(*payloads: str) -> str:
    """A file of one-second cues."""
    cues = (f"00:{n:02d}.000 --> 00:{n:02d}.900\n{text}\n" for n, text in enumerate(payloads))
    return "WEBVTT\n\n" + "\n".join(cues)


def test_teams(read: Read) -> None:
    content = (
        "\ufeffWEBVTT\r\n\r\n"
        "f0c2a1e4-12/7-0\r\n00:00:03.758 --> 00:00:05.386\r\n<v Dr. Lee>Come on</v>\r\n\r\n"
        "f0c2a1e4-12/7-1\r\n00:00:05.386 --> 00:00:07.000\r\n<v Dr. Lee>in.</v>\r\n\r\n"
        "f0c2a1e4-12/9-0\r\n00:00:08.000 --> 00:00:09.000\r\n<v Client>Hello\r\nthere.</v>\r\n"
    )
    (session,) = read("call.vtt", content)
    assert session.id == "call"
    assert [(turn.speaker, turn.text, turn.start_ms, turn.end_ms) for turn in session.turns] == [
        (T, "Come on in.", 3758, 7000),
        (C, "Hello there.", 8000, 9000),
    ]


def test_zoom(said: Said) -> None:
    content = (
        "WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.000\nAna Ruiz, PhD: Hello.\n\n"
        "2\n00:00:02.000 --> 00:00:03.000\nHow was it?\n\n"
        "3\n00:00:03.000 --> 00:00:04.000\nBen: Fine: really.\nAna Ruiz, PhD: I see.\n"
    )
    roles = {"Ana Ruiz, PhD": "therapist", "Ben": "client"}
    assert said("a.vtt", content, roles=roles) == [
        (T, "Hello. How was it?"),
        (C, "Fine: really."),
        (T, "I see."),
    ]
    with pytest.raises(UnknownSpeakerError) as error:
        said("a.vtt", content)
    assert error.value.speakers == ("Ana Ruiz, PhD", "Ben")


@pytest.mark.parametrize(
    ("payload", "turns"),
    [
        ("<v T>Hello.</v><v C>Hi.</v>", [(T, "Hello."), (C, "Hi.")]),
        ("<v T>Hello.</v>\n<v C>Hi.</v>", [(T, "Hello."), (C, "Hi.")]),
        ("<v T>Hello. <v C>Hi.", [(T, "Hello."), (C, "Hi.")]),
        ("<v T>Hello.", [(T, "Hello.")]),
        ("<v.loud.first T>Hello.</v>", [(T, "Hello.")]),
        ("<v.loud\tT>Hello.</v>", [(T, "Hello.")]),
        ("<V T>Hello.</V>", [(T, "Hello.")]),
        ("- <v T>Hello.</v>\n- <v C>Hi.</v>", [(T, "Hello."), (C, "Hi.")]),
        ("<v T>Hello.</v> Well.", [(T, "Hello. Well.")]),
        ("<v T>One</v><v T>two</v>", [(T, "One two")]),
        ("<v T>Note: C: is a vitamin</v>", [(T, "Note: C: is a vitamin")]),
        ("<v T><i>He</i>l<c.red>lo</c>. <00:00:00.500><b>Yes</b></v>", [(T, "Hello. Yes")]),
        ("<v T>{\\an8}<font color='red'>Hello.</font></v>", [(T, "Hello.")]),
        (
            "<v T>me &amp; you &lt;3 &#39;so&#x27; &amp;lt; R&D &copy that;</v>",
            [(T, "me & you <3 'so' &lt; R&D &copy that;")],
        ),
        ("<v T>&lt;v C&gt;I typed this&lt;/v&gt;", [(T, "<v C>I typed this</v>")]),
        ("<v T>[inaudible] <laughs> 1 < 2 > 0</v>", [(T, "[inaudible] <laughs> 1 < 2 > 0")]),
        ("<v T></v>", [(T, "")]),
        ("<v Dr. Smith &amp; son>Hello.</v>", [(T, "Hello.")]),
        ("T: Hello.", [(T, "Hello.")]),
        ("<i>T: Hello.</i>", [(T, "Hello.")]),
        ("[T]: Hello.", [(T, "Hello.")]),
    ],
)
def test_payloads(said: Said, payload: str, turns: list[tuple[str, str]]) -> None:
    assert said("a.vtt", vtt(payload)) == turns
    assert said("a.srt", vtt(payload).replace(".", ",", 2).replace("WEBVTT", "1")) == turns


def test_neighbours_merge_and_others_do_not(read: Read) -> None:
    (session,) = read(
        "a.vtt", vtt("<v C>a", "b", "<v C>c", "<v T>d", "[music]", "<v C>e</v><v C>f</v>")
    )
    assert [(turn.text, turn.start_ms, turn.end_ms) for turn in session.turns] == [
        ("a b c", 0, 2_900),
        ("d [music]", 3_000, 4_900),
        ("e f", 5_000, 5_900),
    ]


def test_cues_before_the_first_speaker_are_no_turns(said: Said) -> None:
    assert said("a.vtt", vtt("[music]", "- <v T>Hello.")) == [(T, "Hello.")]


def test_overlapping_cues_and_cues_that_run_back(read: Read) -> None:
    content = (
        "WEBVTT\n\n00:01.000 --> 00:09.000\n<v T>a\n\n00:02.000 --> 00:03.000\n<v T>b\n\n"
        "00:05.000 --> 00:04.000\n<v C>c\n"
    )
    (session,) = read("a.vtt", content)
    assert [(turn.start_ms, turn.end_ms) for turn in session.turns] == [(1000, 9000), (5000, 5000)]


@pytest.mark.parametrize(
    ("timing", "start", "end"),
    [
        ("00:01.500 --> 00:02.000", 1500, 2000),
        ("1:00:01.5 --> 1:00:02", 3_601_500, 3_602_000),
        ("00:00:01,500 --> 00:00:02,000", 1500, 2000),
        ("100:00:00.000 --> 100:00:01.000", 360_000_000, 360_001_000),
        ("00:01.500-->00:02.000", 1500, 2000),
        (" 00:01.500 -->  00:02.000 align:start position:10% line:0", 1500, 2000),
        ("00:01.500 --> 00:02.000 X1:1 Y1:2", 1500, 2000),
    ],
)
def test_times(read: Read, timing: str, start: int, end: int) -> None:
    for name in ("a.vtt", "a.srt"):
        (session,) = read(name, f"1\n{timing}\n<v T>Hello.\n")
        assert (session.turns[0].start_ms, session.turns[0].end_ms) == (start, end)


@pytest.mark.parametrize("timing", ["00:75.000 --> 00:76.000", "00:01:aa --> 00:02", "1:2 --> x"])
def test_times_that_cannot_be_read(read: Read, timing: str) -> None:
    with pytest.raises(TranscriptError, match=r"a\.vtt:3: expected a cue's times") as error:
        read("a.vtt", f"WEBVTT\n\n{timing}\n<v T>whisper\n")
    assert "whisper" not in str(error.value)


def test_blocks_that_are_not_shown(said: Said) -> None:
    content = (
        "WEBVTT - a title\nKind: captions\nLanguage: en\n\nNOTE\nT: a remark\nof two lines\n\n"
        "STYLE\n::cue(v[voice=T]) { color: red }\n\nREGION\nid:fred\n\n"
        "00:01.000 --> 00:02.000\n<v T>Hello.\n\nNOTE C: another\n\nNOTE\n\n"
        "intro\n00:03.000 --> 00:04.000\nNOTE this is said\n"
    )
    assert said("a.vtt", content) == [(T, "Hello. NOTE this is said")]


def test_blank_lines_within_a_cue_lose_no_words(said: Said) -> None:
    content = (
        "WEBVTT\n\n1\n00:01.000 --> 00:02.000\n<v T>Hello.\n\nHow are\n\nyou?\n\n"
        "2\n00:03.000 --> 00:04.000\n<v C>I am\n\nfine\n3\n00:05.000 --> 00:06.000\n<v T>Good.\n"
    )
    assert said("a.vtt", content) == [
        (T, "Hello. How are you?"),
        (C, "I am fine"),
        (T, "Good."),
    ]


def test_no_blank_lines_between_cues(said: Said) -> None:
    content = (
        "7\n00:00:01,000 --> 00:00:02,000\nT: How many?\n8\n00:00:02,000 --> 00:00:03,000\nC:\n5\n"
        "9\n00:00:03,000 --> 00:00:04,000\n7\n"
    )
    assert said("a.srt", content) == [(T, "How many?"), (C, "5 7")]


def test_arrows_that_were_said(said: Said) -> None:
    assert said("a.vtt", vtt("<v T>A --> B", "<v C>first --> then")) == [
        (T, "A --> B"),
        (C, "first --> then"),
    ]


def test_prose_before_a_colon_in_cues(said: Said) -> None:
    content = vtt(
        "T: Hello.", "C: I thought", "Honestly: no", "and I said: no", "Note: it", "T: I see."
    )
    assert said("a.vtt", content)[1] == (C, "I thought Honestly: no and I said: no Note: it")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected cues with times"),
        ("WEBVTT\n\n", "expected cues with times"),
        ("secretly whispered", "expected cues with times"),
        (vtt("secretly whispered"), "expected cues that name their speaker"),
        (vtt("<v>secretly whispered</v>"), "expected cues that name their speaker"),
    ],
)
def test_files_without_turns(read: Read, content: str, message: str) -> None:
    for name in ("a.vtt", "a.srt"):
        with pytest.raises(TranscriptError, match=rf"{name}: {message}") as error:
            read(name, content)
        assert "whisper" not in str(error.value)


def test_the_line_of_an_unknown_speaker(read: Read) -> None:
    with pytest.raises(UnknownSpeakerError, match=r"a\.vtt:6: .*'Mother'"):
        read("a.vtt", vtt("<v T>Hello.", "<v Mother>Hi."))
