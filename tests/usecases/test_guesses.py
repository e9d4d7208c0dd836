"""Guessed accounts: whatever a lane learned before, it reads what one reads that knows nobody."""

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from sqlalchemy import text

from app.domain.errors import CreditError
from app.store.database import Database
from app.store.guesses import Guesses
from app.store.holds_lane import Held, HoldLane
from app.store.lane import Lane
from app.store.lane_rows import Claim, Loaded, Pair, Want
from tests.server import Clock
from tests.usecases.town import ADMIN, Town, wait_for_a_waiter

RESULTS = ("right", "sought", "wrong", "stray")
LOCKING = [pytest.param(True, id="authorizing"), pytest.param(False, id="checking")]


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    return Town.found(database, clock)


def read(
    town: Town,
    guesses: Guesses,
    *customers: str,
    orders: Collection[str] = (),
    locking: bool = True,
) -> Loaded:
    """Read what a batch rests on that asks about customers and orders in `main`."""

    async def begin() -> Loaded:
        lane = Lane(town.database.url, guesses=guesses)
        want = Want(pairs(*customers), {("main", order) for order in orders}, town.clock())
        try:
            found = (await lane.load(want, []))[0] if locking else await lane.look(want)
            await lane.rollback()
        finally:
            await lane.close()
        return found

    return asyncio.run(begin())


def looked_up(town: Town, *customers: str, orders: Collection[str]) -> Loaded:
    """Read the same as the lane does that judges holds again: it guesses nothing."""
    held = [
        Held("", customer, {"segment": "main", "order_id": order}, [], None)
        for customer in customers
        for order in orders
    ]

    async def meet() -> Loaded:
        lane = HoldLane(town.database.url)
        try:
            await lane.take([])
            found = await lane.meet(held, town.clock())
            await lane.rollback()
        finally:
            await lane.close()
        return found

    return asyncio.run(meet())


def pairs(*customers: str) -> set[Pair]:
    return {("main", customer) for customer in customers}


def counted() -> dict[str, float]:
    """Read the metric."""
    name = "aval_lane_guesses_total"
    return {one: REGISTRY.get_sample_value(name, {"result": one}) or 0 for one in RESULTS}


def since(before: dict[str, float]) -> tuple[float, ...]:
    return tuple(now - before[one] for one, now in counted().items())


def account_id(town: Town, customer_id: str) -> int:
    return town.account(customer_id).account_id


def join(town: Town, customer_id: str, group: str = "G") -> None:
    town.put(customer_id, parent_id=group)


def merge(town: Town, source: str, into: str) -> None:
    town.parties.merge_customers(ADMIN, source, into)


@pytest.mark.parametrize("locking", LOCKING)
def test_who_is_known_is_guessed_and_read_alike(town: Town, *, locking: bool) -> None:
    town.put("A", aliases=("A-2",))
    town.put("G")
    town.put("M", parent_id="G")
    town.put("S")
    town.put("T")
    merge(town, "S", "T")
    town.limit("A", 500)
    town.invoice("A", 30)
    asked = ("A", "A-2", "G", "M", "S", "T", "nobody")
    guesses, before = Guesses(), counted()
    first = read(town, guesses, *asked, locking=locking)
    assert since(before) == (0, 6, 0, 0)
    # the alias, the member of a group and the merged record are never guessed
    assert set(guesses.of(pairs(*asked))) == pairs("A", "G", "T")
    before = counted()
    second = read(town, guesses, *asked, locking=locking)
    assert since(before) == (3, 3, 0, 0)
    assert second == first == read(town, Guesses(), *asked, locking=locking)
    assert first.payers["main", "S"].account_id == account_id(town, "T")
    assert first.customers["A-2"] == "A"
    assert len(first.accounts) == len({"A", "G", "M", "T"})


@pytest.mark.parametrize("locking", LOCKING)
@pytest.mark.parametrize("change", [join, partial(merge, into="T")], ids=["joins", "is-merged"])
def test_who_moved_is_not_taken_for_who_it_was(
    town: Town, change: Callable[[Town, str], None], *, locking: bool
) -> None:
    for customer in ("A", "B", "G", "T"):
        town.put(customer)
    guesses = Guesses()
    read(town, guesses, "A", "B", locking=locking)
    change(town, "A")
    before = counted()
    found = read(town, guesses, "A", "B", locking=locking)
    assert since(before) == (2, 1, 1, 0)  # who stayed was guessed both times
    assert found == read(town, Guesses(), "A", "B", locking=locking)
    path = found.accounts[found.payers["main", "A"].account_id].path
    assert set(path) <= set(found.accounts)
    assert account_id(town, "T" if change is not join else "G") in path
    assert set(guesses.of(pairs("A", "B"))) == pairs("B")  # forgotten, so it costs this once


