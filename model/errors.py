"""Every error that alliance raises on purpose.

AllianceError
├── InputError                  a file or an argument that the user can mend
│   ├── TranscriptError         a transcript that cannot be read (file, line, what to do)
│   │   └── UnknownSpeakerError a speaker whose role is not known (lists the speakers found)
│   └── ConfigError             a setting out of its range (quotes the value)
├── ModelError                  a model folder that is missing, incomplete or of another version
└── MissingExtraError           a feature whose optional dependencies are not installed

Messages are one sentence each: what was expected, what was found, what to do. They never quote
transcript text.
"""

from collections.abc import Sequence
from pathlib import Path


class AllianceError(Exception):
    """Base of all errors raised on purpose by this package."""


class InputError(AllianceError):
    """Something the user gave cannot be used as it is."""


class TranscriptError(InputError):
    """A transcript that cannot be read.

    Args:
        problem: what was expected, what was found and what to do, without transcript text.
        source: the file's name, or ``-`` for standard input.
        line: line (or row) in the file, counted from 1, when one is to blame.
        place: what people call that line in a file that is no text (``row 12 of sheet 'A'``).
    """

    def __init__(
        self,
        problem: str,
        *,
        source: str | Path = "",
        line: int | None = None,
        place: str = "",
    ) -> None:
        self.problem = problem
        self.source = str(source)
        self.line = line
        self.place = place
        super().__init__(problem)

    def __str__(self) -> str:
        if self.place:
            where = f"{self.source}, {self.place}" if self.source else self.place
        else:
            where = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{where}: {self.problem}" if where else self.problem


class UnknownSpeakerError(TranscriptError):
    """A transcript names speakers whose role (therapist, client, other) is not known.

    Args:
        speakers: the names found without a role, in order of appearance.
        known: names found whose role is known, as ``name=role``.
        advice: what else can be done in this format, if anything.
    """

    def __init__(
        self,
        speakers: Sequence[str],
        *,
        known: Sequence[str] = (),
        advice: str = "",
        source: str | Path = "",
        line: int | None = None,
        place: str = "",
    ) -> None:
        self.speakers = tuple(speakers)
        self.known = tuple(known)
        found = ", ".join(f"'{name}'" for name in self.speakers)
        beside = f" (recognised: {', '.join(self.known)})" if self.known else ""
        options = " ".join(f"--role '{name}=therapist|client|other'" for name in self.speakers)
        super().__init__(
            f"expected every speaker to be a therapist, a client or another person, "
            f"found {found}{beside}; add {options}" + (f"; {advice}" if advice else ""),
            source=source,
            line=line,
            place=place,
        )


class ConfigError(InputError):
    """A setting that is out of its range, or two settings that contradict each other."""


class ModelError(AllianceError):
    """A model folder that cannot be used: missing, incomplete, or made by another version."""


class MissingExtraError(AllianceError):
    """A feature was asked for whose optional dependencies are not installed.

    Args:
        feature: what was asked for, e.g. ``alliance train``.
        extra: the extra that brings it, e.g. ``train``.
    """

    def __init__(self, feature: str, extra: str) -> None:
        self.feature = feature
        self.extra = extra
        super().__init__(
            f"{feature} needs the [{extra}] extra, which is not installed; "
            f"run: pip install 'alliance-rupture[{extra}]'"
        )
