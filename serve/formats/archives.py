"""ZIP archives whose bytes depend on what is in them, and not on when they were made."""

import zipfile
from pathlib import Path
from typing import Any, Final

__all__ = ["FixedZip"]

_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)  # what the format can hold at the least
_READABLE: Final = 0o100644 << 16  # an ordinary file, on the systems that ask


class FixedZip(zipfile.ZipFile):
    """A ZIP archive whose members all bear the same date; for writing."""

    def writestr(
        self, zinfo_or_arcname: "str | zipfile.ZipInfo", data: Any, *args: Any, **keywords: Any
    ) -> None:
        """Add a member; see :meth:`zipfile.ZipFile.writestr`."""
        given = zinfo_or_arcname
        name = given.filename if isinstance(given, zipfile.ZipInfo) else given
        super().writestr(self._info(name), data, *args, **keywords)

    def write(self, filename: Any, arcname: Any = None, *args: Any, **keywords: Any) -> None:
        """Add a file as a member, without holding it in memory."""
        name = str(arcname if arcname is not None else filename)
        with Path(filename).open("rb") as source, self.open(self._info(name), "w") as member:
            while block := source.read(1 << 20):
                member.write(block)

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, _EARLIEST)
        info.compress_type = self.compression
        info.external_attr = _READABLE
        info.create_system = 3  # else it says which system made it
        return info
