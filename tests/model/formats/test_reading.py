import io
from collections.abc import Callable
from pathlib import Path

import pytest

from alliance.model import formats
from alliance.model.errors import ConfigError, TranscriptError
from alliance.model.formats import FORMATS, SUFFIXES, RoleMap, read_session, read_sessions
from alliance.model.session import Session

Read = Callable[..., list[Session]]

PLAIN = "T: Hello.\nC: Hi.\n"
TABLE = "session,speaker,text\n" + "".join(f"s{n},C,Hi.\n" for n in range(14))


def test_what_is_exported() -> None:
    assert set(formats.__all__) == {
        "FIELDS",
        "FORMATS",
        "SUFFIXES",
        "Format",
        "RoleMap",
        "read_session",
        "read_sessions",
    }
    assert all(hasattr(formats, name) for name in formats.__all__)


def test_every_suffix_has_a_format() -> None:
    assert list(FORMATS)[:9] == [
        *("txt", "csv", "tsv", "jsonl", "json", "vtt", "srt", "docx", "xlsx")
    ]
    assert {SUFFIXES[suffix] for suffix in SUFFIXES} == set(FORMATS) - {"convokit"}
    assert {name for name, each in FORMATS.items() if each.names} == {"convokit"}
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in SUFFIXES)
    assert len(SUFFIXES) == sum(len(each.suffixes) for each in FORMATS.values())
    assert all(each.description for each in FORMATS.values())


def test_paths_and_streams(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.txt"
    path.write_text(PLAIN)
    expected = read("a.txt", PLAIN)
    assert [read_session(path)] == [read_session(str(path))] == expected
    with path.open("rb") as stream:
        assert list(read_sessions(stream)) == expected
        assert not stream.closed
    assert read("-", PLAIN, format="txt")[0].id == "stdin"
    assert read("x.csv", PLAIN, format="txt")[0].id == "x"
    assert read_session(path, name="other.txt").id == "other"


def test_roles_as_a_map_or_a_mapping(read: Read) -> None:
    for roles in (RoleMap({"T": "other"}), {"T": "other"}):
        assert read("a.txt", PLAIN, roles=roles)[0].turns[0].speaker == "other T"


def test_an_other_called_therapist_is_no_therapist(read: Read) -> None:
    (session,) = read("a.csv", "speaker,text\ntherapist,x\n", roles={"therapist": "other"})
    assert session.turns[0].role == "other"


@pytest.mark.parametrize("name", ["talk.doc", "talk.png", "talk", "-", "talk.vtt.bak", ".txt"])
def test_unknown_suffixes(read: Read, tmp_path: Path, name: str) -> None:
    with pytest.raises(TranscriptError, match=r"\.txt, .*\.csv.*\.vtt.*--input-format \(txt") as e:
        read(name, PLAIN)
    found = {"talk.doc": ".doc", "-": "standard input"}.get(name, "")
    assert f"found {found}" in str(e.value)
    assert str(e.value).startswith(f"{name}: expected a transcript")


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for path, found in ((tmp_path / "no.txt", "no such file"), (tmp_path, "a folder")):
        with pytest.raises(TranscriptError, match=f"expected a transcript, found {found}; ") as e:
            list(read_sessions(path))
        assert str(e.value).startswith(f"{path}: ")


def test_arguments_are_checked_at_once() -> None:
    stream = io.BytesIO(b"")
    with pytest.raises(ConfigError, match=r"expected one of the formats txt, .*, found 'doc'"):
        read_sessions(stream, format="doc")
    with pytest.raises(ConfigError, match="--encoding"):
        read_sessions(stream, encoding="utf-9")
    with pytest.raises(ConfigError, match="--column"):
        read_sessions(stream, columns={"x": "y"})
    with pytest.raises(ConfigError, match="found 'boss'"):
        read_sessions(stream, roles={"Anna": "boss"})


@pytest.mark.parametrize("name", [f"a{suffix}" for suffix in SUFFIXES])
@pytest.mark.parametrize(
    "data", [b"", b"\n\r\n", b" ", b"\xef\xbb\xbf", b"\xff\xfe", b"\x89PNG\r\n\x1a\n\0", b"\xff"]
)
def test_files_with_nothing_in_them(read: Read, name: str, data: bytes) -> None:
    with pytest.raises(TranscriptError, match=r"expected .* found ") as error:
        read(name, data)
    message = str(error.value)
    assert message.startswith(f"{name}:")
    assert "\n" not in message
    assert "; " in message, "it says what to do"


def test_one_session_is_asked_for(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(TABLE)
    with pytest.raises(
        TranscriptError, match=r"expected one session, found several \(s0, s1,"
    ) as e:
        read_session(path)
    assert "s9, …)" in str(e.value)
    path.write_text("".join(TABLE.splitlines(keepends=True)[:3]))
    with pytest.raises(TranscriptError, match=r"found several \(s0, s1\); use read_sessions"):
        read_session(path)
    path.write_text("".join(TABLE.splitlines(keepends=True)[:2]))
    assert read_session(path).id == "s0"
    path.write_text("session,speaker,text\n")
    with pytest.raises(TranscriptError, match="found no turns"):
        read_session(path)


def test_sessions_come_before_an_error_further_down() -> None:
    content = "session,speaker,text\ns1,T,Hi.\ns2,C,Hi.\ns3,Anna,Hi.\n"
    sessions = read_sessions(io.BytesIO(content.encode()), name="a.csv")
    assert [next(sessions).id, next(sessions).id] == ["s1", "s2"]
    with pytest.raises(TranscriptError, match=r"a\.csv:4: .*'Anna'"):
        next(sessions)


def test_names_in_errors_are_on_one_line(read: Read) -> None:
    with pytest.raises(TranscriptError) as error:
        read("a.jsonl", r'{"turns": [{"speaker": "An\nna\u0007 \u2028B", "text": "x"}]}')
    assert "'An na B'" in str(error.value)
    assert str(error.value).isprintable()
