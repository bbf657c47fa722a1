"""Labelling at scale: a corpus read as a stream, spread over cores, and taken up again if cut off.

:func:`alliance.serve.labelling.label_files` is the way in. README.md beside this file says how
it works and what it promises.
"""
