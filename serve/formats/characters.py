"""Characters that a format cannot hold, and offsets in the units that a tool counts in."""

import re
from typing import Final

__all__ = ["cut_bytes", "utf8_safe", "utf16_length", "xml_safe"]

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# What XML 1.0 cannot hold at all (https://www.w3.org/TR/xml/#charsets).
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_UNKNOWN: Final = "\ufffd"


def utf8_safe(text: str) -> str:
    """The text with half a surrogate pair, which has no UTF-8 form, replaced by U+FFFD."""
    return _SURROGATE.sub(_UNKNOWN, text)


def xml_safe(text: str) -> str:
    """The text with characters that XML forbids (most controls) replaced by U+FFFD, one by one."""
    return _NOT_XML.sub(_UNKNOWN, text)


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units, which browsers count in: an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut_bytes(text: str, most: int) -> str:
    """The text, or as much of its start as has room in ``most`` UTF-8 bytes, with a "…"."""
    encoded = text.encode("utf-8")
    if len(encoded) <= most:
        return text
    mark = "…".encode()
    return encoded[: most - len(mark)].decode("utf-8", "ignore") + "…"
