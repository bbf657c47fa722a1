import dataclasses
import datetime as dt
import hashlib
import json
import pickle
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from alliance.model.codebook import Label, Marker
from alliance.model.errors import InputError, MissingExtraError, TranscriptError
from alliance.model.session import Session, Turn
from alliance.training import corpora
from alliance.training.corpora import CodedSession
from alliance.training.corpora.download import download

SHARED = Path(__file__).parents[2].parent / "shared" / "corpora"
ANNOMI = SHARED / "annomi" / "AnnoMI-simple.csv"
FAILED_ESCONV = SHARED / "failed_esconv" / "sessions.jsonl"
needs_annomi = pytest.mark.skipif(not ANNOMI.exists(), reason="AnnoMI's text is not at hand")


def session(*speakers: str) -> Session:
    return Session(id=id, turns=tuple(Turn(speaker, "words") for speaker in speakers))


def line(**changes: object) -> str:
    turn = {
        "speaker": "client",
        "text": "SECRET words",
        "code": "N",
        "coder_a": "N",
        "coder_b": "W2",
    }
    return json.dumps({"id": "one", "turns": [turn], **changes})


# --- CodedSession


def test_a_coded_session_gives_the_labels_of_its_codes() -> None:
    codes = (Marker.PR, None, Marker.W2)
    coded = CodedSession(session("therapist", "Mother", "client"), codes, codes, (None,) * 3)
    assert coded.labels == (Label.ALLIANCE_POSITIVE, None, Label.WITHDRAWAL)
    assert len(coded) == 3


def test_a_coding_has_one_entry_per_turn() -> None:
    with pytest.raises(ValueError, match="coder_b has 1 codes for 2 turns"):
        CodedSession(session("client", "client"), (None,) * 2, (None,) * 2, (None,))


@pytest.mark.parametrize(("speaker", "code"), [("client", "WT"), ("therapist", "C1"), ("Ann", "N")])
def test_a_code_must_be_one_its_speaker_may_carry(speaker: str, code: str) -> None:
    with pytest.raises(ValueError, match=f"coder_a of turn 0 is {code}"):
        CodedSession(session(speaker), (None,), (Marker(code),), (None,))


def test_coded_sessions_pickle_and_their_facts_cannot_be_changed() -> None:
    coded = CodedSession(session("client"), (None,), (None,), (None,), facts={"style": "chat"})
    assert pickle.loads(pickle.dumps(coded)) == coded
    with pytest.raises(TypeError):
        coded.facts["style"] = "other"  # type: ignore[index]


# --- shipped corpora


def test_authored_holds_what_its_card_says() -> None:
    sessions = corpora.authored()
    assert (len(sessions), sum(len(s) for s in sessions)) == (384, 15780)
    labels = Counter(label for s in sessions for label in s.labels)
    assert [labels[label] for label in Label] == [2717, 1735, 1187, 10141]
    assert all(set(s.facts) == {"setting", "client", "pattern", "style"} for s in sessions)
    assert all(None not in s.coder_a and None not in s.coder_b for s in sessions)
    assert sum(s.coder_a != s.coder_b for s in sessions) > 100  # not one coding read twice


@pytest.mark.parametrize(
    ("name", "count", "turns"),
    [
        ("everyday", 204, 9311),
        ("quiet", 104, 6052),
        ("varied", 94, 5422),
        ("registers", 48, 2720),
    ],
)
def test_later_sessions_hold_what_their_card_says(name: str, count: int, turns: int) -> None:
    sessions = corpora.load(name)
    assert (len(sessions), sum(len(s) for s in sessions)) == (count, turns)
    assert all(set(s.facts) == {"setting", "client", "pattern", "style"} for s in sessions)
    assert all(None not in s.coder_a and None not in s.coder_b for s in sessions)
    # Not one coding read twice.
    assert sum(s.coder_a != s.coder_b for s in sessions) > count * 0.4
    others = [s for other, read in corpora.WRITTEN.items() if other != name for s in read()]
    assert not {s.id for s in sessions} & {s.id for s in others}


def test_our_annomi_labels_hold_no_text() -> None:
    rows = corpora.annomi_labels()
    assert len(rows) == 8037
    assert set(rows[0]) == {
        "transcript_id", "utterance_id", "speaker", "code", "coder_a", "coder_b", "fold",
    }  # fmt: skip


