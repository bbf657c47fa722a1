import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alliance.model.codebook import MARKER_ORDER, Label, Marker
from alliance.model.codings import read_codings
from alliance.model.errors import AllianceError, ConfigError, TranscriptError
from alliance.model.labelled import LabelledSession
from alliance.serve.formats.columns import TURN_COLUMNS
from alliance.serve.formats.label_studio import labelling_config
from alliance.serve.formats.label_studio_back import AnnotatedTasks, read_annotations

Write = Callable[..., bytes]


def tasks(data: bytes) -> list[dict[str, Any]]:
    read = json.loads(data)
    assert isinstance(read, list)
    return read


def exported(data: bytes, *coders: Any) -> list[dict[str, Any]]:
    """The tasks as people export them who have accepted every prediction."""
    out = []
    for n, task in enumerate(tasks(data), 1):
        prediction = task.pop("predictions")[0]
        annotations = [
            {"id": n, "completed_by": coder, "was_cancelled": False, "result": prediction["result"]}
            for coder in coders
        ]
        out.append({"id": n, "annotations": annotations, "predictions": [], **task})
    return out


def back(export: Any) -> AnnotatedTasks | None:
    return read_annotations(io.BytesIO(json.dumps(export).encode()), name="export.json")


def region(start: int, end: int, begin: int, stop: int, label: str) -> dict[str, Any]:
    return {
        "id": f"r{start}{begin}",
        "from_name": "label",
        "type": "paragraphlabels",
        "value": {
            "start": str(start),
            "end": str(end),
            "startOffset": begin,
            "endOffset": stop,
            "paragraphlabels": [label],
        },
    }


def test_a_task_is_a_dialogue_with_a_prediction(session: LabelledSession, written: Write) -> None:
    (task,) = tasks(written("labelstudio", session))
    assert [turn["text"] for turn in task["data"]["dialogue"]] == [t.turn.text for t in session]
    assert [turn["author"] for turn in task["data"]["dialogue"]][-1] == "Mother"
    assert task["data"]["dialogue"][1]["start"] == 2.0
    (prediction,) = task["predictions"]
    assert prediction["model_version"] == "stub-1"
    assert prediction["score"] == 0.7
    regions = [r for r in prediction["result"] if r["type"] == "paragraphlabels"]
    assert [r["value"]["paragraphlabels"] for r in regions] == [
        ["neutral"],
        ["withdrawal"],
        ["alliance_positive"],
        ["confrontation"],
    ]
    choices = [r for r in prediction["result"] if r["type"] == "choices"]
    assert [r["value"]["choices"] for r in choices] == [
        ["W2 minimal response"],
        ["PR repair"],
        ["C1 complaint about the therapist"],
    ]
    assert {r["id"] for r in choices} < {r["id"] for r in regions}


def test_offsets_count_as_browsers_do(session: LabelledSession, written: Write) -> None:
    (task,) = tasks(written("labelstudio", session))
    for result in task["predictions"][0]["result"]:
        value = result["value"]
        text = task["data"]["dialogue"][int(value["start"])]["text"]
        assert value["start"] == value["end"]
        units = text.encode("utf-16-le")  # two bytes a unit
        assert units[2 * value["startOffset"] : 2 * value["endOffset"]].decode("utf-16-le") == text
    emoji = task["predictions"][0]["result"][1]["value"]
    assert emoji["endOffset"] == len(session.turns[1].turn.text) + 1, "an emoji is two units"


def test_the_interface_knows_every_label_and_marker(
    session: LabelledSession, written: Write
) -> None:
    view = ET.fromstring(labelling_config())
    labels = view.findall("ParagraphLabels/Label")
    assert [each.get("value") for each in labels] == [label.value for label in Label]
    hotkeys = [each.get("hotkey") for each in labels]
    assert len(set(hotkeys)) == 4
    choices = {str(each.get("value")).split()[0] for each in view.findall("Choices/Choice")}
    assert choices == {marker.value for marker in MARKER_ORDER} - {"N"}
    names = {each.get("name") for each in view}
    values = {str(each.get("value")) for each in (*labels, *view.findall("Choices/Choice"))}
    for result in tasks(written("labelstudio", session))[0]["predictions"][0]["result"]:
        assert {result["from_name"], result["to_name"]} <= names
        value = result["value"]
        assert {*value.get("paragraphlabels", ()), *value.get("choices", ())} <= values
    paragraphs = view.find("Paragraphs")
    assert paragraphs is not None
    assert (paragraphs.get("value"), paragraphs.get("nameKey")) == ("$dialogue", "author")


