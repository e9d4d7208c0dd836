"""What a decision keeps comes back byte for byte, now and in ten years."""

import hashlib
import zlib
from importlib import resources

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store.packing import pack, unpack

NAMES = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NAMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
).map(orjson.dumps)


@given(JSON, JSON)
def test_both_parts_come_back(inputs: bytes, answer: bytes) -> None:
    assert unpack(pack(inputs, answer)) == (inputs, answer)


def test_the_first_dictionary_is_what_it_always_was() -> None:
    """Whoever changes it makes every stored decision unreadable."""
    dictionary = resources.files("app.store").joinpath("packing_1.txt").read_bytes()
    digest = "c379e431916dd052da2bfb93f63f0404a24520482f727c13c163942da4081288"
    assert hashlib.sha256(dictionary).hexdigest() == digest


def test_what_was_packed_once_is_read_for_ever() -> None:
    packed = bytes.fromhex("01235005022b49606186562ed50200")
    assert unpack(packed) == (b'{"question":{"customer_id":"C-1"}}', b'{"outcome":"HOLD"}')


def test_plain_ones_are_read_too() -> None:
    assert unpack(b"\x00{}\n[1]") == (b"{}", b"[1]")


def test_an_unknown_dictionary_is_named() -> None:
    with pytest.raises(ValueError, match="dictionary 7"):
        unpack(b"\x07abc")


def test_damage_is_noticed() -> None:
    with pytest.raises(zlib.error):
        unpack(b"\x01\xff\xff\xff")


def test_a_usual_decision_takes_a_tenth() -> None:
    dictionary = resources.files("app.store").joinpath("packing_1.txt").read_text("utf-8")
    inputs, answer = dictionary[dictionary.index('{"question"') :].split("\n")
    other = answer.replace("C-1000", "D-77").replace("100.00", "98765.43")
    packed = pack(inputs.encode(), other.encode())
    assert len(packed) * 8 < len(inputs) + len(other)
