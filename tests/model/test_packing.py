import json
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.codebook import Role
from alliance.model.errors import ConfigError
from alliance.model.packing import (
    PackingConfig,
    Window,
    causal_window,
    choose_windows,
    encode_turns,
    plan_windows,
    window_ids,
)
from alliance.model.session import Turn
from alliance.model.tokens import TurnTokenizer

OPENING, CLOSING = 1, 2
ROLE_IDS = {Role.THERAPIST: 3, Role.CLIENT: 4, Role.OTHER: 5}
# The stub's vocabulary numbers its words from 6 on.
WORDS = ["fine", "whatever", "dunno", "hopeless", "weather", "listening", "useless", "fee"]


def packing(**sizes: int) -> PackingConfig:
    return PackingConfig(ROLE_IDS, opening_id=OPENING, closing_id=CLOSING, **sizes)


@pytest.fixture(scope="module")
def tokenizer(stub: Path) -> TurnTokenizer:
    return TurnTokenizer.from_file(stub / "tokenizer.json")


@st.composite
def drawn_packings(draw: st.DrawFn) -> PackingConfig:
    room = draw(st.integers(3, 40))
    return packing(
        max_tokens=room + 2,
        max_turn_tokens=draw(st.integers(3, room)),
        overlap_tokens=draw(st.integers(0, room - 1)),
        **draw(st.fixed_dictionaries({}, optional={"causal_tokens": st.integers(3, room + 2)})),
    )


@st.composite
def drawn_plans(draw: st.DrawFn) -> tuple[list[int], PackingConfig]:
    config = draw(drawn_packings())
    lengths = draw(st.lists(st.integers(1, config.max_turn_tokens), min_size=1, max_size=60))
    return lengths, config


@settings(max_examples=100, deadline=None)
@given(drawn_plans())
def test_windows_cover_a_session(plan: tuple[list[int], PackingConfig]) -> None:
    lengths, config = plan
    windows = plan_windows(lengths, config)
    assert (windows[0].first, windows[-1].stop) == (0, len(lengths))
    for window in windows:
        assert sum(lengths[window.first : window.stop]) <= config.room
    for earlier, later in pairwise(windows):
        assert later.first <= earlier.stop, "a gap"
        assert earlier.first < later.first, "the earlier lies within the later"
        assert earlier.stop < later.stop, "the later lies within the earlier"


@settings(max_examples=100, deadline=None)
@given(drawn_plans())
def test_windows_are_as_full_as_they_can_be(plan: tuple[list[int], PackingConfig]) -> None:
    lengths, config = plan
    *others, last = plan_windows(lengths, config)
    for window in others:
        assert sum(lengths[window.first : window.stop + 1]) > config.room
    assert last.first == 0 or sum(lengths[last.first - 1 :]) > config.room


@settings(max_examples=100, deadline=None)
@given(drawn_plans())
def test_windows_share_what_they_may_and_no_more(plan: tuple[list[int], PackingConfig]) -> None:
    lengths, config = plan
    windows = plan_windows(lengths, config)
    # The last is filled backwards, whatever it comes to share.
    for earlier, later in pairwise(windows[:-1]):
        shared = sum(lengths[later.first : earlier.stop])
        assert shared <= config.overlap_tokens
        one_more = shared + lengths[later.first - 1]
        assert (
            one_more > config.overlap_tokens
            or one_more + lengths[earlier.stop] > config.room
            or later.first - 1 == earlier.first
        )


def test_windows_by_hand() -> None:
    config = packing(max_tokens=12, max_turn_tokens=10, overlap_tokens=4)
    assert plan_windows([], config) == []
    assert plan_windows([10], config) == [Window(0, 1)]
    assert plan_windows([5, 5], config) == [Window(0, 2)]
    # Turn 2 is shared; the last window takes turn 3 back too.
    assert plan_windows([3, 3, 3, 3, 3, 3], config) == [Window(0, 3), Window(2, 5), Window(3, 6)]
    # Turn 2 cannot be shared: turn 3 would not fit beside it.
    assert plan_windows([3, 3, 3, 9], config) == [Window(0, 3), Window(3, 4)]
    # Turn 0 alone is too long to be shared.
    assert plan_windows([9, 2, 3, 3, 2], config) == [Window(0, 1), Window(1, 5)]


