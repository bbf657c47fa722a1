"""REFI-QDA projects (.qdpx) for NVivo, ATLAS.ti, MAXQDA, QualCoder and others.

A project holds one plain text source a session (a turn a paragraph, ``client: …``), a codebook in
which every label has its markers below it, and a selection for each labelled turn: the words of
the turn without the speaker's name, coded with its label, its marker and, where the model abstains,
``unsure``. Positions count Unicode code points from 0 and the end is the place after the last one,
as the standard says; sources are UTF-8 without a byte-order mark, with line feeds, which every
program counts alike. Identifiers are made from what they stand for and there are no dates, so that
the same labels give the same bytes.

Source: REFI-QDA 1.5 (https://www.qdasoftware.org), its Project.xsd.
"""

import uuid
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, Final
from xml.sax.saxutils import escape, quoteattr

from alliance.model.codebook import CODEBOOK_VERSION, MARKER_ORDER, Label, Marker
from alliance.model.errors import ConfigError
from alliance.model.labelled import LabelledSession, LabelledTurn
from alliance.serve.colours import COLOURS, UNSURE_COLOUR
from alliance.serve.formats.archives import FixedZip
from alliance.serve.formats.characters import utf8_safe, xml_safe
from alliance.serve.formats.sessions import SessionWriter
from alliance.serve.formats.writer import WriterOptions

__all__ = ["QdpxWriter"]

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "alliance-rupture")
_UNSURE: Final = "unsure"


class QdpxWriter(SessionWriter):
    """A project of all sessions."""

    def __init__(self, stream: BinaryIO, options: WriterOptions) -> None:
        super().__init__(stream, options)
        if not options.include_text:
            raise ConfigError(
                "expected the text for a .qdpx project, whose codings are places in it, found "
                "--no-text; leave it away"
            )
        self._archive = FixedZip(stream, "w", zipfile.ZIP_DEFLATED)
        self._sources: list[str] = []
        self._model = ""

    def discard(self) -> None:
        """Close the archive."""
        self._archive.close()

    def _add(self, session: LabelledSession) -> None:
        self._model = self._model or session.model.name
        guid = _guid("source", str(len(self._sources)), session.session.id)
        text, selections, at = [], [], 0
        for labelled in session:
            head = f"{_clean(labelled.turn.speaker)}: "
            said = _clean(labelled.turn.text)
            if labelled.label is not None and said:
                start = at + len(head)
                selections.append(_selection(guid, labelled, start, start + len(said)))
            text.append(f"{head}{said}\n")
            at += len(text[-1])
        self._archive.writestr(f"Sources/{guid}.txt", "".join(text).encode("utf-8"))
        name = _attribute(session.session.id)
        self._sources.append(
            f'    <TextSource guid="{guid}" name={name} plainTextPath="internal://{guid}.txt" '
            f'creatingUser="{_USER}">\n{"".join(selections)}    </TextSource>\n'
        )

    def _end(self) -> None:
        self._archive.writestr("project.qde", "".join(self._project()).encode("utf-8"))
        self._archive.close()

    def _project(self) -> Iterator[str]:
        yield (
            '<?xml version="1.0" encoding="utf-8"?>\n'
            '<Project xmlns="urn:QDA-XML:project:1.0" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            'xsi:schemaLocation="urn:QDA-XML:project:1.0 '
            'http://schema.qdasoftware.org/versions/Project/v1.0/Project.xsd" '
            f'name="Alliance labels" origin="alliance" creatingUserGUID="{_USER}">\n'
        )
        name = _attribute(self._model or "alliance")
        yield f'  <Users>\n    <User guid="{_USER}" name={name}/>\n  </Users>\n'
        yield "  <CodeBook>\n    <Codes>\n"
        yield from _codes()
        yield "    </Codes>\n  </CodeBook>\n"
        if self._sources:  # the schema wants at least one within
            yield from ("  <Sources>\n", *self._sources, "  </Sources>\n")
        yield "</Project>\n"


def _codes() -> Iterator[str]:
    for label in Label:
        yield _code(label.value, label.title, label.definition, COLOURS[label], 6, closed=False)
        for marker in MARKER_ORDER:
            if marker.label is label and marker is not Marker.N:
                title = f"{marker.value} {marker.entry.name}"
                yield _code(marker.value, title, marker.entry.definition, COLOURS[label], 8)
        yield "      </Code>\n"
    yield _code(_UNSURE, _UNSURE, "the model says not to trust its label", UNSURE_COLOUR, 6)


def _code(
    key: str, name: str, description: str, colour: str, indent: int, *, closed: bool = True
) -> str:
    space = " " * indent
    return (
        f'{space}<Code guid="{_guid("code", key)}" name={_attribute(name)} isCodable="true" '
        f'color="{colour}">\n'
        f"{space}  <Description>{escape(description)} (codebook {CODEBOOK_VERSION})</Description>\n"
        + (f"{space}</Code>\n" if closed else "")
    )


def _selection(source: str, labelled: LabelledTurn, start: int, end: int) -> str:
    guid = _guid(source, "selection", str(labelled.index))
    lines = [
        f'      <PlainTextSelection guid="{guid}" name="turn {labelled.index}" '
        f'startPosition="{start}" endPosition="{end}" creatingUser="{_USER}">\n'
    ]
    for code in _codes_of(labelled):
        lines.append(
            f'        <Coding guid="{_guid(guid, code)}" creatingUser="{_USER}">'
            f'<CodeRef targetGUID="{_guid("code", code)}"/></Coding>\n'
        )
    return "".join([*lines, "      </PlainTextSelection>\n"])


def _codes_of(labelled: LabelledTurn) -> Iterator[str]:
    if labelled.label is not None:
        yield labelled.label.value
    if labelled.marker is not None and labelled.marker is not Marker.N:
        yield labelled.marker.value
    if labelled.abstained:
        yield _UNSURE


def _guid(*parts: str) -> str:
    """An identifier that the same parts always give."""
    return str(uuid.uuid5(_NAMESPACE, "\n".join(utf8_safe(part) for part in parts)))


_USER: Final = _guid("user")


def _attribute(text: str) -> str:
    return quoteattr(xml_safe(text))


def _clean(text: str) -> str:
    # Programs count a carriage return and a line feed as one character or as two.
    return utf8_safe(text).replace("\r\n", "\n").replace("\r", "\n")
