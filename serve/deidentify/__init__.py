"""``alliance deid``: names, dates and numbers that tell who is speaking, replaced and listed.

Rules of our own first, since a tool for general text misses much in clinical notes (on 200 of them
presidio found 74% and half of what it marked was wrong: ``--presidio`` adds it). No set of rules
finds everything. The result is *de-identified as far as the rules go*: read it before it leaves the
house.
"""
