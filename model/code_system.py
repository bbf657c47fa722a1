"""What the codes of a coding mean: our own names, or another system's by a map.

Researchers code by systems of their own. A map says which of the four labels (and, where one
fits, which marker) each of their codes stands for; without one, the names of our own codebook are
understood in the ways that people write them.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from alliance.model.codebook import LABELS, MARKER_ORDER, Label, Marker, check_marker
from alliance.model.errors import InputError

__all__ = ["BUILT_IN", "CIS", "OWN", "Code", "CodeSystem", "code_system"]

_LISTED: Final = 12


@dataclass(frozen=True, slots=True)
class Code:
    """What one code stands for.

    Attributes:
        label: one of the four.
        marker: the fine code, if the coding says so much.

    Raises:
        ValueError: if the marker is another label's.
    """

    label: Label
    marker: Marker | None = None

    def __post_init__(self) -> None:
        check_marker(self.label, self.marker)


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """Names of codes, each with what it stands for; case, spaces and hyphens do not matter.

    Attributes:
        name: for messages.
        codes: name to code, or to None for what is not to be counted (uncodable, off topic).
    """

    name: str
    codes: Mapping[str, Code | None]
    _keys: Mapping[str, Code | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        keys = {_key(name): code for name, code in self.codes.items()}
        object.__setattr__(self, "_keys", MappingProxyType(keys))

    def read(self, name: str) -> Code | None:
        """What a code stands for; None for a turn without one.

        Raises:
            LookupError: if the name is not known; the message lists those that are.
        """
        key = _key(name)
        if not key:
            return None
        try:
            return self._keys[key]
        except KeyError:
            known = list(self.codes)
            more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
            raise LookupError(
                f"expected a code of the {self.name} ({', '.join(known[:_LISTED])}{more}), found "
                f"another; correct it, or say with a map what each code stands for"
            ) from None


def _key(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", name).strip().casefold()


OWN: Final = CodeSystem(
    "codebook",
    {
        **{label.value: Code(label) for label in LABELS},
        **{label.title: Code(label) for label in LABELS},
        **{label.letter: Code(label) for label in LABELS if label is not Label.NEUTRAL},
        **{marker.value: Code(marker.label, marker) for marker in MARKER_ORDER},
        "positive": Code(Label.ALLIANCE_POSITIVE),
        "collaboration": Code(Label.ALLIANCE_POSITIVE),
    },
)
"""Labels, their letters (P, W, C, N) and the markers of our codebook."""

CIS: Final = CodeSystem(
    "Collaborative Interactions Scale",
    {
        "CP": Code(Label.ALLIANCE_POSITIVE),
        "CI": Code(Label.ALLIANCE_POSITIVE),
        "IRM": Code(Label.WITHDRAWAL),
        "DRM": Code(Label.CONFRONTATION),
        "RI": None,
        "N": Code(Label.NEUTRAL, Marker.N),
        Label.NEUTRAL.value: Code(Label.NEUTRAL, Marker.N),
    },
)
"""The main classes of the CIS (Colli & Lingiardi 2009): collaborative processes (CP) and
interventions (CI), indirect (IRM) and direct (DRM) rupture markers. A therapist's rupture
intervention (RI) may be either kind of rupture, so it counts as not coded: give a map to decide."""

BUILT_IN: Final[Mapping[str, CodeSystem]] = MappingProxyType({"own": OWN, "cis": CIS})
"""The systems that need no map, by the name that ``--map`` takes."""


def code_system(name_or_file: str | Path | None) -> CodeSystem:
    """A code system by name, or from a map file.

    The file is a table (CSV) with a header and the columns ``code``, ``label`` and, if wanted,
    ``marker``, one row for each code. An empty label means: not to be counted.

    Raises:
        InputError: if there is no such file, or it is not such a table.
    """
    if name_or_file is None:
        return OWN
    if str(name_or_file) in BUILT_IN:
        return BUILT_IN[str(name_or_file)]
    path = Path(name_or_file)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: expected {', '.join(BUILT_IN)} or a readable map of codes (CSV in UTF-8), "
            f"found none; check the name"
        ) from error
    # Excel writes semicolons where the comma is the decimal sign.
    separator = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.DictReader(io.StringIO(text), delimiter=separator)
    columns = {(name or "").strip().casefold(): name for name in reader.fieldnames or ()}
    if not {"code", "label"} <= columns.keys():
        raise InputError(
            f"{path}:1: expected the columns code and label, found {', '.join(columns) or 'none'}; "
            f"write e.g. 'code,label' above 'DR3,confrontation'"
        )
    codes: dict[str, Code | None] = {}
    for row in reader:
        values = {key: (row.get(name) or "").strip() for key, name in columns.items()}
        if not values["code"]:
            continue
        where = f"{path}:{reader.line_num}"
        try:
            code = OWN.read(values["label"])
            marker = Marker(values["marker"].upper()) if values.get("marker") else None
            if marker is not None:
                code = Code(marker.label if code is None else code.label, marker)
        except (LookupError, ValueError) as error:
            raise InputError(f"{where}: {error}") from error
        if codes.setdefault(values["code"], code) != code:
            raise InputError(
                f"{where}: expected each code once, found '{values['code']}' with two meanings; "
                f"keep one"
            )
    if not codes:
        raise InputError(f"{path}: expected a row for each code, found none; add them")
    return CodeSystem(f"map {path.name}", codes)