def test_a_turn_that_fits_no_window_is_refused() -> None:
    config = packing(max_tokens=12, max_turn_tokens=10, overlap_tokens=4)
    with pytest.raises(ConfigError, match="turn 1 has 11 tokens, but a window has room for 10"):
        plan_windows([3, 11, 3], config)


@pytest.mark.parametrize(("first", "stop"), [(2, 2), (3, 1), (-1, 2)])
def test_a_window_is_never_empty(first: int, stop: int) -> None:
    with pytest.raises(ValueError, match="a window holds at least one turn"):
        Window(first, stop)
    assert len(Window(1, 4)) == 3


def chosen_naively(lengths: Sequence[int], windows: Sequence[Window]) -> list[int]:
    best = []
    for turn in range(len(lengths)):
        candidates = []
        for number, window in enumerate(windows):
            if not window.first <= turn < window.stop:
                continue
            before: float = sum(lengths[window.first : turn])
            after: float = sum(lengths[turn + 1 : window.stop])
            if window.first == 0:
                before = math.inf
            if window.stop == len(lengths):
                after = math.inf
            candidates.append((-min(before, after), number))
        best.append(min(candidates)[1])
    return best


@settings(max_examples=100, deadline=None)
@given(drawn_plans())
def test_a_turn_is_read_where_its_smaller_context_is_largest(
    plan: tuple[list[int], PackingConfig],
) -> None:
    lengths, config = plan
    windows = plan_windows(lengths, config)
    chosen = choose_windows(lengths, windows)
    assert chosen == chosen_naively(lengths, windows)
    for turn, number in enumerate(chosen):
        assert windows[number].first <= turn < windows[number].stop


def test_of_equal_contexts_the_earlier_window_is_taken() -> None:
    # Turn 3 has three tokens after it in the first, three before it in the second.
    lengths, windows = [9, 3, 3, 3, 3, 3, 9], [Window(0, 5), Window(2, 7)]
    assert choose_windows(lengths, windows) == [0, 0, 0, 0, 1, 1, 1]
    lengths[4] = 2
    assert choose_windows(lengths, windows) == [0, 0, 0, 1, 1, 1, 1]
    assert choose_windows([], []) == []


