"""Measuring a model on coded sessions: predictions beside codes, figures, tables, reports."""