# --- AnnoMI


@needs_annomi
def test_annomi_is_the_109_coded_sessions_and_no_other() -> None:
    sessions = corpora.annomi(ANNOMI)
    assert (len(sessions), sum(len(s) for s in sessions)) == (109, 8037)
    labels = Counter(label for s in sessions for label in s.labels)
    assert [labels[label] for label in Label] == [1034, 163, 330, 6510]
    assert {s.fold for s in sessions} == {0, 1, 2, 3, 4}
    assert all(
        [turn.utterance_id for turn in s.session.turns] == [str(i) for i in range(len(s))]
        for s in sessions
    )
    assert all(turn.text for s in sessions for turn in s.session.turns)


@needs_annomi
def test_annomi_text_meets_its_own_label() -> None:
    by_id = {s.id: s for s in corpora.annomi(ANNOMI)}
    rows = {(r["transcript_id"], r["utterance_id"]): r for r in corpora.annomi_labels()}
    for s in by_id.values():
        for turn, code, a, b in zip(s.session.turns, s.codes, s.coder_a, s.coder_b, strict=True):
            row = rows[s.id, turn.utterance_id]
            assert (turn.speaker, code, a, b, str(s.fold)) == (
                row["speaker"], row["code"], row["coder_a"], row["coder_b"], row["fold"],
            )  # fmt: skip


@needs_annomi
def test_annomi_quality_is_known_for_every_coded_session() -> None:
    quality = corpora.annomi_quality(ANNOMI)
    assert quality.keys() == {s.id for s in corpora.annomi(ANNOMI)}
    assert Counter(quality.values()) == {"high": 91, "low": 18}


def test_another_version_of_annomi_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "AnnoMI-simple.csv"
    file.write_text("transcript_id,utterance_id\n0,SECRET\n")
    with pytest.raises(InputError, match=r"b178db3b0b98.*wrong turns") as caught:
        corpora.annomi(file)
    assert "SECRET" not in str(caught.value)


def test_a_missing_annomi_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="alliance corpora fetch annomi"):
        corpora.load(f"annomi:{tmp_path / 'none.csv'}")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="XDG is the habit of Linux")
def test_annomi_lives_in_the_users_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert corpora.annomi_path() == tmp_path / "alliance-rupture/corpora/AnnoMI-simple.csv"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert corpora.annomi_path().is_relative_to(tmp_path / ".local/share")


# --- JSON lines


def test_coded_json_lines_are_read(tmp_path: Path) -> None:
    file = tmp_path / "coded.jsonl"
    author = {"speaker": "therapist", "text": "x", "code": None, "coder_author": "PT"}
    second = line(id="two", turns=[author], fold=3, style="chat", date="2026-01-31")
    file.write_text("\ufeff" + line() + "\r\n\n" + second + "\n", encoding="utf-8")
    one, two = corpora.coded_jsonl(file)
    assert (one.codes, one.coder_a, one.coder_b) == ((Marker.N,), (Marker.N,), (Marker.W2,))
    assert one.session.turns == (Turn("client", "SECRET words"),)
    assert (two.codes, two.coder_a, two.coder_b) == ((None,), (Marker.PT,), (None,))
    assert (two.fold, dict(two.facts)) == (3, {"style": "chat"})
    assert two.session.date == dt.date(2026, 1, 31)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("not json SECRET", "JSON object in UTF-8"),
        ("[1]", "found list"),
        (line(turns="SECRET"), "'turns' is not a list"),
        (line(turns=[{"speaker": "client", "text": "SECRET"}]), "found no 'code'"),
        (line(turns=[{"speaker": "client", "text": 3, "code": "N"}]), "'text' is not a string"),
        (
            line(turns=[{"speaker": "client", "text": "SECRET", "code": "X9"}]),
            "unknown marker 'X9'",
        ),
        (line(turns=[{"speaker": "client", "text": "SECRET", "code": "CT"}]), "does not allow"),
        (line(turns=[{"speaker": " ", "text": "SECRET", "code": "N"}]), "needs a speaker"),
        (line(id=5), "'id' is not a string"),
        (line(fold="a"), "'fold' is not an integer"),
        (line(date="yesterday"), "isoformat"),
        (line(id="zero"), "'zero' again"),
    ],
)
def test_a_bad_line_is_named_without_its_text(tmp_path: Path, bad: str, message: str) -> None:
    file = tmp_path / "coded.jsonl"
    file.write_text(line(id="zero") + "\n" + bad + "\n")
    with pytest.raises(TranscriptError, match=message) as caught:
        corpora.coded_jsonl(file)
    assert str(caught.value).startswith(f"{file}:2: ")
    assert "SECRET" not in str(caught.value)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"")
    with pytest.raises(TranscriptError, match="found none"):
        corpora.coded_jsonl(tmp_path / "empty.jsonl")


