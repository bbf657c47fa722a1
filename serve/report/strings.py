"""Every English string of the report and of the page's timeline, in one place.

A translation is another mapping with the same keys. Words in braces are filled in. Sentences that
count (``3 turns``) come from :mod:`alliance.serve.wording`, labels' and markers' names and
definitions from the codebook.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["ENGLISH", "SCRIPT_PREFIX", "Strings"]

Strings = Mapping[str, str]
"""Key to text."""

SCRIPT_PREFIX: Final = "js_"
"""Keys with this prefix go to the browser, in the data island, without it."""

ENGLISH: Final[Strings] = MappingProxyType(
    {
        # What the whole is.
        "language": "en",
        "report_title": "Rupture timeline of {session}",
        "honest": (
            "Labels come from a model trained on language-model codings; no clinician has "
            "validated them. A research and training aid, not an assessment of anyone."
        ),
        "names_hidden": (
            "Speakers are shown by role. Names that occur in what was said, and in the session's "
            "id, are not changed."
        ),
        "names_kept": "Speakers' names are shown as in the transcript.",
        "no_text": "What was said has been left out of this report.",
        "made_by": "Model {model} · codebook {codebook} · alliance {version}",
        "causal": "each turn labelled by what had been said until then",
        "truncated": "{count} too long for the model, cut in the middle before it was read",
        "skip": "Skip to the transcript",
        # The finding, in one line.
        "no_labels": "No turn of this session carries a label, so nothing can be said of ruptures.",
        "no_episodes": "No turn of this session was labelled a rupture.",
        "no_episodes_doubt": (
            "No turn of this session was labelled a rupture, aside from {count} on which the "
            "model abstains."
        ),
        # Purposes.
        "purposes": "Thresholds for",
        "purpose_screening": "Screening",
        "purpose_research": "Research",
        "purpose_teaching": "Teaching",
        "purpose_screening_hint": "finds as many ruptures as it can, with more false alarms",
        "purpose_research_hint": "balances the labels",
        "purpose_teaching_hint": "shows only what is likely to be right",
        # The strip.
        "strip": "The session at a glance",
        "strip_hint": (
            "Move over the strip, or focus it and use the arrow keys; Enter goes to the turn."
        ),
        "strip_position": "Turn in the strip",
        "lane_ruptures": "Ruptures",
        "lane_client": "Client",
        "lane_therapist": "Therapist",
        "lane_other": "Others",
        "lane_level": "Alliance level",
        "lane_turn": "Turn",
        "axis": "Horizontal axis",
        "axis_turns": "By turn",
        "axis_clock": "By clock",
        "strip_text": "{turns}. {counts}. {episodes}",
        "strip_text_level": "Alliance level at the end {value}, between {low} and {high}.",
        # The legend.
        "legend": "How to read this",
        "legend_abstains": "the model abstains: too close to call",
        "legend_blank": "no label: nothing was said, or another person spoke",
        "legend_episode": (
            "A rupture episode: rupture turns close together. Each has a stem, as high as a "
            "rupture is likely there; the highest is the episode's intensity (0 to 1)."
        ),
        "legend_repair_signal": (
            "Repair signal: the client turned positive within {count} after the last rupture turn."
        ),
        "legend_none_seen": "None seen: no such turn within that window.",
        "legend_open": "Open: the session ended before the window did.",
        "legend_level": (
            "Alliance level: positive talk less ruptures, running, recent turns counting most. "
            "The band is the 95% interval that the labels' probabilities leave; it says nothing "
            "of how well words tell an alliance."
        ),
        "legend_dense": (
            "Where turns are many, a label is a tick: down for withdrawal, up for confrontation, "
            "a short one for alliance-positive."
        ),
        "legend_probability": (
            "Probabilities are calibrated: of turns shown with .70, about seven in ten carry that "
            "label in the codings that the model was measured on."
        ),
        "legend_outcome": (
            "No coder judged how ruptures ended, so a repair signal is a sign in the words, not a "
            "resolved rupture."
        ),
        "codes": "The codes",
        # Episodes.
        "episodes": "Rupture episodes",
        "episode": "Episode {number}",
        "kind_withdrawal": "Withdrawal",
        "kind_confrontation": "Confrontation",
        "kind_mixed": "Withdrawal + confrontation",
        "outcome_repair_signal": "Repair signal",
        "outcome_none_seen": "None seen",
        "outcome_open": "Open",
        "outcome_repair_signal_long": "Repair signal seen",
        "outcome_none_seen_long": "No repair signal seen",
        "outcome_open_long": "Session ended too soon to tell",
        "intensity": "Intensity",
        "trigger": "Before",
        "trigger_none": "the session begins with it",
        "markers": "Markers",
        "course": "Course",
        "attempts": "Repair by therapist",
        "attempts_none": "no attempt seen",
        "outcome": "Then",
        "counts": "Counts",
        "positive": "Positive",
        "heard": "heard: {codes}",
        "previous": "Previous",
        "next": "Next",
        # The transcript.
        "transcript": "Transcript",
        "turn": "Turn {turn}",
        "search": "Search the transcript",
        "filters": "Show",
        "filter_labels": "Labels",
        "filter_speakers": "Speakers",
        "filter_episode": "Episode",
        "filter_all_episodes": "whole session",
        "filter_near": "Only ruptures, with three turns around",
        "filter_reset": "Show all",
        "unsure": "abstained",
        "unlabelled": "no label",
        "reason_no_words": "no words",
        "reason_role_other": "not labelled",
        "reason_here": "(no words)",
        "text_left_out": "(text left out)",
        # The recording.
        "media": "Recording",
        "media_choose": "Choose the recording",
        "media_hint": "It is played from your disk and goes nowhere.",
        # Keys.
        "keys_heading": "Keyboard",
        "keys_on": "Single-letter keys are on",
        "key_next": "next rupture episode",
        "key_previous": "previous rupture episode",
        "key_search": "search",
        "key_arrows": "on the strip: a turn back or on; with Page keys, ten",
        "key_turns": "in the transcript: a turn back or on",
        "key_enter": "on a turn's number: its details; on the strip: go to the turn",
        "key_escape": "close the details, leave the search",
        # What the script says.
        "js_turn": "Turn {turn}",
        "js_level": "level {value}",
        "js_purpose_screening": "Screening",
        "js_purpose_research": "Research",
        "js_purpose_teaching": "Teaching",
        "js_kind_withdrawal": "withdrawal",
        "js_kind_confrontation": "confrontation",
        "js_kind_mixed": "withdrawal and confrontation",
        "js_selected": "Turn {turn}, {speaker}, {label}",
        "js_abstains": "the model abstains, nearest {label}",
        "js_abstained": "abstained",
        "js_no_label": "no label",
        "js_jump": "Episode {number} of {count}, {kind}, {span}. {outcome}",
        "js_no_jump": "No rupture episode",
        "js_shown": "{shown} of {count} turns shown",
        "js_shown_all": "All {count} turns shown",
        "js_gap": "{count} turns not shown",
        "js_gap_one": "1 turn not shown",
        "js_purpose": "{purpose}: {ruptures} rupture turns in {episodes} episodes",
        "js_probabilities": "Probabilities",
        "js_marker": "Marker",
        "js_why": "Why",
        "js_why_words": "words that the label rests on, marked in the text",
        "js_why_turns": "turns nearby",
        "js_why_none": "nothing by itself",
        "js_why_unknown": "run with --explain to see which words and turns the label rests on",
        "js_why_note": "what the model went by, not what moved the speaker",
        "js_play": "Play from here",
        "js_playing": "Playing from {time}",
        "js_media_none": "Choose the recording first",
        "js_media_failed": "This file cannot be played here",
        "js_whole_session": "whole session",
        "js_episode": "Episode {number}",
        # The overview of many sessions.
        "overview_title": "Sessions at a glance",
        "overview_found": "{episodes} in {sessions}; {unrepaired} without a repair signal",
        "overview_session": "Session",
        "overview_turns": "Turns",
        "overview_strip": "Episodes, client, therapist",
        "overview_ticks": (
            "In a miniature, bars are episodes and a label is a tick: down for withdrawal, up for "
            "confrontation, a short one for alliance-positive."
        ),
        "overview_episodes": "Episodes",
        "overview_unrepaired": "Without repair signal",
        "overview_cut_off": "{count} cut off by the end",
        "overview_ruptures": "Rupture turns",
        "overview_client": "client",
        "overview_therapist": "therapist",
        "overview_only": "Only sessions with an episode without a repair signal",
        "overview_failed": "Not read",
        "overview_none": "No session could be read.",
        "overview_no_episodes": "no rupture episode",
        "overview_shown": "{shown} of {count} sessions shown",
        "overview_made_by": "Labels for {purpose} · model {model} · alliance {version}",
        "ids_kept": "Sessions are shown by their ids, which may hold names.",
        "overview_sorted": "Sorted by {column}",
    }
)
