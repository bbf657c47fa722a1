from collections.abc import Callable

import pytest

from alliance.model.errors import TranscriptError, UnknownSpeakerError
from alliance.model.formats.plain import without_line_numbers
from alliance.model.session import Session

Said = Callable[..., list[tuple[str, str]]]
Read = Callable[..., list[Session]]

T, C = "therapist", "client"


@pytest.mark.parametrize(
    ("therapist", "client"),
    [
        ("T", "C"),
        ("T", "P"),
        ("Th", "Cl"),
        ("t", "c"),
        ("T1", "C1"),
        ("THERAPIST", "PATIENT"),
        ("Therapist 2", "Client 10"),
        ("Counselor", "Client"),
        ("Counsellor", "Pt"),
        ("Dr. Lee", "Pat"),
        ("Dr Ana-María López", "Patient_1"),
        ("Doctor Lee", "Client #2"),
        ("**Therapist**", "**Client**"),
        ("[T]", "[C]"),
        ("- T", "- C"),
        ("Dr. Lee, PhD", "C."),
    ],
)
def test_well_known_names(said: Said, therapist: str, client: str) -> None:
    content = f"{therapist}: How was it?\n{client}: Fine: just fine.\n"
    assert said("a.txt", content) == [(T, "How was it?"), (C, "Fine: just fine.")]


def test_bold_with_the_colon_inside(said: Said) -> None:
    assert said("a.txt", "**T:** Hello.\n**C:** Hi.") == [(T, "Hello."), (C, "Hi.")]