def test_there_and_back(session: LabelledSession, written: Write, tmp_path: Path) -> None:
    made = back(exported(written("labelstudio", session, session), 1))
    assert made is not None
    assert made.columns == (*TURN_COLUMNS, "label", "marker")
    rows = made.rows
    assert len(rows) == 12
    for row, labelled in zip(rows, [*session, *session], strict=True):
        label, marker, turn = labelled.label, labelled.marker, labelled.turn
        assert row.get("label") == (None if label is None else label.value)
        assert row.get("marker") == (None if marker in (None, Marker.N) else marker.value)
        assert (row["text"], row["speaker"]) == (turn.text, turn.speaker)
        assert (row["start_ms"], row["utterance_id"]) == (turn.start_ms, turn.utterance_id)
    path = tmp_path / "coding.csv"
    path.write_bytes(written("csv", rows=rows[:6], columns=made.columns))
    (coding,) = read_codings(path)
    codes = [None if turn.code is None else turn.code.label for turn in coding.turns]
    assert codes == [labelled.label for labelled in session], "as agree and train read it"


def test_several_coders_are_columns(
    session: LabelledSession, written: Write, tmp_path: Path
) -> None:
    export = exported(written("labelstudio", session), {"id": 3, "email": "ann@x.org"}, 7)
    export[0]["annotations"][1]["result"] = [region(3, 3, 0, 5, "withdrawal")]
    export[0]["annotations"].append({"completed_by": 9, "was_cancelled": True, "result": []})
    made = back(export)
    assert made is not None
    assert made.coders == ("ann", "7")
    assert made.columns[-2:] == ("coder_ann", "coder_7")
    assert [row["coder_ann"] for row in made.rows] == ["neutral", "W2", "PR", "C1", None, None]
    assert [row["coder_7"] for row in made.rows] == [*[None] * 3, "withdrawal", None, None]
    path = tmp_path / "coding.csv"
    path.write_bytes(written("csv", rows=made.rows, columns=made.columns))
    assert [coding.coder for coding in read_codings(path)] == ["coder_ann", "coder_7"]


def test_a_region_labels_each_turn_that_it_touches(
    session: LabelledSession, written: Write
) -> None:
    export = exported(written("labelstudio", session), 1)
    length = len(export[0]["data"]["dialogue"][0]["text"])
    result = export[0]["annotations"][0]["result"]
    result[:] = [region(0, 3, length, 0, "withdrawal")]
    made = back(export)
    assert made is not None
    assert [row.get("label") for row in made.rows] == [None, *["withdrawal"] * 2, *[None] * 3]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ([region(0, 0, 0, 1, "sad")], r"task 1, found another; correct it"),
        ([region(0, 9, 0, 1, "neutral")], "within the task's 6 turns in task 1, found one outside"),
        (
            [region(1, 1, 0, 3, "neutral"), region(1, 1, 3, 5, "withdrawal")],
            "one label on turn 1 in task 1, found two; delete one of coder 1's regions",
        ),
        (
            [{"id": "r", "type": "choices", "value": {"choices": ["sobs"]}}],
            "begin with a marker such as W2",
        ),
    ],
)
def test_errors_name_the_task(
    session: LabelledSession, written: Write, result: list[Any], said: str
) -> None:
    export = exported(written("labelstudio", session), 1)
    export[0]["annotations"][0]["result"] = result
    with pytest.raises(TranscriptError, match=said) as raised:
        back(export)
    assert str(raised.value).startswith("export.json: ")


def test_what_is_no_export(session: LabelledSession, written: Write) -> None:
    assert back([{"speaker": "T", "text": "x"}]) is None
    assert read_annotations(io.BytesIO(b"{"), name="x.json") is None
    with pytest.raises(TranscriptError, match="nobody has submitted"):
        back(exported(written("labelstudio", session)))


def test_without_labels_there_is_nothing_to_see(session: LabelledSession, written: Write) -> None:
    rows = [{"session_id": "s", "turn": 0, "speaker": "client", "text": "No."}]
    (task,) = tasks(written("labelstudio", rows=rows, columns=TURN_COLUMNS))
    assert "predictions" not in task
    assert tasks(written("labelstudio")) == []
    with pytest.raises(ConfigError, match="--no-text"):
        written("labelstudio", session, include_text=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "type",
                    "value",
                    "start",
                    "end",
                    "startOffset",
                    "endOffset",
                    "result",
                    "choices",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(result=JSON, annotations=JSON, text=st.text(max_size=20))
def test_any_export_ends_in_rows_or_an_error(result: Any, annotations: Any, text: str) -> None:
    dialogue = [{"author": "client", "text": text}]
    for given_ in ([{"completed_by": 1, "result": result}], annotations):
        try:
            made = back([{"data": {"dialogue": dialogue}, "annotations": given_}])
        except AllianceError:
            continue
        assert made is not None
