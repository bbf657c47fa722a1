"""The optional store: sessions, annotations, audit, jobs and keys, encrypted, in one database.

Nothing is kept without it. Needs the [serve] extra.
"""
