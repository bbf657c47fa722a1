"""Readers: a transcript file in, sessions out."""
