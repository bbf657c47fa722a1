"""presidio as one more finder, where it is installed with a model of its own."""

from collections.abc import Iterator
from typing import Any, Final

from alliance.model.errors import InputError, MissingExtraError
from alliance.serve.deidentify.kinds import Finder, Finding, Kind

__all__ = ["presidio_finder"]

_KINDS: Final = {
    "PERSON": Kind.NAME,
    "EMAIL_ADDRESS": Kind.EMAIL,
    "PHONE_NUMBER": Kind.PHONE,
    "URL": Kind.WEB,
    "LOCATION": Kind.PLACE,
    "NRP": Kind.OTHER,
    "US_SSN": Kind.NUMBER,
    "UK_NHS": Kind.NUMBER,
    "CREDIT_CARD": Kind.NUMBER,
    "IBAN_CODE": Kind.NUMBER,
}


def presidio_finder() -> Finder:
    """A finder that asks presidio's analyser for English.

    Raises:
        MissingExtraError: if it is not installed.
        InputError: if it has no language model on this machine; none is fetched.
    """
    try:
        from presidio_analyzer import AnalyzerEngine
    except ImportError as error:
        raise MissingExtraError("alliance deid --presidio", "deid") from error
    try:
        import spacy.util

        installed = spacy.util.is_package("en_core_web_lg")
    except ImportError:
        installed = False
    if not installed:
        # Without it presidio would fetch the model from the network by itself.
        raise InputError(
            "expected spaCy's model en_core_web_lg for --presidio, found none; install it as "
            "presidio's manual says, or leave --presidio out"
        )
    engine: Any = AnalyzerEngine()

    def finder(text: str) -> Iterator[Finding]:
        for found in engine.analyze(text=text, language="en", entities=list(_KINDS)):
            yield Finding(
                found.start,
                found.end,
                _KINDS[found.entity_type],
                f"presidio: {found.entity_type.lower()}",
                text[found.start : found.end],
            )

    return finder
