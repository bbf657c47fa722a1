"""The formats that can be read, and the endings of their files."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from alliance.model.formats.chat import read_cha
from alliance.model.formats.convokit import UTTERANCES, read_convokit
from alliance.model.formats.documents import read_docx
from alliance.model.formats.elan import read_eaf
from alliance.model.formats.excel import read_xlsx
from alliance.model.formats.jsonlines import read_json, read_jsonl
from alliance.model.formats.parquet import read_parquet
from alliance.model.formats.plain import read_plain
from alliance.model.formats.source import RawSession, Source
from alliance.model.formats.subtitles import read_srt, read_vtt
from alliance.model.formats.tables import read_csv, read_tsv
from alliance.model.formats.textgrid import read_textgrid


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its name, the endings of its files (lower case), what it is, and its reader.

    Files of a format without endings are known by their whole ``names``.
    """

    name: str
    suffixes: tuple[str, ...]
    description: str
    read: Callable[[Source], Iterator[RawSession]]
    names: tuple[str, ...] = ()


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        each.name: each
        for each in (
            Format("txt", (".txt", ".text"), "plain text with speakers before turns", read_plain),
            Format("csv", (".csv",), "a table, one turn a row", read_csv),
            Format("tsv", (".tsv", ".tab"), "a table separated by tabs", read_tsv),
            Format("jsonl", (".jsonl", ".ndjson"), "one session or turn a line", read_jsonl),
            Format("json", (".json",), "sessions, or what a speech recogniser wrote", read_json),
            Format("vtt", (".vtt",), "WebVTT subtitles", read_vtt),
            Format("srt", (".srt",), "SubRip subtitles", read_srt),
            Format("docx", (".docx", ".docm"), "a Word document", read_docx),
            Format("xlsx", (".xlsx", ".xlsm"), "an Excel workbook, one turn a row", read_xlsx),
            Format("parquet", (".parquet",), "a Parquet table, one turn a row", read_parquet),
            Format("convokit", (), "a ConvoKit corpus", read_convokit, names=UTTERANCES),
            Format("eaf", (".eaf",), "ELAN annotations, a tier for each speaker", read_eaf),
            Format("textgrid", (".textgrid",), "a Praat TextGrid", read_textgrid),
            Format("cha", (".cha",), "a CHAT transcript", read_cha),
        )
    }
)
"""The formats by name, as ``format=`` and ``--input-format`` take them."""

SUFFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {suffix: each.name for each in FORMATS.values() for suffix in each.suffixes}
)
"""The endings of files, each with its format's name."""

NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {name: each.name for each in FORMATS.values() for name in each.names}
)
"""The whole names of files, each with its format's name."""
