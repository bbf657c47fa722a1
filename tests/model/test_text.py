import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.text import has_words, normalise

NOTES = [
    "[inaudible]",
    "[unintelligible 00:01:40]?",
    "[ Inaudible 00:05:55 ]",
    "(pause 0:03)",
    "(A long silence.)",
    "((coughs))",
    "[silence, about twenty seconds]",
    "[client begins to cry, looks out of the window]",
    "(looks at me)",
    "[laughs] [crosstalk].",
    "*sighs*",
    "<noise>",
    "{laughter}",
    "[unintelligible [00:01:40]]",
    "(laughs (softly))",
    "（笑）",
    "【沉默】",
    "［笑い］",
    "xxx",
    "XXX.",
    "yyy www",
    "",
    " \n\t",
    "...",
    "…",
    "--",
    "?!",
    "👍",
    "♪ ♪",
    "\u200b\ufeff",
]
SPOKEN = [
    "Mm-hm.",
    "No.",
    "I",
    "15.",
    "Uh [laughs]",
    "(pause) It was you.",
    "[inaudible] fine",
    "xxx yes",
    "[inaudible",
    "нет",
    "我不知道",
    "لا",
    "हाँ",
    "ไม่",
    "ναι 👍",
    # In brackets, but said: an aside, or words that the transcriber was not sure of.
    "(I don't know)",
    "(I don\u2019t know.)",
    "[you know?]",
    "(i'm fine)",
    "*I hate this*",
    "<I don't know> [<]",
    "((We tried that))",
    "[(I can't do it from my end, you have to do it :)",
    # Too long for a note.
    f"({'and then ' * 12})",
]


@pytest.mark.parametrize("text", NOTES)
def test_notes_and_signs_are_no_words(text: str) -> None:
    assert not has_words(text)


@pytest.mark.parametrize("text", SPOKEN)
def test_whatever_is_said_has_words(text: str) -> None:
    assert has_words(text)


@pytest.mark.parametrize("note", NOTES)
def test_a_note_takes_nothing_from_what_is_said_around_it(note: str) -> None:
    assert has_words(f"{note} no")
    assert has_words(f"No {note}")


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="[](){}<>*xIyou 1\n", max_size=120))
def test_text_without_a_letter_or_digit_never_has_words(text: str) -> None:
    # Notes are only ever taken away: they bring no words in.
    if has_words(text):
        assert any(character.isalnum() for character in text)


def test_notes_within_notes_are_followed_a_few_levels_only() -> None:
    # As far as they go would take minutes on a file of nothing but brackets.
    assert not has_words("(a (b (c)))")
    assert has_words("(a" * 20_000 + ")" * 20_000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  I \u2018don\u2019t\u2019\n know\u2026 ", "I 'don't' know..."),
        ("\u201cyes\u201d \u2013 no\u2014well", '"yes" - no-well'),
        ("a\u00a0b\u200bc\ufeff", "a bc"),
        ("[00:01:23] So (0:03) you <1:02:03.5> came", "So you came"),
        # The word stays: what could not be heard is known to be missing.
        ("[inaudible 00:05:55] yes", "[inaudible 00:05:55] yes"),
        ("at 10:30 (pause)", "at 10:30 (pause)"),
        ("cafe\u0301", "café"),
        ("e\u200b\u0301", "é"),
        # Half of an emoji, as a broken JSON escape leaves it.
        ("so \ud83d so", "so \ufffd so"),
        ("", ""),
    ],
)
def test_what_the_model_reads(text: str, expected: str) -> None:
    assert normalise(text) == expected


pieces = st.lists(
    st.text(max_size=6)
    | st.sampled_from(["[00:01]", "(0:03)", "[x]", "e", "\u0301", "\u200b", "\u2019", "\u00a0"])
).map("".join)


@settings(max_examples=100, deadline=None)
@given(pieces)
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once == " ".join(once.split())
