import base64

import pytest

from alliance.serve.store.cipher import DataKey, StoreKey, new_key
from alliance.serve.store.errors import StoreDamagedError, StoreKeyError


def test_what_is_sealed_opens_again() -> None:
    key = DataKey.make()
    assert key.open(key.seal(b"words", place="a/1/b"), place="a/1/b") == b"words"


def test_the_words_are_not_in_what_is_sealed() -> None:
    assert b"words" not in DataKey.make().seal(b"words", place="a")


def test_the_same_words_seal_differently_each_time() -> None:
    key = DataKey.make()
    assert key.seal(b"words", place="a") != key.seal(b"words", place="a")


def test_a_value_does_not_open_at_another_place() -> None:
    key = DataKey.make()
    sealed = key.seal(b"words", place="turns/a/1/content")
    with pytest.raises(StoreDamagedError, match="does not authenticate"):
        key.open(sealed, place="turns/a/2/content")


@pytest.mark.parametrize("place", [0, 1, 13, -1])
def test_a_changed_byte_is_noticed(place: int) -> None:
    key = DataKey.make()
    sealed = bytearray(key.seal(b"words", place="a"))
    sealed[place] ^= 1
    with pytest.raises(StoreDamagedError):
        key.open(bytes(sealed), place="a")


def test_an_encrypting_store_opens_nothing_plain() -> None:
    plain = DataKey.make(encrypting=False).seal(b"forged", place="a")
    with pytest.raises(StoreDamagedError):
        DataKey.make().open(plain, place="a")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01short"])
def test_what_is_too_short_is_damaged(sealed: bytes) -> None:
    with pytest.raises(StoreDamagedError):
        DataKey.make().open(sealed, place="a")


def test_fingerprints_need_the_key_and_the_kind() -> None:
    key = DataKey.make()
    assert key.fingerprint("Anna", what="coder") == key.fingerprint("Anna", what="coder")
    assert key.fingerprint("Anna", what="coder") != key.fingerprint("Anna", what="body")
    assert key.fingerprint("Anna", what="coder") != DataKey.make().fingerprint("Anna", what="coder")


def test_a_new_key_in_front_still_opens_what_the_old_one_wrapped() -> None:
    old, new = new_key(), new_key()
    data = StoreKey.parse(old).make()
    wrapped = StoreKey.parse(old).wrap(data, place="a")
    both = StoreKey.parse(f"{new}, {old}")
    sealed = data.seal(b"words", place="b")
    assert both.unwrap(wrapped, place="a").open(sealed, place="b") == b"words"
    again = both.wrap(data, place="a")
    assert StoreKey.parse(new).unwrap(again, place="a").open(sealed, place="b") == b"words"
    with pytest.raises(StoreDamagedError):
        StoreKey.parse(new).unwrap(wrapped, place="a")


@pytest.mark.parametrize("text", [None, "", "  "])
def test_no_key_is_refused_and_told_how_to_make_one(text: str | None) -> None:
    with pytest.raises(
        StoreKeyError, match=r"ALLIANCE_STORE_KEY.*found none.*alliance store new-key"
    ):
        StoreKey.parse(text)


@pytest.mark.parametrize(
    "text", ["secret", base64.b64encode(b"x" * 31).decode(), f"{new_key()},", "é" * 44]
)
def test_a_malformed_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(StoreKeyError, match="32 bytes in base64") as caught:
        StoreKey.parse(text)
    assert text not in str(caught.value)


def test_new_keys_differ_and_parse() -> None:
    assert new_key() != new_key()
    assert StoreKey.parse(new_key()).encrypting
    assert not StoreKey.parse("unencrypted").encrypting
