"""What a turn's label rests on, said in a line: its own words and the turns around it."""

from typing import Final

from alliance.model.explanation import TurnExplanation, WordEffect

__all__ = ["key_phrases", "key_turns"]

# An explanation lists whatever raises the label by a hair; a line names what carries it.
_LEAST: Final = 0.02  # difference of probabilities below which nothing is named
_LEAST_SHARE: Final = 0.25  # of the strongest effect of its kind
_MOST_PIECES: Final = 4
_MOST_TURNS: Final = 2


def key_phrases(explanation: TurnExplanation, text: str) -> list[str]:
    """The words that carry the label most, the strongest first; neighbours as one phrase.

    Args:
        explanation: of the turn.
        text: what the turn says; phrases outside it (a text that was left out) are not given.
    """
    phrases: list[list[WordEffect]] = []
    named = _named([word.effect for word in explanation.words], most=_MOST_PIECES)
    for word in sorted(explanation.words[:named], key=lambda word: word.start):
        if phrases and not text[phrases[-1][-1].end : word.start].strip():
            phrases[-1].append(word)
        else:
            phrases.append([word])
    phrases.sort(key=lambda phrase: -max(word.effect for word in phrase))
    quoted = [text[phrase[0].start : phrase[-1].end] for phrase in phrases]
    return [phrase for phrase in quoted if phrase]


def key_turns(explanation: TurnExplanation) -> list[int]:
    """The turns that carry the label most, in the order of the session."""
    named = _named([turn.effect for turn in explanation.neighbours], most=_MOST_TURNS)
    return sorted(turn.turn for turn in explanation.neighbours[:named])


def _named(effects: list[float], *, most: int) -> int:
    """How many of some effects, the greatest first, are worth naming."""
    least = max(_LEAST, _LEAST_SHARE * effects[0]) if effects else 0.0
    return min(most, sum(effect >= least for effect in effects))