def test_the_stem_is_the_id_and_lines_continue(read: Read) -> None:
    (session,) = read("folder/session 3.final.txt", "T: One\n   two\n\nthree\nC: Four\n")
    assert session.id == "session 3.final"
    assert [turn.text for turn in session.turns] == ["One two three", "Four"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("blank", [0, 1, 3])
def test_line_ends_and_blank_lines(said: Said, end: str, blank: int) -> None:
    content = ("T: One" + end * (blank + 1) + "C: Two" + end * (blank + 1) + "goes on") + end
    assert said("a.txt", content) == [(T, "One"), (C, "Two goes on")]


def test_a_speaker_alone_on_the_line(said: Said) -> None:
    assert said("a.txt", "Therapist:\nHello.\n\nClient:\nHi.\nThere.") == [
        (T, "Hello."),
        (C, "Hi. There."),
    ]


def test_a_turn_without_words_keeps_its_place(said: Said) -> None:
    content = "T: [inaudible]\nC:\nT: (pause 0:03)\nC: xxx\n"
    assert said("a.txt", content) == [(T, "[inaudible]"), (C, ""), (T, "(pause 0:03)"), (C, "xxx")]


def test_what_comes_before_the_first_speaker_is_no_turn(said: Said) -> None:
    content = "A session from spring\nrecorded with consent\n\nT: Hello.\nC: Hi.\n"
    assert said("a.txt", content) == [(T, "Hello."), (C, "Hi.")]


def test_a_head_that_names_therapist_and_client(said: Said) -> None:
    content = "Therapist: Dr. Lee\nClient: woman, 34\nDate: 3 May\n\nT: Hello.\nC: Hi.\n"
    assert said("a.txt", content) == [(T, "Hello."), (C, "Hi.")]
    content = "Date: 3 May\nTherapist: Dr. Lee\nClient: Anna\n\nTherapist: Hello.\nClient: Hi.\n"
    assert said("a.txt", content) == [(T, "Hello."), (C, "Hi.")]
    # Without talk after it the paragraph is all there is.
    assert len(said("a.txt", "Therapist: Hello\nClient: Hi\nDate: 3 May\n")) == 2


@pytest.mark.parametrize(
    "word",
    ["Note", "NB", "Okay", "Date", "Homework", "http", "Step 2", "P.S.", "so", "For example"],
)
def test_other_words_before_a_colon_are_no_speakers(said: Said, word: str) -> None:
    line = f"{word}: it is late"
    content = f"T: Hello.\nC: I wrote this down.\n{line}\n\n{line}\nT: I see.\n"
    assert said("a.txt", content) == [
        (T, "Hello."),
        (C, f"I wrote this down. {line} {line}"),
        (T, "I see."),
    ]
    # ... unless somebody is called so.
    named = said("a.txt", content, roles={word: "client"})
    assert named[2:4] == [(C, "it is late")] * 2


def test_prose_before_a_colon_is_no_speaker(said: Said) -> None:
    turn = (
        "I told her one thing:\nand he said: no\nand he said: no\nmy rule is this: go\n"
        "see:this\nSee https://example.org: there\nThis is one of those Things That Happen: so\n"
    )
    assert said("a.txt", f"T: Hello.\nC: {turn}T: I see.\n")[1] == (
        C,
        " ".join(turn.split("\n")[:-1]),
    )


def test_an_unknown_name_that_recurs_is_a_speaker(read: Read, said: Said) -> None:
    content = "T: Hello.\nC: Hi,\nMother: I came too.\nT: Good.\nMother: Yes.\n"
    with pytest.raises(UnknownSpeakerError, match="--role 'Mother=therapist") as error:
        read("a.txt", content)
    assert error.value.speakers == ("Mother",)
    assert error.value.known == ("T=therapist", "C=client")
    assert error.value.line == 3
    assert said("a.txt", content, roles={"mother": "other"})[2] == ("Mother", "I came too.")


def test_an_unknown_name_that_stands_once(read: Read, said: Said) -> None:
    # In a paragraph's middle it is as likely to be quoted as to speak; elsewhere it speaks.
    inside = "T: Hello.\nC: She came in.\nMother: What now?\nT: I see.\nand so on\n"
    assert said("a.txt", inside)[1] == (C, "She came in. Mother: What now?")
    for content in (inside.replace("\n", "\n\n"), inside.replace("and so on\n", "")):
        with pytest.raises(UnknownSpeakerError, match="'Mother'"):
            read("a.txt", content)


def test_all_unknown_speakers_are_named(read: Read) -> None:
    with pytest.raises(UnknownSpeakerError) as error:
        read("a.txt", "Anna: Hello.\nBen Okri: Hi.\nT: Welcome.\n[SPEAKER_02]: Yes.\n")
    assert error.value.speakers == ("Anna", "Ben Okri", "SPEAKER_02")
    assert str(error.value).startswith("a.txt:1: ")


def test_chat_without_capitals(said: Said) -> None:
    content = "anna: hello\nben: hi\nwhat is: this\nanna: no\nben: yes\n"
    roles = {"Anna": "therapist", "Ben": "client"}
    assert said("a.txt", content, roles=roles) == [
        (T, "hello"),
        (C, "hi what is: this"),
        (T, "no"),
        (C, "yes"),
    ]
    with pytest.raises(UnknownSpeakerError, match="'anna', 'ben'"):
        said("a.txt", content)


def test_no_speaker_at_all(read: Read) -> None:
    with pytest.raises(TranscriptError, match=r"a\.txt: expected turns that start with") as error:
        read("a.txt", "secretly said\nand whispered: so\n")
    assert "whisper" not in str(error.value)


def test_p1_is_asked_for(read: Read, said: Said) -> None:
    content = "T: Hello.\nP1: Hi.\nP2: Hey.\n"
    with pytest.raises(UnknownSpeakerError, match="'P1', 'P2'"):
        read("a.txt", content)
    assert said("a.txt", content, roles={"P": "client", "P2": "other"})[1:] == [
        (C, "Hi."),
        ("P2", "Hey."),
    ]


def test_numbers_that_count_turns(said: Said) -> None:
    content = "\n".join(f"{'T' if n % 2 else 'C'}{n}: word {n}" for n in range(1, 60))
    assert said("a.txt", content)[-1] == (T, "word 59")
    content = "1 T: Hello.\n2. C: Hi.\n3) T: So.\n"
    assert said("a.txt", content) == [(T, "Hello."), (C, "Hi."), (T, "So.")]


def test_line_numbers_in_the_margin(said: Said) -> None:
    content = "1  T: Hello\n2  there.\n3\n4  C: It took\n5  20 years.\n6  3 of them good.\n"
    assert said("a.txt", content) == [(T, "Hello there."), (C, "It took 20 years. 3 of them good.")]


def test_line_numbers_that_start_again_on_each_page(said: Said) -> None:
    content = "1 T: One\n2 two\n3 three\n\f1 C: Four\n2 five\n3 six\n"
    assert said("a.txt", content) == [(T, "One two three"), (C, "Four five six")]


@pytest.mark.parametrize("blank", ["", "\n"])
def test_every_fifth_line_is_numbered(said: Said, blank: str) -> None:
    lines = [f"{'T' if n % 2 else 'C'}: word {n}" for n in range(1, 13)]
    lines[6] = "7 of them"
    for n in (5, 10):
        lines[n - 1] = f"{n}   {lines[n - 1]}"
    turns = said("a.txt", ("\n" + blank).join(lines))
    assert [text for _, text in turns[:6]] == [
        *(f"word {n}" for n in range(1, 6)),
        "word 6 7 of them",
    ]
    assert len(turns) == 11


def test_numbers_that_were_said_stay() -> None:
    lines = ["T: How many?", "C: I counted", "3 of them", "4 if you count mine", "T: I see."]
    assert without_line_numbers(lines) == lines


@pytest.mark.parametrize(
    ("line", "start", "end"),
    [
        ("[00:01:23] T: Hello.", 83_000, None),
        ("00:01:23 T: Hello.", 83_000, None),
        ("(1:23) T: Hello.", 83_000, None),
        ("1:23 - T: Hello.", 83_000, None),
        ("T (01:23): Hello.", 83_000, None),
        ("T [00:01:23.450]: Hello.", 83_450, None),
        ("[00:01:23 - 00:01:25] T: Hello.", 83_000, 85_000),
        ("[00:01:23 --> 00:01:20] T: Hello.", 83_000, None),
        ("2' T: Hello.", 120_000, None),
        ("2 min T: Hello.", 120_000, None),
        ("7 [00:01:23] T: Hello.", 83_000, None),
        ("[00:01:23]\nT: Hello.", 83_000, None),
        ("1:23\n\nT: Hello.", 83_000, None),
        ("[2 min]\nT: Hello.", 120_000, None),
        ("T  1:23\nHello.", 83_000, None),
        ("T\t1:23\nHello.", 83_000, None),
        ("T (1:23)\nHello.", 83_000, None),
        ("T: Hello.", None, None),
    ],
)
def test_times_beside_a_speaker(read: Read, line: str, start: int | None, end: int | None) -> None:
    (session,) = read("a.txt", line + "\nC: Hi.\n")
    first, second = session.turns
    assert (first.speaker, first.text, first.start_ms, first.end_ms) == (T, "Hello.", start, end)
    assert (second.speaker, second.text, second.start_ms) == (C, "Hi.", None)


def test_minute_marks_between_and_times_that_were_said(said: Said) -> None:
    content = (
        "T: Hello.\n[5:00]\nC: We met at\n5:30\nand (0:03) left\n\n06:00\nafter [00:07:00] a\n"
        "20 minutes\nwalk.\n"
    )
    assert said("a.txt", content)[1] == (
        C,
        "We met at 5:30 and (0:03) left after [00:07:00] a 20 minutes walk.",
    )


def test_otter(read: Read) -> None:
    content = (
        "Anna Berg  0:05\nHello. How was it?\n\nBen  0:09\nFine: really.\nAt 5:30 I left.\n\n"
        "Anna Berg  1:02:03\nI see.\n\nTranscribed by https://otter.ai\n"
    )
    (session,) = read("a.txt", content, roles={"Anna Berg": "therapist", "Ben": "client"})
    assert [(turn.speaker, turn.text, turn.start_ms) for turn in session.turns] == [
        (T, "Hello. How was it?", 5_000),
        (C, "Fine: really. At 5:30 I left.", 9_000),
        (T, "I see.", 3_723_000),
    ]


def test_a_note_beside_the_speaker_is_text(said: Said) -> None:
    content = (
        "T: Hello.\nClient (crying): No.\nAnna (therapist): I see.\nClient (wife) [0:05]: Yes.\n"
    )
    assert said("a.txt", content) == [
        (T, "Hello."),
        (C, "(crying) No."),
        (T, "I see."),
        (C, "(wife) Yes."),
    ]
    assert said("a.txt", content, roles={"Client (wife)": "other"})[3] == (
        "other Client (wife)",
        "Yes.",
    )
    content = "T: Hello.\nAnna (crying): No.\nAnna: Yes.\n"
    with pytest.raises(UnknownSpeakerError, match="found 'Anna' "):
        said("a.txt", content)
    assert said("a.txt", content, roles={"anna": "client"})[1] == (C, "(crying) No.")


def test_tabs_and_tight_colons_do_for_known_names_alone(said: Said) -> None:
    content = "T\tHello.\nC:Hi.\nwell:then\nAnna\tsaid so\nAnna:no\nT：你好\n"
    assert said("a.txt", content) == [
        (T, "Hello."),
        (C, "Hi. well:then Anna\tsaid so Anna:no"),
        (T, "你好"),
    ]


def test_invisible_characters(said: Said) -> None:
    text = "Line\u2028separator\u0085and\u00a0all\u200bstays."
    content = f"\ufeff\u200bDr.\u00a0Lee:\u00a0Hello.\n\u200e C: {text}\n"
    assert said("a.txt", content) == [
        (T, "Hello."),
        (C, text),
    ]


def test_names_in_scripts_without_capitals(said: Said) -> None:
    content = "治疗师：你好。\n来访者：嗯。\n治疗师：好。\n"
    roles = {"治疗师": "therapist", "来访者": "client"}
    assert said("a.txt", content, roles=roles) == [(T, "你好。"), (C, "嗯。"), (T, "好。")]


def test_two_turns_of_one_speaker_stay_two(said: Said) -> None:
    assert said("a.txt", "T: One.\nT: Two.\n") == [(T, "One."), (T, "Two.")]


def test_a_very_long_line(said: Said) -> None:
    long = "a" * 300_000
    spaced = "word " * 60_000
    assert said("a.txt", f"T: {long}\n{long}\nC: {spaced}:\n")[0] == (T, f"{long} {long}")


def test_names_on_a_line_of_their_own_after_a_time(said: Said) -> None:
    content = (
        "Audio file\ntalk.wav\n\nTranscript\n\n00:00:00 Speaker 1\nHello.\n00:00:03 Speaker 2\n"
        "Hi.\n00:00:05 Speaker 1\nWell.\n"
    )
    roles = {"Speaker 1": "therapist", "Speaker 2": "client"}
    assert said("a.txt", content, roles=roles) == [(T, "Hello."), (C, "Hi."), (T, "Well.")]
    # A time in the margin before a short answer names nobody.
    content = "T: So?\n0:05 Mm-hm.\nC: Well.\n0:09 Mm-hm.\n"
    assert said("a.txt", content) == [(T, "So? 0:05 Mm-hm."), (C, "Well. 0:09 Mm-hm.")]