def test_a_corpus_is_loaded_by_name_or_path(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text(line())
    assert [s.id for s in corpora.load(str(tmp_path / "c.jsonl"))] == ["one"]
    assert corpora.load("authored") == corpora.authored()
    with pytest.raises(InputError, match="found 'nowhere'"):
        corpora.load("nowhere")


@needs_annomi
def test_annomi_is_loaded_by_either_form() -> None:
    assert corpora.load(f"annomi:{ANNOMI}") == corpora.load("annomi", annomi_file=ANNOMI)


@pytest.mark.skipif(not FAILED_ESCONV.exists(), reason="FailedESConv is not at hand")
def test_failed_esconv_is_read_as_it_is() -> None:
    sessions = corpora.load(str(FAILED_ESCONV))
    assert (len(sessions), sum(len(s) for s in sessions)) == (196, 3968)
    labels = Counter(label for s in sessions for label in s.labels)
    assert [labels[label] for label in Label] == [419, 476, 393, 2680]


# --- Hugging Face data sets


def test_a_data_set_round_trips() -> None:
    pytest.importorskip("datasets", reason="needs the [train] extra")
    first = corpora.authored()[0]
    turns = (Turn("client", "a", 10, 20, "u1"), Turn("Mother", "b"))
    second = CodedSession(
        Session("x", turns, client_id="k", date=dt.date(2026, 1, 31), number=2),
        (Marker.W3, None), (None, None), (Marker.N, None), fold=1, facts={"a": "b"},
    )  # fmt: skip
    dataset = corpora.to_dataset([first, second])
    assert dataset.num_rows == 2
    assert corpora.from_dataset(dataset) == (first, second)
    names = dataset.features["codes"].feature.names
    assert names == [code.value for code in (*Marker, *Label)]


def test_without_the_library_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"\[train\]"):
        corpora.to_dataset([])


# --- fetching


CONTENT = b"transcript_id\n0\n"
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/missing":
                self.send_error(404)
                return
            self.send_response(200)
            # "/cut" promises more than it sends, as a broken connection does.
            self.send_header("Content-Length", str(len(CONTENT) + 9 * (self.path == "/cut")))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *args: object) -> None:
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_a_download_is_written_once_and_found_again(tmp_path: Path, server: str) -> None:
    destination = tmp_path / "new" / "file.csv"
    assert download(f"{server}/file", destination, sha256=SHA) == destination
    assert destination.read_bytes() == CONTENT
    assert [path.name for path in destination.parent.iterdir()] == ["file.csv"]
    # The second time no connection is needed.
    assert download("http://127.0.0.1:1/", destination, sha256=SHA) == destination


def test_another_file_is_never_overwritten(tmp_path: Path, server: str) -> None:
    destination = tmp_path / "file.csv"
    destination.write_text("mine")
    with pytest.raises(InputError, match="move it away"):
        download(f"{server}/file", destination, sha256=SHA)
    assert destination.read_text() == "mine"


@pytest.mark.parametrize(
    ("path", "message"),
    [("/missing", "found no answer"), ("/cut", "found no answer|SHA-256"), ("/file", "SHA-256")],
)
def test_a_failed_download_leaves_nothing(
    tmp_path: Path, server: str, path: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        corpora.fetch_annomi(tmp_path / "new", url=server + path)
    assert list(tmp_path.rglob("*")) == []


def test_without_a_connection_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="check the connection"):
        corpora.fetch_annomi(tmp_path, url="http://127.0.0.1:1/AnnoMI-simple.csv")
    with pytest.raises(InputError, match="http or https"):
        corpora.fetch_annomi(tmp_path, url="file:///etc/hostname")


def test_a_coded_session_is_frozen() -> None:
    coded = CodedSession(session("client"), (None,), (None,), (None,))
    with pytest.raises(dataclasses.FrozenInstanceError):
        coded.fold = 1  # type: ignore[misc]