drawn_turns = st.lists(
    st.builds(
        Turn,
        st.sampled_from(["therapist", "client", "Mother"]),
        st.lists(st.sampled_from([*WORDS, "[CLIENT]", "[SEP]", "(ah)", "\u200b"]), max_size=12).map(
            " ".join
        ),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(turns=drawn_turns, config=drawn_packings())
def test_a_window_opens_each_turn_with_one_role_token(
    tokenizer: TurnTokenizer, turns: list[Turn], config: PackingConfig
) -> None:
    encoded = encode_turns(turns, tokenizer, config)
    for window in plan_windows([len(turn.ids) for turn in encoded], config):
        ids = window_ids(encoded, window, config).tolist()
        inside = turns[window.first : window.stop]
        assert len(ids) <= config.max_tokens
        assert (ids[0], ids[-1]) == (OPENING, CLOSING)
        assert (ids.count(OPENING), ids.count(CLOSING)) == (1, 1)
        assert [number for number in ids if number in ROLE_IDS.values()] == [
            ROLE_IDS[turn.role] for turn in inside
        ]
        assert ids[1] == ROLE_IDS[inside[0].role]


@settings(max_examples=60, deadline=None)
@given(turns=drawn_turns, config=drawn_packings())
def test_head_and_tail_of_a_long_turn_are_kept(
    tokenizer: TurnTokenizer, turns: list[Turn], config: PackingConfig
) -> None:
    budget = config.max_turn_tokens - 1
    whole = [ids.tolist() for ids in tokenizer([turn.text for turn in turns])]
    encoded = encode_turns(turns, tokenizer, config)
    assert [turn.truncated for turn in encoded] == [len(ids) > budget for ids in whole]
    for turn, ids, kept in zip(turns, whole, encoded, strict=True):
        role, *rest = kept.ids.tolist()
        assert role == ROLE_IDS[turn.role]
        if not kept.truncated:
            assert rest == ids
            continue
        assert len(rest) == budget
        heads = [n for n in range(1, budget) if rest == ids[:n] + ids[len(ids) - budget + n :]]
        assert budget - budget // 2 in heads, "equal parts, the odd token to the head"


@pytest.mark.parametrize(
    ("max_turn_tokens", "kept"),
    [
        (3, [0, 7]),
        (4, [0, 1, 7]),
        (5, [0, 1, 6, 7]),
        (8, [0, 1, 2, 3, 5, 6, 7]),
        (9, [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_a_cut_by_hand(tokenizer: TurnTokenizer, max_turn_tokens: int, kept: list[int]) -> None:
    config = packing(max_tokens=64, max_turn_tokens=max_turn_tokens, overlap_tokens=0)
    (encoded,) = encode_turns([Turn("client", " ".join(WORDS))], tokenizer, config)
    assert encoded.ids.tolist() == [4, *(6 + place for place in kept)]
    assert encoded.truncated == (len(kept) < len(WORDS))


def test_a_turn_without_words_is_its_role_token(tokenizer: TurnTokenizer) -> None:
    config = packing()
    (encoded,) = encode_turns([Turn("Mother", "")], tokenizer, config)
    assert encoded.ids.tolist() == [5]
    assert not encoded.truncated
    assert encode_turns([], tokenizer, config) == []


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"max_turn_tokens": 2}, "between 3 and max_tokens - 2 = 510, got 2"),
        ({"max_turn_tokens": 511}, "between 3 and max_tokens - 2 = 510, got 511"),
        ({"max_tokens": 4, "max_turn_tokens": 3}, "max_tokens - 2 = 2, got 3"),
        ({"overlap_tokens": -1}, "overlap_tokens must lie between 0 and 509, got -1"),
        ({"overlap_tokens": 510}, "overlap_tokens must lie between 0 and 509, got 510"),
        ({"causal_tokens": 2}, "causal_tokens must lie between 3 and max_tokens = 512, got 2"),
        ({"causal_tokens": 513}, "causal_tokens must lie between 3 and max_tokens = 512, got 513"),
    ],
)
def test_sizes_that_cannot_be(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        packing(**sizes)


def test_every_role_needs_its_token() -> None:
    with pytest.raises(ConfigError, match="one token for each role"):
        PackingConfig({Role.CLIENT: 4, Role.THERAPIST: 3}, opening_id=1, closing_id=2)


@settings(max_examples=30, deadline=None)
@given(drawn_packings())
def test_a_packing_comes_back_from_json(config: PackingConfig) -> None:
    data: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    assert PackingConfig.from_dict(data) == config
    assert config.room == data["max_tokens"] - 2
    assert config.causal_room == data["causal_tokens"] - 2
    # A folder written before there was a causal mode.
    del data["causal_tokens"]
    assert PackingConfig.from_dict(data).causal_tokens == min(256, config.max_tokens)


@settings(max_examples=100, deadline=None)
@given(drawn_plans())
def test_a_causal_window_is_as_full_as_it_can_be(plan: tuple[list[int], PackingConfig]) -> None:
    lengths, config = plan
    window = causal_window(lengths, config)
    assert window.stop == len(lengths)
    used = sum(lengths[window.first :])
    assert used <= config.causal_room or len(window) == 1
    assert window.first == 0 or used + lengths[window.first - 1] > config.causal_room


def test_causal_windows_by_hand() -> None:
    config = packing(max_tokens=12, max_turn_tokens=10, overlap_tokens=4, causal_tokens=8)
    assert causal_window([3, 3, 3], config) == Window(1, 3)
    assert causal_window([3], config) == Window(0, 1)
    # Longer than the causal window, the newest turn stands alone; so does one behind such a turn.
    assert causal_window([1, 9], config) == Window(1, 2)
    assert causal_window([1, 9, 2], config) == Window(2, 3)
