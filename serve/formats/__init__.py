"""Writers of labels: tables of every kind, and the files of the field's own tools.

:func:`open_writer` is the way in; :data:`WRITERS` lists what can be written. Nothing here imports
a library of the ``[formats]`` extra before a writer that needs it is opened.
"""

from alliance.serve.formats.registry import WRITERS, WriterEntry, open_table_writer, open_writer
from alliance.serve.formats.writer import LabelWriter

__all__ = ["WRITERS", "LabelWriter", "WriterEntry", "open_table_writer", "open_writer"]
