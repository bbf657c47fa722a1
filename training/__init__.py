"""Corpora, training, evaluation and export ([train] extra)."""
