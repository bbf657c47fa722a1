"""Valid files with something broken in them: a result or one clear sentence, never a hang."""

import io
import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alliance.model.errors import TranscriptError
from alliance.model.formats import read_sessions

FOLDER = Path(__file__).parents[2] / "data" / "annotations"
FILES = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir())}
ROLES = {
    **dict.fromkeys(("A", "0", "SPEAKER_00", "spk_0", "ch_0", "THE"), "therapist"),
    **dict.fromkeys(("B", "1", "SPEAKER_01", "spk_1", "ch_1", "CLI", "Gaze"), "client"),
    **dict.fromkeys(("INV", "unknown"), "other"),
}
SCRAPS = st.sampled_from(
    [b"", b"\n", b'"', b"<", b">", b"&", b"\0", b"\xff", b"0", b"-1", b"1e999", b"NaN", b"null",
     b"[]", b"{}", b"\t", b"*", b"%", b"@", b"\x15", b"9999999999999999", b"<exists>", b"]]>",
     b"<!DOCTYPE x>", b"<!--", b"\xef\xbb\xbf", "é".encode(), b"/>", b":", b" "]
)  # fmt: skip
PATIENT = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))


def check(name: str, data: bytes) -> None:
    try:
        sessions = list(read_sessions(io.BytesIO(data), name=name, roles=ROLES))
    except TranscriptError as error:
        message = str(error)
    else:
        assert all(session.turns for session in sessions)
        assert sessions
        return
    assert message.startswith(f"{name}:")
    assert "\n" not in message
    assert "expected " in message
    assert "; " in message, "it says what to do"
    # Words of the fixtures that are nobody's name.
    assert not re.search(r"\b(?:week|Tell me|really|Did you)\b", message)


@pytest.mark.parametrize("name", FILES)
def test_they_are_valid(name: str) -> None:
    (session,) = read_sessions(io.BytesIO(FILES[name]), name=name, roles=ROLES)
    assert len(session.turns) >= 2


@PATIENT
@given(st.sampled_from(sorted(FILES)), st.data())
def test_bytes_cut_doubled_and_replaced(name: str, data: st.DataObject) -> None:
    content = FILES[name]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = min(len(content), start + data.draw(st.integers(0, 40)))
        middle = data.draw(SCRAPS | st.just(content[start:end] * 2))
        content = content[:start] + middle + content[end:]
    check(name, content)


@pytest.mark.parametrize("name", FILES)
def test_cut_off_anywhere(name: str) -> None:
    content = FILES[name]
    for end in range(0, len(content), max(1, len(content) // 150)):
        check(name, content[:end])


@PATIENT
@given(st.sampled_from(sorted(n for n in FILES if not n.endswith("json"))), st.randoms())
def test_lines_in_another_order(name: str, chance: random.Random) -> None:
    lines = FILES[name].splitlines(keepends=True)
    place = chance.randrange(len(lines))
    moved = lines.pop(place)
    lines.insert(chance.randrange(len(lines)), moved)
    check(name, b"".join(lines))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "0.5", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@PATIENT
@given(st.sampled_from(sorted(n for n in FILES if n.endswith("json"))), st.data())
def test_values_of_another_kind(name: str, data: st.DataObject) -> None:
    document = json.loads(FILES[name])
    places: list[tuple[dict[str, object] | list[object], str | int]] = []
    waiting: list[object] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            places.extend((value, key) for key in value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            places.extend((value, place) for place in range(len(value)))
            waiting.extend(value)
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(ANYTHING)  # type: ignore[call-overload,index]
    check(name, json.dumps(document).encode())


@pytest.mark.parametrize("inner", ["[", '{"segments":'])
def test_brackets_without_end(inner: str) -> None:
    check("a.json", (inner * 200_000).encode())
