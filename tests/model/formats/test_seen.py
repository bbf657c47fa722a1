"""Session ids seen so far, against a set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance.model.formats import seen
from alliance.model.formats.seen import SeenIds

IDS = st.text(st.characters(), max_size=3) | st.integers(0, 30).map("s{}".format)


@given(st.lists(IDS, max_size=60), st.integers(1, 7))
def test_it_knows_what_a_set_knows(ids: list[str], recent: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "_RECENT", recent)
        known, held = SeenIds(), set()
        for each in ids:
            assert known.add(each) is (each not in held)
            held.add(each)
