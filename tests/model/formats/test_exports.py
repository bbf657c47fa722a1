from collections.abc import Callable

import pytest

from alliance.model.errors import UnknownSpeakerError
from alliance.model.session import Session

Said = Callable[..., list[tuple[str, str]]]
Read = Callable[..., list[Session]]

T, C = "therapist", "client"
ROLES = {"Ana Ruiz": T, "Ben Cole": C}
HELLO, FINE = "Hello. How was it? At 5:30?", "Fine: really."


@pytest.mark.parametrize(
    "content",
    [
        f"[Ana Ruiz] 00:00:05\nHello. How was it?\nAt 5:30?\n\n[Ben Cole] 00:00:12\n{FINE}\n",
        f"00:00:05 From Ana Ruiz to Everyone : {HELLO}\n"
        f"00:00:12 From Ben Cole to Everyone : {FINE}\n",
        f"00:00:05\t From  Ana Ruiz : {HELLO}\n00:00:12\t From  Ben Cole : {FINE}\n",
        f"00:00:05 From Ana Ruiz to Everyone:\n\t{HELLO}\n"
        f"00:00:12 From Ben Cole to Ana Ruiz (Direct Message):\n\t{FINE}\n",
        f"Ana Ruiz  0:05\n{HELLO}\n\nBen Cole  0:12\n{FINE}\n\nTranscribed by https://otter.ai\n",
        f"Ana Ruiz  0:05  {HELLO}\n\nBen Cole  0:12  {FINE}\n\nTranscribed by https://otter.ai\n",
        f"Ana Ruiz\t00:05\t{HELLO}\nBen Cole\t00:12\t{FINE}\n",
        f"Ana Ruiz\n0:05\n{HELLO}\n\nBen Cole\n0:12\n{FINE}\n",
        f"Ana Ruiz\n0 minutes 5 seconds\n0:05\n{HELLO}\n"
        f"Ben Cole\n0 minutes 12 seconds\n0:12\n{FINE}",
        f"Ana Ruiz   0:05\n{HELLO}\nBen Cole   0:12\n{FINE}\n",
        f"0:0:5.0 --> 0:0:5.0\nAna Ruiz\n{HELLO}\n0:0:12.0 --> 0:0:3.5\nBen Cole\n{FINE}\n",
    ],
    ids=[
        *("zoom captions", "zoom chat", "old zoom chat", "new zoom chat", "otter"),
        *("otter, one line", "tabs", "name and time on two lines", "teams, copied", "teams"),
        "old teams",
    ],
)  # fmt: skip
def test_exports(read: Read, content: str) -> None:
    for text in (content, "\ufeff\n" + content.replace("\n", "\r\n")):
        (session,) = read("a.txt", text, roles=ROLES)
        assert [(turn.speaker, turn.text, turn.start_ms) for turn in session.turns] == [
            (T, HELLO, 5_000),
            (C, FINE, 12_000),
        ]


def test_spans_have_an_end(read: Read) -> None:
    content = "0:0:5.0 --> 0:0:7.120\nAna Ruiz\nHi.\n0:0:8.0 --> 0:0:8.5\nBen Cole\nYes.\n"
    (session,) = read("a.txt", content, roles=ROLES)
    assert [(turn.start_ms, turn.end_ms) for turn in session.turns] == [(5000, 7120), (8000, 8500)]


def test_speakers_nobody_knows(read: Read) -> None:
    content = "[Ana Ruiz (she/her)] 14:03:05\nwhisper\n\n[T] 14:03:09\nYes.\n"
    with pytest.raises(UnknownSpeakerError) as error:
        read("a.txt", content)
    assert str(error.value).startswith("a.txt:1: ")
    assert "--role 'Ana Ruiz (she/her)=therapist|client|other'" in str(error.value)
    assert "whisper" not in str(error.value)
    (session,) = read("a.txt", content, roles={"Ana Ruiz": C})
    assert session.turns[0].speaker == C


@pytest.mark.parametrize(
    "content",
    [
        "T: We met at\n5:30\nand left at\n6:00\nC: Yes.\n",
        "5:30\nT: Hi.\nC: Yes.\n",
        "T: [Ana Ruiz] 0:05\nC: Yes.\n",
        "T: a\n[Ana Ruiz] 0:05\nC: Yes.\n",
        "00:00:05 --> 00:00:07\nT: whisper it\n\n00:00:08 --> 00:00:09\nC: Yes.\n",
        "T:\n0:05\nHi.\nC:\n0:09\nYes.\n",
    ],
)
def test_other_texts_are_read_as_before(said: Said, content: str) -> None:
    assert [speaker for speaker, _ in said("a.txt", content)] == [T, C]


def test_words_are_not_taken_for_names(read: Read) -> None:
    content = "".join(
        f"0:0:{n}.0 --> 0:0:{n + 1}.0\nWhisper This Now{n} To\nme.\n" for n in range(9)
    )
    with pytest.raises(Exception, match="expected turns that start with their speaker") as error:
        read("a.txt", content)
    assert "Whisper" not in str(error.value)
