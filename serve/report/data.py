"""The data island: what the script needs of a view, compact, as JSON.

The format stands in :mod:`alliance.serve.report`. Text of turns is not in it: the script reads it
where it is shown.
"""

from typing import Any, Final

from alliance.model.codebook import LABELS, MARKER_ORDER, Role
from alliance.model.labelled import Probabilities
from alliance.serve.report.strings import SCRIPT_PREFIX, Strings
from alliance.serve.report.view import EpisodeView, LabellingView, TimelineView
from alliance.serve.wording import outcome as outcome_words
from alliance.serve.wording import span

__all__ = ["DATA_VERSION", "timeline_data"]

DATA_VERSION: Final = 1
"""Changes whenever a script that knows the format before could misread it."""


def timeline_data(view: TimelineView, *, strings: Strings) -> dict[str, Any]:
    """JSON-ready values of a view.

    Args:
        view: what is shown.
        strings: where the script's strings are taken from.
    """
    places = {speaker: place for place, speaker in enumerate(view.speakers)}
    return {
        "version": DATA_VERSION,
        "session": view.session_id,
        "chosen": view.chosen.value,
        "speakers": [
            {"key": speaker.key, "name": speaker.name, "role": speaker.role.value}
            for speaker in view.speakers
        ],
        "labels": [
            {
                "key": label.value,
                "letter": label.letter,
                "symbol": label.symbol,
                "title": label.title,
                "definition": label.definition,
            }
            for label in LABELS
        ],
        "markers": {
            marker.value: [
                marker.entry.name,
                marker.entry.definition,
                marker.label.letter,
                [role.value for role in Role if role in marker.entry.roles],
            ]
            for marker in MARKER_ORDER
        },
        "turns": [
            [places[turn.speaker], turn.start_ms, turn.end_ms, _thousandths(turn.probabilities)]
            for turn in view.turns
        ],
        "labellings": {
            purpose.value: _labelling(labelling, base=view.labelling)
            for purpose, labelling in view.labellings.items()
        },
        "level": [
            None
            if value is None or low is None or high is None
            else [_thousand(value), _thousand(low), _thousand(high)]
            for value, low, high in zip(
                view.level.value, view.level.low, view.level.high, strict=True
            )
        ],
        "level_scale": view.level_scale,
        "why": {
            str(turn.index): {
                "label": turn.explanation.label.letter,
                **turn.explanation.to_dict(),
            }
            for turn in view.turns
            if turn.explanation is not None
        },
        "strings": {
            key.removeprefix(SCRIPT_PREFIX): text
            for key, text in strings.items()
            if key.startswith(SCRIPT_PREFIX)
        },
    }


def _labelling(labelling: LabellingView, *, base: LabellingView) -> dict[str, Any]:
    turns = labelling.timeline.turns
    markers = ["" if turn.marker is None else turn.marker.value for turn in turns]
    shares = [None if turn.p_marker is None else _thousand(turn.p_marker) for turn in turns]
    made: dict[str, Any] = {"labels": labelling.letters, "markers": markers, "p_marker": shares}
    if labelling is not base:
        # A turn's marker is another only where its label is.
        others = [
            place
            for place, (turn, same) in enumerate(zip(turns, base.timeline.turns, strict=True))
            if turn.label is not same.label
        ]
        made["markers"] = {str(place): markers[place] for place in others}
        made["p_marker"] = {str(place): shares[place] for place in others}
    made["episodes"] = [_episode(episode, labelling) for episode in labelling.episodes]
    return made


def _episode(view: EpisodeView, labelling: LabellingView) -> dict[str, Any]:
    episode = view.episode
    return {
        "number": view.number,
        "kind": episode.kind.value,
        "rupture_turns": list(episode.rupture_turns),
        "peak": episode.peak,
        "window_end": episode.window_end,
        "attempts": list(episode.repair_attempts),
        "positive": list(episode.positive_client_turns),
        "outcome": episode.outcome.value,
        "span": span(episode.onset, episode.last),
        "outcome_text": outcome_words(labelling.timeline, view.number - 1),
    }


def _thousand(value: float) -> int:
    return round(value * 1000)


def _thousandths(p: Probabilities | None) -> list[int] | None:
    return None if p is None else [_thousand(value) for value in p.as_tuple()]
