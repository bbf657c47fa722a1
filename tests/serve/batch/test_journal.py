from pathlib import Path

import pytest

from alliance.serve.batch.journal import Journal

RECORDS = [{"session": "s1", "rows": [[0, "\ud83d\n"]]}, {"session": "s2", "rows": []}, {"end": 1}]


def written(path: Path) -> list[int]:
    with Journal(path) as journal:
        return [journal.append(record) for record in RECORDS]


def test_what_was_appended_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    offsets = written(path)
    with Journal(path) as journal:
        entries = list(journal.scan())
        assert [entry.record for entry in entries] == RECORDS
        assert [entry.offset for entry in entries] == offsets
        assert journal.read(offsets[1]) == RECORDS[1]
        assert journal.read(offsets[0]) == RECORDS[0]


def test_a_journal_cut_off_anywhere_keeps_its_whole_records_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    offsets = written(path)
    content = path.read_bytes()
    ends = [*offsets[1:], len(content)]
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        whole = sum(end <= length for end in ends)
        with Journal(path) as journal:
            assert [entry.record for entry in journal.scan()] == RECORDS[:whole]
            journal.append({"more": True})
        with Journal(path) as journal:
            assert [e.record for e in journal.scan()] == [*RECORDS[:whole], {"more": True}]


def test_a_damaged_record_ends_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    offsets = written(path)
    content = bytearray(path.read_bytes())
    content[offsets[1] + 15] ^= 1
    path.write_bytes(content)
    with Journal(path) as journal:
        assert [entry.record for entry in journal.scan()] == RECORDS[:1]
        with pytest.raises(OSError, match="expected a finished session"):
            journal.read(offsets[1])
