"""Readers: a transcript file in, sessions out.

:func:`read_sessions` streams the sessions of a file, :func:`read_session` reads a file that holds
one. Both go by the file's suffix (:data:`FORMATS`, :data:`SUFFIXES`) unless told otherwise. Who is
therapist and who is client comes from a :class:`RoleMap`.
"""

from alliance.model.formats.columns import FIELDS
from alliance.model.formats.reading import read_session, read_sessions
from alliance.model.formats.registry import FORMATS, SUFFIXES, Format
from alliance.model.formats.roles import RoleMap

__all__ = [
    "FIELDS",
    "FORMATS",
    "SUFFIXES",
    "Format",
    "RoleMap",
    "read_session",
    "read_sessions",
]
