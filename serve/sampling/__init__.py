"""``alliance sample``: which sessions or turns to code next."""
