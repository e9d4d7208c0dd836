"""Authorizations end by themselves: what is left is freed everywhere, once, and nothing else is."""

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from threading import Barrier
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.domain.errors import BusyError
from app.store import orders
from app.store.checker import check_ledger
from app.store.database import Database, Tx, moment
from app.store.schema.documents import UNSPENT
from app.telemetry import EXPIRY_OVERDUE_SECONDS
from app.usecases.expiry import ExpireAuthorizations, expire
from app.usecases.portions import Portion
from tests.erp import Erp, money
from tests.server import Clock
from tests.usecases.town import at_once

LIST = "/v1/authorizations"
DAY_S = 86_400


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1")
    return erp


def at(when: datetime) -> Callable[[Tx], datetime]:
    return lambda _: when


def sweep(database: Database, when: datetime, most: int = 100) -> int:
    """Run a whole pass as of a moment; returns how many authorizations it ended."""
    sweeper = ExpireAuthorizations(database, most, at(when))
    done, portion = 0, Portion(0, ())
    while portion.after is not None:
        portion = sweeper(portion.after)
        done += portion.items
    return done


def status(erp: Erp, told: dict[str, Any]) -> tuple[str, str]:
    found = erp.client.get(f"{LIST}/{told['authorization_id']}").json()
    return found["status"], found["remaining"]["amount"]


def journal(database: Database, customer_id: str = "C-1") -> list[tuple[str, str, int]]:
    query = text(
        "SELECT j.kind, j.ref, j.authorized_minor FROM journal j JOIN account a USING (account_id)"
        " WHERE a.customer_id = :customer ORDER BY j.seq"
    )
    with database.read() as tx:
        return [tuple(row) for row in tx.execute(query, {"customer": customer_id})]


