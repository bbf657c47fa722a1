"""The inference core: read a session, label its turns, find its ruptures.

Imports neither torch nor transformers; the heavy parts load when they are first used.
"""
