"""Keys are taken to be new: one that is not costs a second reading, and changes no answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from app.domain.errors import BusyError, CreditError, KeyReusedError
from app.store.database import Database
from app.store.lane import Lane
from app.store.lane_rows import Claim, Known, Want
from app.usecases.asks import Answer
from tests.server import Clock
from tests.usecases.counter import Counter
from tests.usecases.town import Town

RESULTS = ("trusted", "looked", "taken")
NOBODY = "00000000-0000-7000-8000-000000000000"


def claim(key: str, digest: bytes = b"h") -> Claim:
    return Claim("tests", key, digest, NOBODY)


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    town = Town.found(database, clock)
    with database.begin() as tx:
        tx.execute(
            text("INSERT INTO request_key (client, key, hash) VALUES ('tests', 'old', 'before')")
        )
    return town


def load(town: Town, *batches: Sequence[Claim]) -> list[dict[tuple[str, str], Known]]:
    """Begin batches one after another on one lane, and undo each; gives what was known of keys."""

    async def begin() -> list[dict[tuple[str, str], Known]]:
        lane = Lane(town.database.url)
        found = []
        try:
            for claims in batches:
                found.append((await lane.load(Want(set(), set(), town.clock()), claims))[1])
                await lane.rollback()
        finally:
            await lane.close()
        return found

    return asyncio.run(begin())


def granted(answer: Answer | CreditError) -> Answer:
    """Read an answer that is no refusal."""
    assert isinstance(answer, Answer)
    return answer


def counted() -> dict[str, float]:
    """Read the metric."""
    name = "aval_lane_keys_total"
    return {one: REGISTRY.get_sample_value(name, {"result": one}) or 0 for one in RESULTS}


def since(before: dict[str, float]) -> tuple[float, ...]:
    return tuple(now - before[one] for one, now in counted().items())


def test_new_keys_are_not_looked_up(town: Town) -> None:
    before = counted()
    assert load(town, [claim("a"), claim("b")], [claim("c")], []) == [{}, {}, {}]
    assert since(before) == (3, 0, 0)


def test_a_key_from_before_is_known_whatever_comes_with_it(town: Town) -> None:
    before = counted()
    known = {("tests", "old"): Known(b"before", 0, b"")}
    told = load(town, [claim("a"), claim("old"), claim("b")], [claim("old")], [claim("c")])
    assert told == [known, known, {}]
    assert since(before) == (1, 3, 1)  # the next ones look, and are not read twice


def test_after_a_while_keys_are_taken_to_be_new_again(town: Town) -> None:
    before = counted()
    load(town, [claim("old")], *[[claim("a")]] * 64)
    assert since(before) == (2, 64, 1)


def test_a_key_that_is_being_written_is_waited_for(town: Town) -> None:
    """Who waits for longer than lanes wait for a lock hears BUSY; afterwards the key is known."""
    with town.database.begin() as tx:
        tx.execute(text("INSERT INTO request_key (client, key, hash) VALUES ('tests', 'k', '')"))
        with pytest.raises(BusyError):
            load(town, [claim("k")])
    assert load(town, [claim("k")]) == [{("tests", "k"): Known(b"", 0, b"")}]


def test_repeats_beside_new_orders_get_their_first_answer(database: Database) -> None:
    counter = Counter.open(database)
    counter.add("C-1", 10_000_00)
    first = [counter.order(counter.question(f"O-{place}")) for place in range(8)]
    answers = counter.answers(first)
    fresh = [counter.order(counter.question(f"N-{place}")) for place in range(8)]
    mixed = [one for pair in zip(first, fresh, strict=True) for one in pair]
    told = counter.answers(mixed)
    assert told[::2] == [replace(granted(one), replayed=True) for one in answers]
    assert [granted(one).replayed for one in told[1::2]] == [False] * 8
    other = counter.order(counter.question("O-0", "11.00"), first[0].key)
    assert isinstance(counter.answers([other])[0], KeyReusedError)
