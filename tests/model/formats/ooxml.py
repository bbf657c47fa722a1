"""Word and Excel files from their XML, for the tests: the least that the specification asks for."""

import io
import zipfile
from collections.abc import Mapping

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def relations(**targets: str) -> str:
    """Relations with the kind as id: ``relations(styles="styles.xml")``."""
    inner = "".join(
        f'<Relationship Id="{kind}" Type="{R}/{kind.rstrip("0123456789")}" Target="{target}"/>'
        for kind, target in targets.items()
    )
    return f'<Relationships xmlns="{PACKAGE}">{inner}</Relationships>'


def docx(body: str, *, styles: str = "", head: str = "") -> bytes:
    """A Word document of that body (``<w:p>…``)."""
    return zipped(
        {
            "_rels/.rels": relations(officeDocument="word/document.xml"),
            "word/_rels/document.xml.rels": relations(styles="styles.xml"),
            "word/styles.xml": f'<w:styles xmlns:w="{W}">{styles}</w:styles>',
            "word/document.xml": (
                f'<?xml version="1.0" encoding="UTF-8"?>{head}'
                f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>'
            ),
        }
    )


def paragraph(*runs: str, properties: str = "") -> str:
    """A paragraph of runs; one that is no XML is text."""
    inner = "".join(run if run.startswith("<") else run_of(run) for run in runs)
    return f"<w:p>{properties and f'<w:pPr>{properties}</w:pPr>'}{inner}</w:p>"


def run_of(text: str, properties: str = "") -> str:
    inner = f'<w:t xml:space="preserve">{text}</w:t>'
    return f"<w:r>{properties and f'<w:rPr>{properties}</w:rPr>'}{inner}</w:r>"


def table(*rows: list[str]) -> str:
    """A table of cells; one that is no XML is text."""
    cells = (
        "".join(cell if cell.startswith("<") else f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row)
        for row in rows
    )
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def xlsx(*sheets: str, states: tuple[str, ...] = (), styles: str = "", strings: str = "") -> bytes:
    """A workbook of sheets' rows (``<row>…``), called Sheet1, Sheet2, …"""
    names = {f"worksheet{n}": f"worksheets/sheet{n}.xml" for n in range(1, len(sheets) + 1)}
    listed = "".join(
        f'<sheet name="Sheet{n}" sheetId="{n}" r:id="worksheet{n}"'
        + (f' state="{states[n - 1]}"/>' if len(states) >= n else "/>")
        for n in range(1, len(sheets) + 1)
    )
    return zipped(
        {
            "_rels/.rels": relations(officeDocument="xl/workbook.xml"),
            "xl/_rels/workbook.xml.rels": relations(
                styles="styles.xml", sharedStrings="sharedStrings.xml", **names
            ),
            "xl/workbook.xml": (
                f'<workbook xmlns="{S}" xmlns:r="{R}"><sheets>{listed}</sheets></workbook>'
            ),
            "xl/styles.xml": f'<styleSheet xmlns="{S}">{styles}</styleSheet>',
            "xl/sharedStrings.xml": f'<sst xmlns="{S}">{strings}</sst>',
            **{
                f"xl/{name}": f'<worksheet xmlns="{S}"><sheetData>{rows}</sheetData></worksheet>'
                for name, rows in zip(names.values(), sheets, strict=True)
            },
        }
    )


def row(number: int, **cells: str) -> str:
    """A row: ``row(2, A="T", B="Hello.")``; a cell that is XML gets its place as it is."""
    inner = "".join(
        f'<c r="{column}{number}" {cell.removeprefix("<c ")}'
        if cell.startswith("<c ")
        else f'<c r="{column}{number}" t="inlineStr"><is><t>{cell}</t></is></c>'
        for column, cell in cells.items()
    )
    return f'<row r="{number}">{inner}</row>'
