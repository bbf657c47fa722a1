"""Fuzz a reader with atheris, which looks for bytes that take new ways through the code.

Not part of the tests: a run ends when you end it. It needs ``pip install atheris`` (Linux and
macOS, Python 3.11 to 3.13) and takes a format's name and libFuzzer's options:

    python tests/fuzz/fuzz_formats.py txt -max_total_time=300
    python tests/fuzz/fuzz_formats.py csv -max_len=4096 -runs=100000

A finding is an error that is not one of our own, more than ten seconds for one input, or more
than two gigabytes of memory; libFuzzer then writes the bytes to ``crash-…`` (``timeout-…``,
``oom-…``) in the current folder. Give it that file in place of options to see it again.
"""

import io
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["alliance.model.formats"]):
    from alliance.model.errors import TranscriptError
    from alliance.model.formats import FORMATS, read_sessions

DATA = Path(__file__).parents[1] / "data"
SEEDS = {
    "txt": b"Date: 3 May\n\n1 T: How are you? (0:05)\n2 C: Fine,\n3 really.\n\nAna  0:10\nHello.\n",
    "csv": b'session,speaker,text,start\n1,T,"How, are ""you""?",0:05\n1,C,Fine.,7.5\n',
    "tsv": b"speaker\ttext\nT\tHow are you?\nC\tFine.\n",
    "jsonl": b'{"id": "s", "turns": [{"speaker": "T", "text": "Hi.", "start_ms": 5}]}\n',
    "json": b'{"segments": [{"speaker": "A", "text": "Hi.", "start": 0.5, "end": 1.5}]}',
    "vtt": b"WEBVTT\n\nNOTE x\n\n1\n00:01.000 --> 00:02.000\n<v T>How &amp; <i>why</i>?</v>\n",
    "srt": b"1\n00:00:00,000 --> 00:00:01,000\nT: How?\n\n2\n00:00:02,0 --> 00:00:03,0\nC: Hi.\n",
    "cha": b"@UTF8\n@Begin\n@Participants:\tTHE Therapist, CLI Client\n*THE:\thow so ?\n@End\n",
}


def seeds(name: str) -> list[bytes]:
    """Files to start from: a short one, and those of the format in tests/data."""
    found = [SEEDS[name]] if name in SEEDS else []
    endings = FORMATS[name].suffixes or FORMATS[name].names
    for path in sorted(DATA.rglob("*")):
        if path.name.lower().endswith(endings) and path.stat().st_size < 100_000:
            found.append(path.read_bytes())
    return found


def main() -> None:
    """Fuzz the format that the first argument names."""
    if len(sys.argv) < 2 or sys.argv[1] not in FORMATS:
        sys.exit(f"usage: fuzz_formats.py {'|'.join(FORMATS)} [-max_total_time=SECONDS ...]")
    name = sys.argv.pop(1)

    def one(data: bytes) -> None:
        try:
            for session in read_sessions(io.BytesIO(data), name="a", format=name):
                assert session.turns
        except TranscriptError as error:
            message = str(error)
        else:
            return
        assert message.startswith("a"), message
        assert "\n" not in message, message

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(name)):
            Path(corpus, str(number)).write_bytes(seed)
        files = [word for word in sys.argv[1:] if not word.startswith("-")]
        limits = ["-timeout=10", "-rss_limit_mb=2048"]
        atheris.Setup([*sys.argv, *limits, *([] if files else [corpus])], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
