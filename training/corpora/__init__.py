"""The labelled corpora: where their sessions and codes come from, and in what form.

What each corpus is, how it was coded, and what it may be used for is told in ``data_cards/``.
"""

from alliance.training.corpora.annomi_source import (
    ANNOMI_SHA256,
    ANNOMI_URL,
    annomi,
    annomi_labels,
    annomi_path,
    annomi_quality,
    fetch_annomi,
)
from alliance.training.corpora.coded import CodedSession
from alliance.training.corpora.coded_lines import (
    WRITTEN,
    authored,
    coded_jsonl,
    everyday,
    quiet,
    registers,
    varied,
)
from alliance.training.corpora.coded_tables import CodedTable, coded_table
from alliance.training.corpora.hf_dataset import from_dataset, to_dataset
from alliance.training.corpora.specs import load

__all__ = [
    "ANNOMI_SHA256",
    "ANNOMI_URL",
    "WRITTEN",
    "CodedSession",
    "CodedTable",
    "annomi",
    "annomi_labels",
    "annomi_path",
    "annomi_quality",
    "authored",
    "coded_jsonl",
    "coded_table",
    "everyday",
    "fetch_annomi",
    "from_dataset",
    "load",
    "quiet",
    "registers",
    "to_dataset",
    "varied",
]
