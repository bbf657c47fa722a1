import contextlib
import io
import os
import stat
import sys
from pathlib import Path

import pytest

from alliance.model.errors import InputError
from alliance.serve.output import FileOutput, Output, StreamOutput, open_output


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_part(output: Output, content: str, error: BaseException | None = None) -> None:
    with output.part() as text:
        text.write(content)
        if error:
            raise error


def test_a_file_appears_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with FileOutput(target) as output:
        with output.part() as text:
            text.write("één\r\n")
        assert not target.exists()
    assert target.read_bytes() == "één\r\n".encode()
    assert listing(tmp_path) == ["out.csv"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), FileOutput(target) as output:
        write_part(output, "new", KeyboardInterrupt())
    assert target.read_text() == "old"
    assert listing(tmp_path) == ["out.csv"]


def test_a_failed_part_leaves_no_trace(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with FileOutput(target) as output:
        for content, fails in (("a" * 9, False), ("b" * 99_999, True), ("c", False)):
            with contextlib.suppress(ValueError):
                write_part(output, content, ValueError() if fails else None)
        assert output.parts == 2
    assert target.read_text() == "a" * 9 + "c"


def test_no_part_no_file(tmp_path: Path) -> None:
    with FileOutput(tmp_path / "out.csv"):
        pass
    assert listing(tmp_path) == []


def test_the_stream_gets_whole_parts_alone() -> None:
    stream = io.BytesIO()
    with StreamOutput(stream) as output:
        with pytest.raises(ValueError, match="poisoned"):
            write_part(output, "lost", ValueError("poisoned"))
        with output.part() as text:
            text.write("kept")
            text.flush()
            assert stream.getvalue() == b""
    assert stream.getvalue() == b"kept"


def test_a_lone_surrogate_cannot_stop_the_batch(tmp_path: Path) -> None:
    with FileOutput(tmp_path / "out") as output, output.part() as text:
        text.write("a\ud800b")
    assert (tmp_path / "out").read_bytes() == b"a?b"


def test_a_target_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found a folder"), open_output(tmp_path):
        pass
    with (
        pytest.raises(InputError, match="expected an existing folder"),
        open_output(tmp_path / "none" / "out.csv"),
    ):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and devices")
def test_modes_links_and_devices(tmp_path: Path) -> None:
    target = tmp_path / "real.csv"
    link = tmp_path / "link.csv"
    link.symlink_to(target)
    old = os.umask(0o027)
    try:
        with open_output(link) as output, output.part() as text:
            text.write("x")
    finally:
        os.umask(old)
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640

    with open_output(Path(os.devnull)) as output, output.part() as text:
        text.write("x")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
