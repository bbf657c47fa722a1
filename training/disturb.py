"""Simulated trouble of transcription: what a recogniser and a hurried typist do to a session.

For measuring how well a model stands it, and for training on it. A fixed recipe, not a model of
any one recogniser: word errors spread evenly over words, in the shares that recognisers of
conversation commonly show (most are substitutions, then deletions, then insertions).
"""

import random
import unicodedata
import zlib
from dataclasses import replace
from typing import Final

from alliance.model.codebook import Label, Marker, Role
from alliance.model.errors import ConfigError
from alliance.model.session import Session, Turn
from alliance.model.text import has_words, normalise, spoken
from alliance.training.corpora import CodedSession
from alliance.training.corpora.coded import Codes

__all__ = ["disturb", "disturb_coded", "legal_code", "poor_transcript"]

_STANDARD_SEED: Final = 20260

_SUBSTITUTED: Final = 0.6  # of all word errors
_DELETED: Final = 0.25  # the rest are insertions
_MISSPELT: Final = 0.5  # of the substitutions of words that have no sound-alike
_SOUNDS_ALIKE_SHARE: Final = 0.5

_FILLERS: Final = ("um", "uh", "like", "so", "and", "the", "a", "well")
_PAIRS: Final = (
    "can/can't they're/their your/you're it's/its know/no right/write hear/here two/to "
    "then/than i'm/i'd i'll/i we're/were he's/he she's/she don't/don want/won't "
    "think/thing feel/fill really/rarely guess/yes this/these in/and on/an of/have "
    "just/dust not/now what/that was/is had/have"
)
_SOUNDS_ALIKE: Final = {
    one: other
    for pair in _PAIRS.split()
    for one, other in (pair.split("/"), reversed(pair.split("/")))
}
_VOWELS: Final = "aeiou"
_OPPOSITE: Final = {
    Role.THERAPIST.value: Role.CLIENT.value,
    Role.CLIENT.value: Role.THERAPIST.value,
}