def deliver(erp: Erp, order_id: str, amount: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    event = {"type": "delivery", "event_id": f"{order_id}-{amount}", "amount": money(amount)}
    return tell(erp, {**event, "delivery_id": f"D-{order_id}", "order_id": order_id, **more})


def tell_open(erp: Erp, order_id: str, amount: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    event = {"type": "order", "event_id": f"open-{order_id}", "amount": money(amount)}
    return tell(erp, {**event, "order_id": order_id, "status": "OPEN", **more})


def tell(erp: Erp, event: dict[str, Any]) -> dict[str, Any]:
    told = {"source": "erp", "customer_id": "C-1", "segment": "main", "version": 1}
    at = {"occurred_at": "2026-06-15T04:00:00Z"}
    answer = erp.client.post("/v1/ledger-events", json={"events": [{**told, **at, **event}]})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["results"][0]
    assert result["result"] == "applied", result
    return result


def exact(database: Database) -> None:
    found = check_ledger(database.url)
    assert found.clean, str(found)


@pytest.mark.parametrize(
    ("late", "ended"),
    [
        pytest.param(timedelta(microseconds=-1), 0, id="a-moment-before"),
        pytest.param(timedelta(0), 1, id="at-its-very-end"),
        pytest.param(timedelta(days=1), 1, id="a-day-late"),
    ],
)
def test_an_authorization_ends_at_its_moment(
    erp: Erp, database: Database, clock: Clock, late: timedelta, ended: int
) -> None:
    told = erp.ask("SO-1", "60.00", expires_in=DAY_S)
    erp.ask("SO-2", "10.00", expires_in=None)
    assert sweep(database, clock() + timedelta(days=1) + late) == ended
    assert status(erp, told) == (("EXPIRED", "0.00") if ended else ("OPEN", "60.00"))
    assert erp.authorized() == ("10.00" if ended else "70.00")
    exact(database)


@pytest.mark.parametrize("swept", [True, False], ids=["swept", "not-yet-swept"])
@pytest.mark.parametrize("by", ["an-ask", "a-fact"])
def test_it_stays_expired_when_another_payer_takes_the_order_over(
    erp: Erp, database: Database, clock: Clock, by: str, *, swept: bool
) -> None:
    erp.customer("C-2")
    told = erp.ask("SO-1", "60.00", expires_in=DAY_S)
    clock.advance(days=2)
    if swept:
        assert sweep(database, clock()) == 1
    if by == "an-ask":
        assert erp.ask("SO-1", "50.00", customer_id="C-2")["outcome"] == "APPROVE"
    else:
        tell_open(erp, "SO-1", "50.00", customer_id="C-2")
    assert status(erp, told) == ("EXPIRED", "0.00")
    query = {"customer_id": "C-1", "status": "EXPIRED"}
    items = erp.client.get(LIST, params=query).json()["items"]
    assert [one["authorization_id"] for one in items] == [told["authorization_id"]]
    exact(database)


@pytest.mark.parametrize("by", ["an-ask", "a-fact"])
def test_what_was_used_up_has_not_run_out(
    erp: Erp, database: Database, clock: Clock, by: str
) -> None:
    erp.customer("C-2")
    told = erp.ask("SO-1", "60.00", expires_in=DAY_S)
    deliver(erp, "SO-1", "60.00")
    clock.advance(days=2)
    assert status(erp, told)[0] == "CONSUMED"
    if by == "an-ask":
        assert erp.ask("SO-1", "50.00", customer_id="C-2")["outcome"] == "APPROVE"
    else:
        tell_open(erp, "SO-1", "50.00", customer_id="C-2")
    assert status(erp, told) == ("RELEASED", "0.00")
    exact(database)


@pytest.mark.parametrize(
    ("swept", "amounts"),
    [
        pytest.param(True, ("60.00", "15.00"), id="as-it-was"),
        pytest.param(False, ("60.00", "15.00"), id="as-it-was-not-yet-swept"),
        pytest.param(False, ("45.00", "0.00"), id="less-not-yet-swept"),
    ],
)
def test_an_order_told_after_its_end_is_reserved_until_its_facts_carry_it(
    erp: Erp, database: Database, clock: Clock, amounts: tuple[str, str], *, swept: bool
) -> None:
    told = erp.ask("SO-1", "60.00", expires_in=DAY_S)
    clock.advance(days=2)
    if swept:
        assert sweep(database, clock()) == 1
    amount, left = amounts
    tell_open(erp, "SO-1", amount)
    anew = erp.client.get(LIST, params={"order_id": "SO-1", "status": "OPEN"}).json()["items"]
    assert [(one["amount"], one["remaining"]) for one in anew] == [(money(amount), money(amount))]
    assert status(erp, told) == ("EXPIRED", "0.00")
    assert erp.authorized() == amount
    exact(database)
    deliver(erp, "SO-1", "45.00")
    assert erp.account()["exposure"] == money("45.00")
    assert erp.authorized() == left
    assert erp.post(f"{LIST}/{anew[0]['authorization_id']}/release").status_code == 200
    assert erp.authorized() == "0.00"
    exact(database)


def test_what_is_left_is_freed_on_the_whole_path(
    erp: Erp, database: Database, clock: Clock
) -> None:
    erp.customer("G", "150.00")
    erp.customer("C-2", parent_id="G")
    told = erp.ask("SO-1", "60.00", customer_id="C-2", expires_in=1)
    erp.ask("SO-2", "5.00", customer_id="C-2", expires_in=1)
    assert sweep(database, clock() + timedelta(days=1)) == 2
    assert (erp.authorized("C-2"), erp.authorized("G")) == ("0.00", "0.00")
    for customer in ("C-2", "G"):
        assert journal(database, customer)[-2:] == [
            ("FREE", "order:SO-1", 500),
            ("FREE", "order:SO-2", 0),
        ]
    assert status(erp, told) == ("EXPIRED", "0.00")
    shown = erp.client.get(LIST, params={"status": "EXPIRED"}).json()["items"]
    assert {one["order_id"] for one in shown} == {"SO-1", "SO-2"}
    assert sweep(database, clock() + timedelta(days=1)) == 0
    exact(database)


def test_a_delivery_before_the_sweep_still_finds_its_reservation(
    erp: Erp, database: Database, clock: Clock
) -> None:
    part = erp.ask("SO-1", "60.00", expires_in=1)
    whole = erp.ask("SO-2", "40.00", expires_in=1)
    clock.advance(seconds=2)  # both are over, nobody has looked yet
    assert deliver(erp, "SO-1", "50.00")["over_limit"] == []
    assert deliver(erp, "SO-2", "40.00")["over_limit"] == []
    assert sweep(database, clock()) == 1
    assert status(erp, part) == ("EXPIRED", "0.00")
    assert status(erp, whole) == ("CONSUMED", "0.00")
    assert (erp.authorized(), erp.account()["exposure"]["amount"]) == ("0.00", "90.00")
    exact(database)


def test_what_ships_after_expiry_is_exposure_by_fact(
    erp: Erp, database: Database, clock: Clock
) -> None:
    erp.ask("SO-1", "60.00", expires_in=1)
    assert sweep(database, clock() + timedelta(seconds=1)) == 1
    erp.ask("SO-2", "70.00")
    told = deliver(erp, "SO-1", "60.00")
    assert [one["excess"] for one in told["over_limit"]] == [money("30.00")]
    assert (erp.account()["forced"]["amount"], erp.authorized()) == ("30.00", "70.00")
    exact(database)


def test_an_ask_after_expiry_is_judged_anew(erp: Erp, database: Database, clock: Clock) -> None:
    first = erp.ask("SO-1", "60.00", expires_in=1)
    erp.ask("SO-2", "30.00")
    clock.advance(seconds=1)
    assert sweep(database, clock()) == 1
    again = erp.ask("SO-1", "60.00", expires_in=DAY_S)
    assert (again["outcome"], again["authorization_id"]) == ("APPROVE", first["authorization_id"])
    assert status(erp, again) == ("OPEN", "60.00")
    clock.advance(days=1)
    assert sweep(database, clock()) == 1
    erp.ask("SO-3", "20.00")
    assert erp.ask("SO-1", "60.00")["outcome"] == "HOLD"  # nothing of it is reserved any more
    exact(database)


def test_an_open_hold_stays(erp: Erp, database: Database, clock: Clock) -> None:
    erp.ask("SO-1", "60.00", expires_in=1)
    hold_id = erp.held("SO-1", "150.00")
    assert sweep(database, clock() + timedelta(days=1)) == 1
    assert erp.hold(hold_id)["status"] == "OPEN"
    assert erp.decide(hold_id, "release").json()["status"] == "RELEASED"
    assert erp.authorized() == "150.00"
    exact(database)


def test_a_limit_that_lapsed_is_journalled_before(
    erp: Erp, database: Database, clock: Clock
) -> None:
    base = {"kind": "temporary", "limit": money("200.00")}
    erp.post(
        "/v1/customers/C-1/limits",
        {**base, "valid_from": "2026-06-15", "valid_to": "2026-06-15"},
    )
    erp.ask("SO-1", "150.00", expires_in=2 * DAY_S)
    erp.ask("SO-2", "40.00", expires_in=None)
    assert sweep(database, clock() + timedelta(days=2)) == 1
    assert journal(database)[-2:] == [
        ("LIMIT_EFFECTIVE", "2026-06-17", 19000),
        ("FREE", "order:SO-1", 4000),
    ]
    assert (erp.account()["forced"]["amount"], erp.authorized()) == ("0.00", "40.00")
    exact(database)


def test_portions_go_on_until_none_is_left(erp: Erp, database: Database, clock: Clock) -> None:
    for number in range(5):
        erp.ask(f"SO-{number}", "1.00", expires_in=5 - number)
    sweeper = ExpireAuthorizations(database, 2, at(clock() + timedelta(days=1)))
    assert [sweeper(), sweeper(()), sweeper(())] == [Portion(2, ()), Portion(2, ()), Portion(1)]
    assert [ref for kind, ref, _ in journal(database) if kind == "FREE"] == [
        f"order:SO-{number}"
        for number in (4, 3, 2, 1, 0)  # the oldest first
    ]


def test_nobody_is_waited_for_and_the_delay_is_shown(
    erp: Erp, database: Database, clock: Clock
) -> None:
    erp.ask("SO-1", "1.00", expires_in=1)
    erp.ask("SO-2", "1.00", expires_in=2)
    with database.begin() as tx:
        orders.lock(tx, [("main", "SO-1")])
        assert sweep(database, clock() + timedelta(seconds=61)) == 1
    assert EXPIRY_OVERDUE_SECONDS._value.get() == 60  # noqa: SLF001 - no other way to read it
    assert erp.authorized() == "1.00"
    assert sweep(database, clock() + timedelta(seconds=61)) == 1
    assert EXPIRY_OVERDUE_SECONDS._value.get() == 0  # noqa: SLF001
    exact(database)


def expiring(erp: Erp, clock: Clock, *payers: str) -> None:
    """Authorize SO-1, SO-2, … of C-1 and C-2, one after the other, for a second each."""
    erp.customer("C-2")
    for number, customer_id in enumerate(payers, 1):
        erp.ask(f"SO-{number}", "1.00", expires_in=1, customer_id=customer_id)
        clock.advance(seconds=1)


def test_a_locked_account_keeps_nobody_else_waiting(
    erp: Erp, database: Database, clock: Clock
) -> None:
    """C-1's two orders are the oldest and fill a portion: without care they would be all of it."""
    expiring(erp, clock, "C-1", "C-1", "C-2")
    sweeper = ExpireAuthorizations(database, 2, at(clock() + timedelta(days=1)))
    with database.begin() as tx:
        held = tx.execute(
            text("SELECT account_id FROM account WHERE customer_id = 'C-1' FOR NO KEY UPDATE")
        ).scalar_one()
        first = sweeper()
        assert first == Portion(0, (held,), left=1)
        assert sweeper(first.after) == Portion(1)
    assert (erp.authorized(), erp.authorized("C-2")) == ("2.00", "0.00")
    assert sweep(database, clock() + timedelta(days=1)) == 2
    exact(database)


def test_who_was_done_alone_is_not_tried_again_in_a_pass(
    erp: Erp, database: Database, clock: Clock
) -> None:
    """Else those whose orders somebody works on would come first, again and again."""
    expiring(erp, clock, "C-1", "C-2", "C-2")
    sweeper = ExpireAuthorizations(database, 2, at(clock() + timedelta(days=1)))
    with database.begin() as tx:
        query = "SELECT account_id FROM account WHERE customer_id LIKE 'C-_' ORDER BY account_id"
        both = tuple(tx.execute(text(query)).scalars())
        tx.execute(text("SELECT FROM credit_order WHERE order_id = 'SO-1' FOR UPDATE"))
        tx.execute(text("SELECT FROM account WHERE customer_id = 'C-2' FOR NO KEY UPDATE"))
        first = sweeper()
        assert first == Portion(0, both, left=1)
        assert sweeper(first.after) == Portion(0)
    assert sweep(database, clock() + timedelta(days=1)) == 3


def test_the_clock_is_that_of_the_database(erp: Erp, database: Database, clock: Clock) -> None:
    with database.read() as tx:
        clock.at = moment(tx)
    erp.ask("SO-1", "1.00", expires_in=DAY_S)
    clock.at -= timedelta(days=2)
    erp.ask("SO-2", "1.00", expires_in=DAY_S)
    clock.at -= timedelta(days=365)  # what the application believes is of no account
    assert ExpireAuthorizations(database, 10)() == Portion(1)
    assert [ref for kind, ref, _ in journal(database) if kind == "FREE"] == ["order:SO-2"]


def test_the_index_finds_what_is_due(erp: Erp, database: Database, clock: Clock) -> None:
    erp.ask("SO-1", "1.00", expires_in=1)
    seen: list[str] = []
    with database.begin() as tx:
        tx.execute(text("SET LOCAL enable_seqscan = off"))
        where = f"{UNSPENT} AND expires_at <= :at ORDER BY expires_at LIMIT 10"
        plan = text(f"EXPLAIN SELECT * FROM credit_order WHERE {where}")  # noqa: S608 - constants
        seen = [str(row[0]) for row in tx.execute(plan, {"at": clock()})]
    assert any("Index Scan using credit_order_due_idx" in line for line in seen), seen
    assert not any("Sort" in line for line in seen), seen


@pytest.mark.parametrize("seed", range(3))
def test_sweepers_and_deliveries_at_once_free_once(
    erp: Erp, database: Database, clock: Clock, seed: int
) -> None:
    rng = Random(seed)
    numbers = range(12)
    for number in numbers:
        erp.ask(f"SO-{number}", "6.00", expires_in=1)
    clock.advance(seconds=1)
    shipped = [number for number in numbers if rng.random() < 0.7]

    def ship(some: list[int]) -> Callable[[], int]:
        return lambda: len([deliver(erp, f"SO-{n}", "4.00") for n in some])

    def clear() -> int:
        return sum(patient(lambda: sweep(database, clock(), most=2)) for _ in range(3))

    answers = at_once(clear, clear, clear, ship(shipped[::2]), ship(shipped[1::2]))
    assert all(isinstance(one, int) for one in answers), answers
    rest = sweep(database, clock())
    assert sum(answers[:3]) + rest == len(numbers)  # type: ignore[arg-type] # all are int
    freed = [ref for kind, ref, _ in journal(database) if kind == "FREE"]
    assert sorted(freed) == sorted(f"order:SO-{number}" for number in numbers)
    assert erp.authorized() == "0.00"
    assert erp.account()["exposure"]["amount"] == f"{4 * len(shipped)}.00"
    exact(database)


def patient(act: Callable[[], int]) -> int:
    """Try again while somebody is in the way, as the loop does."""
    for _ in range(50):
        try:
            return act()
        except BusyError:
            continue
    raise AssertionError("busy for too long")


def test_without_the_lock_the_same_is_freed_twice(
    erp: Erp, database: Database, clock: Clock
) -> None:
    """The control: two passes that read what is due without locking it."""
    erp.ask("SO-1", "60.00", expires_in=1)
    erp.ask("SO-2", "40.00", expires_in=2 * DAY_S)
    both = Barrier(2)

    def careless() -> None:
        with database.begin(lock_timeout_ms=10_000) as tx:
            due = list(orders.get_many(tx, [("main", "SO-1")]).values())
            both.wait(10)
            orders.write(tx, expire(tx, due, clock()))

    with pytest.raises(Exception, match="account_not_negative_check"):
        at_once(careless, careless)
