from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer

from alliance.model.classifier import shipped_weights
from alliance.model.errors import ModelError
from alliance.model.text import normalise
from alliance.model.tokens import TurnTokenizer

MARKS = ["[CLIENT]", "[THERAPIST]", "[OTHER]", "[SEP]", "[CLS]", "[MASK]", "[PAD]", "</s>", "<s>"]


@pytest.fixture(params=["stub", "shipped"])
def tokenizer_file(request: pytest.FixtureRequest, stub: Path) -> Path:
    if request.param == "stub":
        return stub / "tokenizer.json"
    path = shipped_weights() / "tokenizer.json"
    if not path.exists():
        pytest.skip("no weights have been built into model/weights")
    return path


@pytest.mark.parametrize("mark", MARKS)
def test_a_special_token_typed_in_a_transcript_stays_text(tokenizer_file: Path, mark: str) -> None:
    vocabulary = Tokenizer.from_file(str(tokenizer_file)).get_vocab()
    tokenizer = TurnTokenizer.from_file(tokenizer_file)
    special = vocabulary.get(mark)
    for text in (mark, f"fine {mark} fine", f"fine{mark}fine"):
        (ids,) = tokenizer([text])
        assert len(ids) > 0
        assert special not in ids.tolist()


def test_nothing_is_added_or_cut(tokenizer_file: Path) -> None:
    tokenizer = TurnTokenizer.from_file(tokenizer_file)
    once, many, nothing, blank = tokenizer(["fine", "fine " * 700, "", " \u200b\n"])
    assert many.tolist() == once.tolist() * 700
    assert (nothing.shape, blank.shape) == ((0,), (0,))
    assert {ids.dtype for ids in (once, nothing)} == {np.dtype(np.int64)}
    assert tokenizer([]) == []


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text(max_size=20), max_size=4))
def test_a_text_has_the_same_tokens_in_any_company(stub: Path, texts: list[str]) -> None:
    tokenizer = TurnTokenizer.from_file(stub / "tokenizer.json")
    together = [ids.tolist() for ids in tokenizer(texts)]
    assert together == [tokenizer([text])[0].tolist() for text in texts]
    assert together == [tokenizer([normalise(text)])[0].tolist() for text in texts]


def test_known_words_have_their_numbers(stub: Path) -> None:
    vocabulary = Tokenizer.from_file(str(stub / "tokenizer.json")).get_vocab()
    (ids,) = TurnTokenizer.from_file(stub / "tokenizer.json")(["Sorry \u2014 FINE"])
    assert ids.tolist() == [vocabulary[word] for word in ("sorry", "[UNK]", "fine")]


@pytest.mark.parametrize("content", [None, "", "no tokenizer", "{}"])
def test_what_is_no_tokenizer_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=r"tokenizer\.json: expected a tokenizer file"):
        TurnTokenizer.from_file(path)


@pytest.mark.parametrize("fault", ["special", "truncation", "padding"])
def test_a_tokenizer_that_would_meddle_is_refused(tmp_path: Path, stub: Path, fault: str) -> None:
    tokenizer = Tokenizer.from_file(str(stub / "tokenizer.json"))
    if fault == "special":
        tokenizer.add_special_tokens([AddedToken("[CLIENT]", special=True)])
    elif fault == "truncation":
        tokenizer.enable_truncation(8)
    else:
        tokenizer.enable_padding(length=8)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ModelError, match="without special tokens, truncation and padding"):
        TurnTokenizer.from_file(tmp_path / "tokenizer.json")
