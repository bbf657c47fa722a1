"""Every English string of the page, in one place; those of the timeline are the report's.

A translation is another mapping with the same keys. Words in braces are filled in. Labels' and
markers' names and definitions come from the codebook.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["ENGLISH", "SCRIPT_PREFIX", "Strings"]

Strings = Mapping[str, str]
"""Key to text."""

SCRIPT_PREFIX: Final = "js_"
"""Keys with this prefix go to the browser's script, without it."""

ENGLISH: Final[Strings] = MappingProxyType(
    {
        "language": "en",
        "title": "alliance",
        "skip": "Skip to the content",
        "noscript": "This page needs JavaScript; the command alliance timeline does not.",
        "main_navigation": "Main",
        "nav_start": "Transcripts",
        "nav_training": "Training room",
        "nav_playlist": "Playlist",
        "keys": "Keyboard",
        "log_out": "Log out",
        "honest": (
            "Labels come from a model trained on language-model codings; no clinician has "
            "validated them. They point to turns worth reading and assess nobody."
        ),
        "js_footer": "Everything stays on the machine that serves this page. Model {model}.",
        # Login.
        "login": "Log in",
        "login_hint": "This server asks for a key. An administrator makes one for you.",
        "login_key": "Key",
        "login_button": "Log in",
        # Start.
        "start": "Where did the alliance strain, and was it mended?",
        "start_lead": (
            "Drop the transcript of a session. Every turn is read for withdrawal, confrontation "
            "and collaboration, and you see where ruptures were and what followed them."
        ),
        "drop": "Drop a transcript here",
        "drop_or": "or",
        "choose": "Choose a file",
        "drop_formats": "Reads {formats}. Nothing is kept unless you say so.",
        "example": "Look at an example session",
        "options": "The file is not read as it should be?",
        "read_advice": (
            "mend the file, or say below how to read it, under “The file is not read as it should "
            "be?”"
        ),
        "option_format": "Format",
        "option_format_auto": "by the file’s ending",
        "option_encoding": "Encoding",
        "option_encoding_hint": "where it is not UTF-8 or UTF-16, e.g. cp1252",
        "option_column_text": "Column with the words",
        "option_column_speaker": "Column with the speaker",
        "option_column_session": "Column with the session",
        "option_column_hint": "of a table, where its heading is not a usual one",
        "stored": "Stored sessions",
        "stored_hint": "Encrypted on this server; visible to your group alone.",
        "stored_none": "None yet. A session is stored only where you choose it.",
        "stored_session": "Session",
        "stored_when": "Stored",
        "stored_turns": "Turns",
        "stored_reviewed": "Reviewed",
        "how": "How to read this",
        "how_turns": "One label a turn: what does it do to the collaboration, here and now?",
        "how_episode": (
            "Rupture turns close together make an episode. What follows it is told as a repair "
            "signal, or none seen: a sign in the words, never a verdict."
        ),
        "how_abstain": "Where the model is unsure it abstains, and says so.",
        "how_disagree": "You may disagree with every label, by one key. Your label stands beside "
        "the model’s and never over it.",
        "course_card": "New to rupture coding?",
        "course_card_text": (
            "The training room has twelve written sessions with their codes and reasons. Label "
            "first, then compare."
        ),
        "course_card_link": "Open the training room",
        # Speakers and roles.
        "roles": "Who is who?",
        "roles_lead": "Labels are made for client and therapist. Others are read as context.",
        "roles_session": "Session",
        "roles_speaker": "Speaker",
        "roles_turns": "Turns",
        "roles_sample": "Begins with",
        "roles_role": "Role",
        "js_roles_choose": "choose …",
        "js_role_client": "client",
        "js_role_therapist": "therapist",
        "js_role_other": "other",
        "roles_preview": "The first turns",
        "roles_keep": "Keep this session in the store",
        "roles_keep_hint": "Encrypted on this server. Needed to find your review again.",
        "roles_show": "Show the timeline",
        "roles_blind": "Label it myself first",
        "back": "Back",
        # Timeline and review.
        "reviewing_as": "Reviewing as",
        "reviewing_as_hint": "your initials",
        "download": "Save my labels",
        "download_jsonl": "JSON lines",
        "download_csv": "Table",
        "download_hint": (
            "alliance train and alliance agree read both. JSON lines hold the words, and a code "
            "wherever a marker was chosen; the table holds labels and markers, and no words."
        ),
        "store_it": "Keep this session in the store",
        "review": "Your review",
        "review_hint": (
            "n goes to the next rupture, c to the next confrontation, w to the next withdrawal. "
            "Then d disagrees, a agrees, m puts the turn on the playlist."
        ),
        # Training room.
        "training": "Training room",
        "training_lead": (
            "Label a session before you see anybody else’s labels. Then compare: with the settled "
            "coding, with the model, and read why."
        ),
        "training_set": "The teaching set",
        "training_set_hint": (
            "Twelve sessions written for this project, no real person in them. Two coders "
            "labelled each, the differences were settled. The order goes from few kinds of rupture "
            "to many. Yours to use and change (CC BY 4.0)."
        ),
        "training_seen": (
            "The model that comes with the program learned from these sessions too, so how well "
            "it does here says nothing of how well it does elsewhere."
        ),
        "training_own": "A session of your own",
        "training_own_hint": (
            "Open any transcript and choose “Label it myself first”. A trainer’s labels can be "
            "loaded from a file when you compare."
        ),
        "training_seminar": "In a seminar",
        "training_seminar_hint": (
            "The playlist collects moments from any session and shows them large, labels hidden "
            "until you reveal them."
        ),
        "training_starter": "Start with one moment of each marker",
        # Blind coding.
        "coding_transcript": "Transcript",
        "coding_rest": "Leave the rest neutral",
        "coding_compare": "Compare",
        "coding_notes": "Notes on the session",
        "coding_keys": "1–4 label, then a digit for the marker · Enter next · ↑ ↓ move",
        # Comparison.
        "comparison": "Compared",
        "comparison_agreement": "Agreement",
        "comparison_pair": "Who with whom",
        "comparison_turns": "Turns",
        "comparison_same": "Same label",
        "comparison_kappa": "κ",
        "comparison_kappa_long": "Cohen’s kappa, four labels",
        "comparison_rupture": "κ rupture or not",
        "comparison_ac1": "AC1",
        "comparison_ac1_long": "Gwet’s AC1, four labels",
        "comparison_marker": "Same marker",
        "comparison_how": (
            "κ and AC1 are agreement beyond chance: 0 is chance, 1 is perfect. Where ruptures are "
            "rare, κ is harsh and AC1 mild, so read both. One session is few turns: take the "
            "figures as a conversation opener, no grade."
        ),
        "comparison_differences": "Where you differ",
        "comparison_same_everywhere": "Nowhere: every turn you labelled has the same label.",
        "comparison_load": "Load a trainer’s labels",
        "comparison_load_hint": "a file of JSON lines, as this page saves it",
        "comparison_again": "Go on labelling",
        "comparison_timeline": "See the model’s timeline",
        # Playlist and presenter.
        "playlist": "Playlist",
        "playlist_lead": (
            "Moments to show and talk about, from any session. They stay in this window until you "
            "save them: a saved playlist holds the words of the session."
        ),
        "playlist_none": "No moment yet. Select a turn in a timeline and press m.",
        "playlist_present": "Present",
        "playlist_save": "Save to a file",
        "playlist_load": "Load a file",
        "presenter": "Presenter view",
        "presenter_reveal": "Reveal",
        "presenter_previous": "Previous",
        "presenter_next": "Next",
        "presenter_end": "End",
        "presenter_keys": "Space reveals · ← → move · Esc ends",
        # Keys.
        "keys_title": "Keyboard",
        "keys_letters": "Single-letter keys are on",
        "keys_close": "Close",
        "key_d": "disagree with the selected turn’s label",
        "key_a": "agree with it",
        "key_m": "put the turn on the playlist",
        "key_wc": "next withdrawal, next confrontation (with Shift the one before)",
        "key_np": "next and previous rupture episode",
        "key_digits": "choose a label; then, with a digit, its marker (Backspace goes back)",
        "key_enter": "save, or go to the next turn",
        # What the script says.
        "js_review": "Your review",
        "js_too_large": "A file may have {size} MB at most; this one is larger.",
        "js_busy": "Reading the session …",
        "js_busy_turns": "Reading {count} turns; a long session takes a while …",
        "js_many": "{count} sessions in this file; choose one.",
        "js_turns": "{count} turns",
        "js_turn": "Turn {turn}",
        "js_role_missing": "Choose a role for every speaker.",
        "js_role_none": "Choose a client or a therapist; otherwise there is nothing to label.",
        "js_role_of": "Role of {name}",
        "js_failed": "The server did not answer. Is it still running?",
        "js_stored": "Stored for {who}, {time}.",
        "js_kept": "Kept in this window only. Save your labels before you close it.",
        "js_thresholds": "Other thresholds",
        "js_thresholds_ready": "Thresholds can be switched now.",
        "js_kept_in_store": "The session is in the store now.",
        "js_agree": "Agree",
        "js_disagree": "Disagree",
        "js_to_playlist": "To the playlist",
        "js_in_playlist": "Turn {turn} is on the playlist.",
        "js_select_first": "Select a turn first.",
        "js_no_label": "Turn {turn} carries no label: nothing was said, or another person spoke.",
        "js_model": "the model",
        "js_model_abstains": "abstains, nearest",
        "js_you": "you",
        "js_nothing_yet": "nothing yet",
        "js_others": "others",
        "js_label": "Label",
        "js_marker": "Marker",
        "js_marker_none": "not sure which",
        "js_marker_first": "Choose a label; its markers follow.",
        "js_note": "Note",
        "js_save": "Save",
        "js_save_keys": "Ctrl Enter",
        "js_cancel": "Cancel",
        "js_choose_label": "Choose a label first.",
        "js_reviewed": "{count} reviewed",
        "js_reviewed_none": "nothing reviewed yet",
        "js_coded": "{done} of {count} labelled",
        "js_coded_turn": "Turn {turn}: {label}",
        "js_code_some": "Label at least one turn, then compare.",
        "js_rest_done": "{count} turns left neutral.",
        "js_settled": "the settled coding",
        "js_pair": "{one} and {other}",
        "js_kappa_none": "no value",
        "js_marker_count": "{share} of {count}",
        "js_differences": "{count} of your {turns} labelled turns",
        "js_begin": "Label blind",
        "js_go_on": "Go on",
        "js_present_session": "Present",
        "js_why": "Why",
        "js_why_ask": "Why this label?",
        "js_why_busy": "Leaving words and turns out, one by one …",
        "js_why_words": "It rests on the words",
        "js_why_turns": "It rests on turns nearby:",
        "js_why_nothing": "No single word or turn nearby carries it.",
        "js_why_note": "This is what the model went by, not what moved the speaker.",
        "why_above": "Ask for it with the button above; it takes a few seconds.",
        "js_jumped": "{label}: turn {turn}",
        "js_none_left": "No {label} further on.",
        "js_no_words": "(no words)",
        "js_file_unread": (
            "expected a file that this page saved, found another; choose one of those"
        ),
        "js_coding_other": (
            "expected labels of this session, found those of another; choose its file"
        ),
        "js_moment_up": "Move up",
        "js_moment_down": "Move down",
        "js_moment_remove": "Remove",
        "js_moment_note": "Note for the seminar",
        "js_moment_of": "{number} of {count}",
        "js_loaded_moments": "{count} moments loaded.",
        "js_speaker_client": "Client",
        "js_speaker_therapist": "Therapist",
        "js_page_of_none": "There is no session here any more. Open the transcript again.",
    }
)
