import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alliance.model.errors import TranscriptError, UnknownSpeakerError
from alliance.model.formats import read_session
from alliance.model.session import Session

Said = Callable[..., list[tuple[str, str]]]
Read = Callable[..., list[Session]]

T, C = "therapist", "client"
FOLDER = Path(__file__).parents[2] / "data" / "annotations"


def document(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("name", "speakers", "turns"),
    [
        (
            "whisperx",
            ("SPEAKER_00", "SPEAKER_01"),
            [
                (T, "How was your week? Tell me.", 31, 2000),
                (C, "Fine. 7 days.", 2100, 3000),
                (T, "Good.", 3200, 4000),
            ],
        ),
        (
            "deepgram",
            ("0", "1"),
            [(T, "How was it?", 80, 900), (C, "Fine.", 1200, 1800), (T, "Good.", 2000, 2400)],
        ),
        ("assemblyai", ("A", "B"), [(T, "How was it?", 250, 900), (C, "Fine.", 1200, 1800)]),
        (
            "aws",
            ("spk_0", "spk_1"),
            [(T, "How was it?", 80, 900), (C, "Fine.", 1200, 1800), (T, "Good.", 2000, 2400)],
        ),
        (
            "aws_channels",
            ("ch_0", "ch_1"),
            [(T, "How was it?", 80, 1900), (C, "Fine.", 1200, 1800), (T, "Good.", 2000, 2400)],
        ),
        ("rev", ("0", "1"), [(T, "How was it?", 500, 1100), (C, "<inaudible> fine.", 1500, 2250)]),
    ],
)
def test_a_document_of_each(
    name: str, speakers: tuple[str, str], turns: list[tuple[str, str, int, int]]
) -> None:
    path = FOLDER / f"{name}.json"
    with pytest.raises(UnknownSpeakerError) as error:
        read_session(path)
    assert error.value.speakers == speakers
    assert f"--role '{speakers[0]}=therapist|client|other'" in str(error.value)
    session = read_session(path, roles=dict(zip(speakers, (T, C), strict=True)))
    assert session.id == name
    assert [(t.speaker, t.text, t.start_ms, t.end_ms) for t in session.turns] == turns


def test_the_third_speaker_is_not_the_client_for_being_c(read: Read, said: Said) -> None:
    utterances = [
        {"speaker": name, "start": n, "end": n, "text": "Hi."} for n, name in enumerate("ABC")
    ]
    content = json.dumps({"utterances": utterances})
    with pytest.raises(UnknownSpeakerError, match="found 'A', 'B', 'Speaker C'; add --role 'A="):
        read("a.json", content)
    for name in ("C", "Speaker C"):
        turns = said("a.json", content, roles={"A": T, "B": "other", name: C})
        assert turns == [(T, "Hi."), ("B", "Hi."), (C, "Hi.")]


def without(value: Any, *keys: str) -> Any:
    """The JSON value without these keys, however deep."""
    if isinstance(value, dict):
        return {key: without(each, *keys) for key, each in value.items() if key not in keys}
    return [without(each, *keys) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("name", "keys", "asked"),
    [
        ("whisperx", ("speaker",), "WhisperX's .* found 3 pieces .* again with --diarize"),
        ("deepgram", ("speaker",), "Deepgram's .* again with diarize=true"),
        ("assemblyai", ("speaker", "utterances"), "AssemblyAI's .* again with speaker_labels=true"),
        ("aws", ("speaker_label", "speaker_labels"), "AWS .* again with speaker partitioning"),
        ("rev", ("speaker",), "Rev's .* again with speaker diarization"),
    ],
)
def test_nobody_is_named(read: Read, name: str, keys: tuple[str, ...], asked: str) -> None:
    with pytest.raises(TranscriptError, match=rf"^a\.json: expected speakers in {asked}"):
        read("a.json", json.dumps(without(document(name), *keys)))


def test_words_ascribed_to_nobody_are_asked_for(read: Read, said: Said) -> None:
    segments = [
        {"start": 0, "end": 1, "text": " Hi.", "speaker": "SPEAKER_00"},
        {"start": 1, "end": 2, "text": " whisper"},
    ]
    content = json.dumps({"segments": segments})
    with pytest.raises(UnknownSpeakerError, match="'SPEAKER_00', 'unknown'") as error:
        read("a.json", content)
    assert "whisper" not in str(error.value)
    roles = {"SPEAKER_00": T, "unknown": "other"}
    assert said("a.json", content, roles=roles) == [(T, "Hi."), ("unknown", "whisper")]


def test_segments_of_languages_without_spaces(said: Said) -> None:
    words = [
        {"word": word, "start": n, "end": n + 1, "speaker": speaker}
        for n, (word, speaker) in enumerate([("你", "A"), ("好", "A"), ("嗯", "B"), ("。", "B")])
    ]
    content = json.dumps({"segments": [{"start": 0, "end": 4, "text": "你好嗯。", "words": words}]})
    assert said("a.json", content, roles={"A": T, "B": C}) == [(T, "你好"), (C, "嗯。")]
    aws = without(document("aws"))
    aws["results"]["language_code"] = "ja-JP"
    roles = {"spk_0": T, "spk_1": C}
    assert said("a.json", json.dumps(aws), roles=roles)[0] == (T, "Howwasit?")