@pytest.mark.parametrize("locking", LOCKING)
def test_an_order_of_another_payer_brings_its_account(town: Town, *, locking: bool) -> None:
    town.put("A")
    town.put("G")
    town.put("B", parent_id="G")
    town.fact("order", "B", order_id="O-1", amount=70, status="OPEN")
    guesses = Guesses()
    for right in (0, 2):  # A is unknown the first time, and guessed both times of the second
        before = counted()
        found = read(town, guesses, "A", orders=["O-1"], locking=locking)
        assert since(before)[0] == right
        assert since(before)[3] == 1
        assert found.orders["main", "O-1"].account_id == account_id(town, "B")
        assert set(found.accounts) == {account_id(town, name) for name in ("A", "B", "G")}
    # its own payer asks: nothing is read twice
    before = counted()
    read(town, Guesses(), "B", orders=["O-1"], locking=locking)
    assert since(before) == (0, 1, 0, 0)


def test_what_is_read_again_claims_its_key_once(town: Town) -> None:
    """Undone with the first reading: else the key would be known, without an answer."""
    town.put("A")
    town.put("G")
    guesses = Guesses()
    read(town, guesses, "A")
    join(town, "A")

    async def claim() -> object:
        lane = Lane(town.database.url, guesses=guesses)
        one = Claim("tests", "k-1", b"hash", "019332b4-6c00-7000-8000-000000000001")
        try:
            return (await lane.load(Want(pairs("A"), set(), town.clock()), [one]))[1]
        finally:
            await lane.close()

    assert asyncio.run(claim()) == {}


def test_who_moves_while_the_lock_is_waited_for_has_moved(town: Town) -> None:
    town.put("A")
    town.put("G")
    guesses = Guesses()
    read(town, guesses, "A")
    with ThreadPoolExecutor(1) as pool, town.database.begin() as tx:
        tx.execute(
            text("UPDATE account SET path = path || :group WHERE customer_id = 'A'"),
            {"group": account_id(town, "G")},
        )
        reading = pool.submit(read, town, guesses, "A")
        wait_for_a_waiter(town.database)
        tx.commit()
        found = reading.result(10)
    assert set(found.accounts) == {account_id(town, name) for name in "AG"}


def test_what_an_account_does_not_tell_is_not_confirmed(town: Town) -> None:
    """Two payers whose hashes are equal: the account that was read is another one's."""
    town.put("A")
    town.put("B")
    found, key = read(town, Guesses(), "A", "B"), account_id(town, "A")
    guesses = Guesses()
    assert guesses.confirm({("main", "A"): key}, found) == {("main", "A"): key}
    assert guesses.confirm({("main", "B"): key}, found) == {}
    assert guesses.confirm({("other", "A"): key}, found) == {}
    assert guesses.confirm({("main", "A"): key}, replace(found, accounts={})) == {}


def test_payers_of_one_slot_drive_each_other_out(town: Town) -> None:
    names = [f"C-{number}" for number in range(5)]
    for name in names:
        town.put(name)
    guesses, before = Guesses(slots=1), counted()
    for name in names:
        assert read(town, guesses, name) == read(town, Guesses(), name)
        assert set(guesses.of(pairs(*names))) == pairs(name)
    assert since(before) == (0, 2 * len(names), 0, 0)


CUSTOMERS = ("A", "B", "C", "D")
ANYBODY = st.sampled_from(CUSTOMERS)
MOVES = st.one_of(
    st.tuples(st.just("put"), ANYBODY, st.sampled_from([*CUSTOMERS, None])),
    st.tuples(st.just("merge"), ANYBODY, ANYBODY),
    st.tuples(st.just("order"), ANYBODY, ANYBODY),
)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # every example has its own ids
)
@given(moves=st.lists(MOVES, min_size=1, max_size=6), locking=st.booleans())
def test_no_history_misleads(
    town: Town, moves: list[tuple[str, str, str | None]], *, locking: bool
) -> None:
    """Customers join groups, leave them and are merged, orders change hands: all is read alike."""
    run = town.next()
    names = [f"{name}-{run}" for name in CUSTOMERS]
    aliases = [f"{name}-as" for name in names]
    orders = [f"O-{name}" for name in names]
    for name, alias in zip(names, aliases, strict=True):
        town.put(name, aliases=(alias,))
    guesses = Guesses()
    read(town, guesses, *names)
    for what, one, other in moves:
        customer, second = f"{one}-{run}", other and f"{other}-{run}"
        try:
            if what == "put":
                town.put(customer, parent_id=second, aliases=(f"{customer}-as",))
            elif what == "merge" and second is not None:
                merge(town, customer, second)
            else:
                order = {"order_id": f"O-{second}", "amount": 70, "version": town.next()}
                assert town.fact("order", customer, status="OPEN", **order) == "applied"
        except CreditError:
            continue  # a group within itself, a record that is merged already
        for asked in ([*names, *aliases], names[:1]):
            wanted = looked_up(town, *asked, orders=orders)
            assert read(town, guesses, *asked, orders=orders, locking=locking) == wanted
