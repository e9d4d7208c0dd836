"""What a decision keeps comes back byte for byte, now and in ten years."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import BusyError
from app.store.checker_ground import unpacked
from app.store.packing import pack, unpack

NAMES = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NAMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
).map(orjson.dumps)

INPUTS = (
    b'{"question":{"customer_id":"B-15395","segment":"main","check_point":"ORDER","order_i'
    b'd":"152-59-0-994","amount":[1000,"CNY"],"type":"sale","expires_in":7776000},"situati'
    b'on":{"at":"2026-11-26T16:11:04.479531+00:00","today":"2026-11-27","mode":"ENFORCE","'
    b'accounts":[{"customer_id":"B-15395","segment_id":"main","currency":"CNY","status":"O'
    b'PEN","limit_minor":1000000000000000,"forced":0,"seq":12,"input_version":2,"quarantin'
    b'ed":0,"id":15598,"path":[15598],"use":[2000,0,10000,0,0]}],"overdue":[{},{"CNY":1000'
    b'0},0],"use":[0,0],"ledger_at":"2026-11-26T16:03:46.683324+00:00"}}'
)
ANSWER = (
    b'{"decision_id":"01a2189f-ee8f-700a-ac59-e2e6b791db4e","outcome":"APPROVE","judged":"'
    b'APPROVE","mode":"ENFORCE","customer_id":"B-15395","binding_customer_id":"B-15395","s'
    b'egment":"main","check_point":"ORDER","order_id":"152-59-0-994","amount":{"amount":"1'
    b'0.00","currency":"CNY"},"effective_limit":{"amount":"10000000000000.00","currency":"'
    b'CNY"},"unlimited":false,"exposure":{"amount":"100.00","currency":"CNY"},"authorized"'
    b':{"amount":"20.00","currency":"CNY"},"headroom":{"amount":"9999999999880.00","curren'
    b'cy":"CNY"},"ship_up_to":{"amount":"10.00","currency":"CNY"},"fx":null,"traffic_light'
    b'":"GREEN","score":785,"reasons":[],"warnings":[],"unblock":[],"degraded":[],"rule_se'
    b't_version":1,"model":{"name":"standard","version":1},"authorization_id":"01a2189f-ef'
    b'b8-700b-b752-44a6e9018edd","order_hold_id":null,"expires_at":"2027-02-24T16:11:04.47'
    b'9531Z","counts_from":null,"account_seq":13,"evaluated_at":"2026-11-26T16:11:04.47953'
    b'1Z"}'
)
USUAL = (INPUTS, ANSWER)


@given(JSON, JSON)
def test_both_parts_come_back(inputs: bytes, answer: bytes) -> None:
    assert unpack(pack(inputs, answer)) == (inputs, answer)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("packing_1.txt", "c379e431916dd052da2bfb93f63f0404a24520482f727c13c163942da4081288"),
        ("packing_2.bin", "e299d84ac0e43bb3c4079e72cefd1768688c47294e439f33624b43e746d377cf"),
    ],
)
def test_a_dictionary_is_what_it_always_was(name: str, digest: str) -> None:
    """Whoever changes one makes every decision that was stored with it unreadable."""
    dictionary = resources.files("app.store").joinpath(name).read_bytes()
    assert hashlib.sha256(dictionary).hexdigest() == digest


@pytest.mark.parametrize("read", [unpack, unpacked], ids=["service", "checker"])
@pytest.mark.parametrize(
    "packed",
    [
        pytest.param("01235005022b49606186562ed50200", id="deflated"),
        pytest.param(
            "0228b52ffd2435b50000402d31484f4c44227d03fc6fa981cc97a0be37e0e2028a01f89b", id="zstd"
        ),
        pytest.param(
            "007b227175657374696f6e223a7b22637573746f6d65725f6964223a22432d31227d7d0a"
            "7b226f7574636f6d65223a22484f4c44227d",
            id="plain",
        ),
    ],
)
def test_what_was_packed_once_is_read_for_ever(
    packed: str, read: Callable[[bytes], tuple[bytes, bytes]]
) -> None:
    parts = (b'{"question":{"customer_id":"C-1"}}', b'{"outcome":"HOLD"}')
    assert read(bytes.fromhex(packed)) == parts


def test_what_a_newer_program_packed_is_asked_of_that_one() -> None:
    with pytest.raises(BusyError, match="dictionary 7, which a newer program has"):
        unpack(b"\x07abc")
    with pytest.raises(ValueError, match=r"not known here \(07\)"):
        unpacked(b"\x07abc")


@pytest.mark.parametrize("read", [unpack, unpacked], ids=["service", "checker"])
@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(pack(*USUAL) + b"more", id="more-behind"),
        pytest.param(pack(*USUAL)[:-9], id="cut"),
        pytest.param(b"\x00{}", id="one-part"),
        pytest.param(b"\x02\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00", id="an-empty-frame"),
    ],
)
def test_what_is_no_whole_record_is_refused(
    damaged: bytes, read: Callable[[bytes], tuple[bytes, bytes]]
) -> None:
    with pytest.raises(ValueError, match=r"damaged|not known"):
        read(damaged)


@pytest.mark.parametrize("read", [unpack, unpacked], ids=["service", "checker"])
@pytest.mark.parametrize("kind", [1, 2])
def test_damage_is_noticed(kind: int, read: Callable[[bytes], tuple[bytes, bytes]]) -> None:
    with pytest.raises(ValueError, match="damaged"):
        read(bytes([kind]) + b"\xff\xff\xff")


@pytest.mark.parametrize("read", [unpack, unpacked], ids=["service", "checker"])
def test_what_one_bit_changed_is_never_taken_for_what_was_stored(
    read: Callable[[bytes], tuple[bytes, bytes]],
) -> None:
    packed, refused = pack(*USUAL), 0
    for place in range(8, 8 * len(packed)):
        changed = bytearray(packed)
        changed[place // 8] ^= 1 << place % 8
        try:
            told = read(bytes(changed))
        except ValueError:
            refused += 1
        else:
            assert told == USUAL
    assert refused >= 8 * len(packed) - 16  # the first byte, and bits of the head without meaning


def test_threads_pack_at_once() -> None:
    inputs, answer = USUAL
    line = threading.Barrier(4)

    def again(number: int) -> bool:
        line.wait()
        parts = inputs, answer.replace(b"B-15395", b"C-%d" % number)
        return all(unpack(pack(*parts)) == parts for _ in range(2_000))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(again, range(4)))


def test_a_usual_decision_takes_a_sixth() -> None:
    assert len(pack(*USUAL)) * 6 < sum(map(len, USUAL))
