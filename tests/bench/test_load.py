"""The load counts what it is told to count, and an open loop does not hide waiting."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bench.load import Plan, drive, due_times
from tests.bench.counter import ok, serving

STALL_S = 1.0


@dataclass(frozen=True, slots=True)
class Hello:
    """Requests that all look alike; a good answer says `yes` once an item."""

    size: int = 1
    wanted: bytes = b"yes"
    body: bytes = b"{}"

    def requests(self, place: int) -> Iterator[bytes]:
        del place
        request = b"POST /x HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(self.body), self.body)
        while True:
            yield request


@pytest.mark.parametrize(
    ("rate", "seconds", "expected"),
    [
        pytest.param(4, 1.0, [0.0, 0.25, 0.5, 0.75], id="the-end-is-not-due"),
        pytest.param(2, 0.4, [], id="shorter-than-one-step"),
        pytest.param(2, 0.5, [0.0], id="exactly-one-step"),
    ],
)
def test_requests_are_due_evenly(rate: float, seconds: float, expected: list[float]) -> None:
    assert list(due_times(rate, seconds)) == expected


def test_a_closed_loop_counts_every_answer() -> None:
    with serving(lambda _: [ok(b"yes")]) as port:
        tally = drive(Plan(port, Hello(), connections=3, seconds=0.0, each=7))
    assert (tally.items, tally.done, tally.odd, tally.shed) == (21, 21, 0, 0)
    assert len(tally.latencies_s) == 21
    assert tally.seconds > 0


def test_what_warms_up_is_done_but_not_counted() -> None:
    with serving(lambda _: [ok(b"yes")]) as port:
        tally = drive(Plan(port, Hello(), connections=2, seconds=1.0, warm_s=0.5))
    assert 0 < tally.items < tally.done
    assert len(tally.latencies_s) < tally.done
    assert tally.seconds == 1.0


@pytest.mark.parametrize(
    ("answer", "odd", "shed"),
    [
        pytest.param(ok(b"no"), 1, 0, id="not-what-was-wanted"),
        pytest.param(ok(b"yes yes"), 1, 0, id="more-than-was-wanted"),
        pytest.param(b"HTTP/1.1 500 x\r\ncontent-length: 3\r\n\r\nyes", 1, 0, id="an-error"),
        pytest.param(b"HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n", 0, 1, id="shed"),
    ],
)
def test_an_answer_that_is_not_as_wished(answer: bytes, odd: int, shed: int) -> None:
    with serving(lambda _: [answer]) as port:
        tally = drive(Plan(port, Hello(), connections=1, seconds=0.0, each=1))
    assert (tally.odd, tally.shed) == (odd, shed)


def test_items_of_a_batch_may_be_shed_while_others_are_answered() -> None:
    with serving(lambda _: [ok(b'yes {"code":"busy"} yes')]) as port:
        tally = drive(Plan(port, Hello(size=3), connections=1, seconds=0.0, each=2))
        short = drive(Plan(port, Hello(size=4), connections=1, seconds=0.0, each=1))
    assert (tally.items, tally.shed, tally.odd) == (4, 2, 0)
    assert (short.items, short.shed, short.odd) == (2, 1, 1), "one item went missing"


def test_an_answer_in_pieces_is_one_answer() -> None:
    whole = ok(b"yes" * 40_000)
    pieces = [whole[:9], whole[9:30], whole[30:90_000], whole[90_000:]]
    with serving(lambda _: pieces) as port:
        tally = drive(Plan(port, Hello(size=40_000), connections=2, seconds=0.0, each=2))
    assert (tally.items, tally.odd) == (160_000, 0)


def test_a_request_larger_than_the_socket_takes_at_once() -> None:
    with serving(lambda _: [ok(b"yes")]) as port:
        source = Hello(body=b"x" * 8_000_000)
        tally = drive(Plan(port, source, connections=2, seconds=0.0, each=1))
    assert (tally.items, tally.odd) == (2, 0)


def test_a_server_that_hangs_up_is_an_error() -> None:
    with serving(lambda _: [b""]) as port, pytest.raises(ConnectionError, match="closed"):
        drive(Plan(port, Hello(), connections=1, seconds=0.0, each=1))


def test_an_open_loop_counts_waiting_from_when_a_request_was_due() -> None:
    with serving(lambda _: [ok(b"yes")], {20: STALL_S}) as port:
        waited = drive(Plan(port, Hello(), connections=4, seconds=1.5, rate=100)).latencies_s
    slow = sum(latency > STALL_S / 4 for latency in waited)
    # 100 were due while the server stood still, 75 of them waited for more than a quarter of it
    assert len(waited) == 150
    assert slow >= 70
    with serving(lambda _: [ok(b"yes")], {20: STALL_S}) as port:
        hidden = drive(Plan(port, Hello(), connections=4, seconds=1.5)).latencies_s
    # four in this stall, and as many in each that the machine adds
    assert sum(latency > STALL_S / 4 for latency in hidden) <= slow / 4, "a closed loop is blind"


def test_an_open_loop_keeps_its_rate() -> None:
    with serving(lambda _: [ok(b"yes")]) as port:
        tally = drive(Plan(port, Hello(), connections=8, seconds=0.5, warm_s=0.1, rate=200))
    assert tally.done == 120
    assert 99 <= len(tally.latencies_s) <= 101  # by when they were due, however late the answers
    assert 0 < tally.items <= 120