def test_openais_diarized_json(said: Said) -> None:
    segments = [
        {"id": "seg_1", "type": "transcript.text.segment", "start": 0.0, "end": 1.5,
         "text": "Hello.", "speaker": "A"},
        {"id": "seg_2", "type": "transcript.text.segment", "start": 1.5, "end": 2.0,
         "text": "Hi.", "speaker": "B"},
    ]  # fmt: skip
    content = json.dumps({"task": "transcribe", "duration": 2.0, "text": "…", "segments": segments})
    assert said("a.json", content, roles={"A": T, "B": C}) == [(T, "Hello."), (C, "Hi.")]


def test_a_channel_for_each_speaker(said: Said) -> None:
    def words(*each: tuple[str, float, float]) -> dict[str, Any]:
        found = [
            {"word": word.lower(), "punctuated_word": word, "start": start, "end": end}
            for word, start, end in each
        ]
        return {"alternatives": [{"transcript": "…", "words": found}]}

    # Each goes on while the other answers: phrases stay whole, whoever talks in between.
    one = words(("Tell", 0, 0.5), ("me", 0.5, 1.2), ("more", 1.2, 2), ("Good.", 5, 6))
    two = words(("Mm.", 0.6, 0.9), ("I", 2.5, 3), ("will.", 3, 4))
    content = json.dumps({"results": {"channels": [one, two]}})
    roles = {"channel 0": T, "channel 1": C}
    assert said("a.json", content, roles=roles) == [
        (T, "Tell me more"),
        (C, "Mm. I will."),
        (T, "Good."),
    ]


def test_names_of_rev(said: Said) -> None:
    content = document("rev")
    content["speakers"] = [{"id": 0, "name": "Dr. Lee"}]
    content["monologues"][1]["speaker_info"] = {"id": "x", "display_name": "Client"}
    assert [speaker for speaker, _ in said("a.json", json.dumps(content))] == [T, C]
    # rev.com's transcripts by people
    element = {"type": "text", "value": "Hello.", "timestamp": "00:00:01,410",
               "end_timestamp": "00:00:05,990"}  # fmt: skip
    tag = {"type": "tag", "name": "crosstalk"}
    content = {"monologues": [{"speaker": 1, "elements": [element, tag, element]}]}
    assert said("a.json", json.dumps(content), roles={"1": C}) == [(C, "Hello. [crosstalk] Hello.")]


def test_our_own_sessions_come_first(said: Said) -> None:
    own = {"turns": [{"speaker": "T", "text": "Hi."}], "segments": [], "utterances": [1]}
    assert said("a.json", json.dumps(own)) == [(T, "Hi.")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"segments": 1}, "WhisperX's JSON with 'segments', a list of objects, found something"),
        ({"segments": ["whisper"]}, "'segments', a list of objects"),
        ({"segments": [{"text": 1}]}, "'text', a text"),
        ({"segments": [{"text": "whisper", "start": "soon"}]}, "'start', a time in seconds"),
        ({"segments": [{"text": "whisper", "start": 1e99}]}, "'start', a time in seconds"),
        ({"segments": [{"text": "whisper", "speaker": []}]}, "'speaker', a name or a whole number"),
        ({"segments": []}, "found no words; check that the transcription was completed"),
        ({"utterances": [{"text": "x", "start": 0.25}]}, "a time in milliseconds|whole millisec"),
        ({"words": None, "audio_duration": 3}, "AssemblyAI's JSON with 'words'"),
        ({"results": {"channels": {}}}, "Deepgram's JSON with 'channels'"),
        ({"results": {"channels": [{"alternatives": [{}]}]}}, "Deepgram's JSON with 'words'"),
        ({"results": {"items": [{"type": "pronunciation"}]}}, "AWS .* 'alternatives'"),
        ({"results": {"items": [], "channel_labels": {}}}, "AWS .* 'channels'"),
        ({"results": {"transcripts": []}}, "AWS .* 'items'"),
        ({"monologues": [{"elements": [{}]}]}, "Rev's JSON with 'value', a text"),
    ],
)  # fmt: skip
def test_documents_that_are_wrong(read: Read, content: Any, message: str) -> None:
    with pytest.raises(TranscriptError, match=rf"^a\.json: expected .*{message}") as error:
        read("a.json", json.dumps(content))
    assert "whisper" not in str(error.value)


def test_a_time_that_runs_back_is_no_error(read: Read) -> None:
    segment = {"start": 2, "end": 1, "text": "Hi.", "speaker": "A"}
    (session,) = read("a.json", json.dumps({"segments": [segment]}), roles={"A": T})
    assert (session.turns[0].start_ms, session.turns[0].end_ms) == (2000, 2000)
