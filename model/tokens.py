"""Words to token numbers, one turn at a time.

The tokenizer file of a model folder holds no special tokens: a literal ``[CLIENT]`` or ``[SEP]``
typed in a transcript stays text. The role tokens and the window's opening and closing tokens are
put in by number (see :mod:`alliance.model.packing`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alliance.model.errors import ModelError
from alliance.model.text import normalise

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TokenIds = NDArray[np.int64]


class TurnTokenizer:
    """Tokenises turn texts without adding or recognising any special token.

    Args:
        tokenizer: a Hugging Face ``tokenizers.Tokenizer`` without added tokens, truncation,
            padding or post-processor.
    """

    def __init__(self, tokenizer: "Tokenizer") -> None:
        self._tokenizer = tokenizer

    @classmethod
    def from_file(cls, path: Path) -> "TurnTokenizer":
        """Read a model folder's ``tokenizer.json``.

        Raises:
            ModelError: if the file is missing, is not a tokenizer, or is one that cuts, pads or
                recognises special tokens.
        """
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for every failure
            raise ModelError(
                f"{path}: expected a tokenizer file, found none that can be read; "
                f"use a model that alliance train wrote"
            ) from error
        if tokenizer.get_added_tokens_decoder() or tokenizer.truncation or tokenizer.padding:
            raise ModelError(
                f"{path}: expected a tokenizer without special tokens, truncation and padding, "
                f"found one with them; use a model that alliance train wrote"
            )
        return cls(tokenizer)

    def __call__(self, texts: Sequence[str]) -> list[TokenIds]:
        """Token numbers of each text, in order; an empty text gives an empty array."""
        encodings = self._tokenizer.encode_batch_fast(
            [normalise(text) for text in texts], add_special_tokens=False
        )
        return [np.asarray(encoding.ids, dtype=np.int64) for encoding in encodings]
