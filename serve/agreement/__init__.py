"""``alliance agree``: how far coders agree, as tables for a paper and a list to talk about."""