class _Unpunctuated(dict[int, str]):
    """A translation table that blanks punctuation and signs, filled as characters are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        blank = unicodedata.category(character)[0] in "PS" and character != "'"
        self[code] = " " if blank else character
        return self[code]


_UNPUNCTUATED: Final = _Unpunctuated()


def disturb(
    session: Session,
    *,
    seed: int,
    word_errors: float = 0.15,
    punctuation: bool = False,
    swapped_roles: float = 0.05,
    dropped_turns: float = 0.0,
) -> Session:
    """The session as a poor transcript has it; a pure function of turns, seed and settings.

    A turn with words keeps at least one, a turn without stays as it is, and another person's
    speaker is never changed. Word errors, roles and dropped turns are drawn apart: changing one
    setting leaves the others' draws alone.

    Args:
        session: the session.
        seed: of the draw; the same seed draws differently for sessions of different words.
        word_errors: expected word error rate, 0-1: substitutions (by a sound-alike, a
            near-spelling or another word of the session), deletions, and insertions of fillers.
        punctuation: whether punctuation, case and transcribers' notes are kept.
        swapped_roles: share (0-1) of therapist and client turns, expected, that are given to the
            other of the two.
        dropped_turns: share (0-1) of turns, expected, that are missing; one turn is always left.

    Raises:
        ConfigError: if a rate or share lies outside 0-1.
    """
    kept = _kept(session, seed, dropped_turns)
    turns = _disturbed(session, seed, word_errors, swapped_roles, punctuation=punctuation)
    return replace(session, turns=tuple(turns[place] for place in kept))


def poor_transcript(session: Session) -> Session:
    """The session with the standard trouble that models are compared under.

    15% word errors, no punctuation and case, 5% swapped roles; the same for every model.
    """
    return disturb(session, seed=_STANDARD_SEED)


def disturb_coded(
    coded: CodedSession,
    *,
    seed: int,
    word_errors: float = 0.15,
    punctuation: bool = False,
    swapped_roles: float = 0.05,
    dropped_turns: float = 0.0,
) -> CodedSession:
    """:func:`disturb` for a coded session, for training; codes go with their turns.

    A turn that was given to the other speaker keeps its label: a code that this speaker cannot
    carry becomes the nearest one of the label that he or she can (client withdrawal WT and back
    W4, client confrontation CT and back C7).
    """
    kept = _kept(coded.session, seed, dropped_turns)
    turns = _disturbed(coded.session, seed, word_errors, swapped_roles, punctuation=punctuation)

    def codes(given: Codes) -> Codes:
        return tuple(
            legal_code(code, turns[place].role) if isinstance(code, Marker) else code
            for place, code in ((place, given[place]) for place in kept)
        )

    return CodedSession(
        replace(coded.session, turns=tuple(turns[place] for place in kept)),
        codes(coded.codes),
        codes(coded.coder_a),
        codes(coded.coder_b),
        coded.fold,
        coded.facts,
    )


def legal_code(code: Marker, role: Role) -> Marker:
    """The code that a turn keeps or gets when it is given to a speaker of ``role``."""
    if code.may_be_said_by(role):
        return code
    client = role is Role.CLIENT
    if code.label is Label.WITHDRAWAL:
        return Marker.W4 if client else Marker.WT
    return Marker.C7 if client else Marker.CT


def _draw(session: Session, seed: int, what: str) -> random.Random:
    text = "\n".join(turn.text for turn in session.turns)
    words = zlib.crc32(text.encode("utf-8", "surrogatepass"))
    return random.Random(f"{what} {seed} {words}")  # a string seeds alike in every process


def _kept(session: Session, seed: int, share: float) -> list[int]:
    """The places of the turns that are not dropped."""
    _check("dropped_turns", share)
    count = len(session.turns)
    if not share or not count:
        return list(range(count))
    draw = _draw(session, seed, "drop").random
    return [place for place in range(count) if draw() >= share] or [int(draw() * count)]


def _disturbed(
    session: Session, seed: int, word_errors: float, swapped_roles: float, *, punctuation: bool
) -> list[Turn]:
    _check("word_errors", word_errors)
    _check("swapped_roles", swapped_roles)
    words = _WordErrors(session, _draw(session, seed, "words"), word_errors, punctuation)
    roles = _draw(session, seed, "roles").random
    turns = []
    for place, turn in enumerate(session.turns):
        swapped = roles() < swapped_roles
        speaker = _OPPOSITE.get(turn.speaker, turn.speaker) if swapped else turn.speaker
        turns.append(replace(turn, speaker=speaker, text=words(place)))
    return turns


def _check(name: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise ConfigError(f"expected {name} between 0 and 1, found {share}; give a share")


class _WordErrors:
    """Puts word errors into a session's turns, called once for each, in order."""

    def __init__(
        self, session: Session, draw: random.Random, rate: float, punctuation: bool
    ) -> None:
        self._random = draw.random
        self._rate = rate
        self._punctuation = punctuation
        self._by_initial: dict[str, list[str]] = {}
        self._texts = [turn.text for turn in session.turns]
        self._plain = [_plain_words(text) for text in self._texts]
        # Other words of the session, as often as they are said: recognisers favour the common.
        self._all = [word for words in self._plain for word in words]
        for word in self._all:
            self._by_initial.setdefault(word[0], []).append(word)

    def __call__(self, place: int) -> str:
        text, words = self._texts[place], self._plain[place]
        if not words:
            return text
        if self._punctuation:
            words = text.split()
        heard: list[str] = []
        erred = not self._punctuation
        for word in words:
            at = self._random() / self._rate if self._rate else 1.0
            if at >= 1.0:
                heard.append(word)
                continue
            erred = True
            if at < _SUBSTITUTED:
                heard.append(self._substituted(word))
            elif at >= _SUBSTITUTED + _DELETED:
                heard += [word, self._pick(_FILLERS)]
        if not erred:
            return text
        said = " ".join(heard)
        if has_words(said):
            return said
        # Deleted to the last word, or what is left reads as a note: one word stays as it was.
        return text if self._punctuation else self._pick(words)

    def _substituted(self, word: str) -> str:
        core = word.strip(_EDGES) if self._punctuation else word
        if not core:
            return word
        other = self._other(core.lower())
        if core != core.lower():
            other = other.capitalize()
        return word.replace(core, other, 1)

    def _other(self, word: str) -> str:
        alike = _SOUNDS_ALIKE.get(word)
        if alike is not None and self._random() < _SOUNDS_ALIKE_SHARE:
            return alike
        if len(word) > 3 and self._random() < _MISSPELT:
            return self._misspelt(word)
        for said in (self._by_initial.get(word[0], ()), self._all, _FILLERS):
            # A few tries: a list may hold little else than the word itself.
            for _ in range(3 if said else 0):
                other = self._pick(said)
                if other != word:
                    return other
        return "um" if word != "um" else "uh"

    def _misspelt(self, word: str) -> str:
        """One letter lost, doubled, swapped with the next, or one vowel for another."""
        place = 1 + int(self._random() * (len(word) - 2))  # first and last letter stay
        letter, kind = word[place], int(self._random() * 3)
        if letter in _VOWELS:
            vowel = _VOWELS[int(self._random() * len(_VOWELS))]
            return word[:place] + (vowel if vowel != letter else "") + word[place + 1 :]
        if kind == 0:
            return word[:place] + word[place + 1 :]
        if kind == 1 or word[place + 1] == letter:
            return word[:place] + letter + word[place:]
        return word[:place] + word[place + 1] + letter + word[place + 2 :]

    def _pick(self, words: "tuple[str, ...] | list[str]") -> str:
        # Not Random.choice: only random() promises the same numbers in every version of Python.
        return words[int(self._random() * len(words))]


_EDGES: Final = "".join(
    chr(code) for code in range(0x2100) if unicodedata.category(chr(code))[0] in "PS"
)


def _plain_words(text: str) -> list[str]:
    """Lower-case words without punctuation, signs and notes."""
    blank = normalise(spoken(text)).lower().translate(_UNPUNCTUATED)
    words = (word.strip("'") for word in blank.split())
    return [word for word in words if word.isalnum() or any(map(str.isalnum, word))]
