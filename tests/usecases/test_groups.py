"""Groups pool their members' use, also while members move; merged records become one."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.domain.accounts import Entry, Use, force
from app.domain.customers import AccountChange
from app.domain.errors import (
    BusyError,
    CreditError,
    FieldError,
    MergeConflictError,
    RateMissingError,
)
from app.domain.money import Money
from app.domain.scores import TrafficLight
from app.store import customers
from app.store.database import Database, Tx
from app.usecases.books import Books
from app.usecases.customers import CustomerView
from app.usecases.groups import ensure_accounts
from app.usecases.limits import LimitAsk
from app.usecases.segments import SegmentChange
from tests.server import Clock
from tests.usecases.readers import Reader
from tests.usecases.town import ADMIN, Town, at_once, wait_for_a_waiter


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    return Town.found(database, clock)


def merge(town: Town, source: str, into: str) -> CustomerView:
    return town.parties.merge_customers(ADMIN, source, into)


def move(town: Town, customer_id: str, parent_id: str | None) -> None:
    town.put(customer_id, parent_id=parent_id)


def test_a_move_takes_the_use_along(town: Town) -> None:
    for group in ("G1", "G2", "TOP"):
        town.put(group)
    move(town, "G1", "TOP")
    town.put("A", parent_id="G1")
    town.put("B", parent_id="A")
    town.invoice("A", 100)
    town.invoice("B", 30)
    town.invoice("B", 5, "USD")
    town.limit("G2", 150)
    assert town.position("TOP") == Use(open_item=130)
    assert town.position("TOP", "USD") == Use(open_item=5)
    move(town, "A", "G2")
    for emptied in ("G1", "TOP"):
        assert (town.position(emptied), town.position(emptied, "USD")) == (Use(), Use())
    assert town.position("G2") == Use(open_item=130)
    assert town.account("G2").use.total == 130 + 35
    assert town.account("G2").forced == 15  # a move is a fact: never refused
    a, b, g2 = (town.account(name).account_id for name in ("A", "B", "G2"))
    assert town.account("B").path == (b, a, g2)
    move(town, "A", None)
    assert town.position("G2") == Use()
    assert town.account("B").path == (b, a)
    town.exact()


def test_a_group_in_another_currency_needs_a_rate(town: Town) -> None:
    town.put("G", currency="EUR")
    town.put("A")
    move(town, "A", "G")  # nothing is open: no rate is needed
    move(town, "A", None)
    town.invoice("A", 100)
    with pytest.raises(RateMissingError, match="CNY and EUR"):
        move(town, "A", "G")
    assert town.parties.read_customer(ADMIN, "A").customer.parent_id is None
    town.put("U", currency="USD")
    move(town, "A", "U")
    assert town.account("U").use == Use(open_item=15)  # 100 fen at 7, rounded up
    town.exact()


def test_what_stops_a_group_colours_its_members(town: Town) -> None:
    town.put("G")
    town.put("A", parent_id="G")
    assert town.with_light(TrafficLight.YELLOW) == ["A", "G"]
    town.invoice("A", 100, due="2026-06-01")
    town.limit("A", 1000)
    town.limit("G", 1000)
    for name in ("A", "G"):
        seen = Reader(town.database, town.clock).account(name)
        assert (seen.overdue.amount.minor, seen.overdue.days) == (100, 14)
        assert seen.traffic_light == TrafficLight.YELLOW
    town.limit("G", 99)
    assert town.with_light(TrafficLight.RED) == ["G"]
    assert Reader(town.database, town.clock).account("G").traffic_light == TrafficLight.RED
    stop(town, "G")
    assert town.with_light(TrafficLight.RED) == ["A", "G"]
    assert Reader(town.database, town.clock).account("A").traffic_light == TrafficLight.RED


def test_a_member_tells_what_its_groups_leave(town: Town) -> None:
    """Its own account may be without a bound while every order is held."""
    for name, parent in (("TOP", None), ("MID", "TOP"), ("G", "MID"), ("A", "G")):
        town.put(name, parent_id=parent)
    reader = Reader(town.database, town.clock)
    assert [*reader.account("A").groups] == []  # who was never given a limit bounds nobody
    for name in ("A", "MID"):
        town.propose(name, LimitAsk("base", "main", None, unlimited=True))
    town.limit("G", 100)
    town.limit("TOP", 90)
    town.invoice("A", 70)
    seen = reader.account("A")
    assert seen.headroom is None
    assert [*seen.groups] == [("G", Money(30, "CNY")), ("TOP", Money(20, "CNY"))]
    assert [*reader.account("G").groups] == [("TOP", Money(20, "CNY"))]
    assert [*reader.account("TOP").groups] == []
    town.limit("G", None)  # no credit granted
    assert [*reader.account("A").groups] == [("G", Money(-70, "CNY")), ("TOP", Money(20, "CNY"))]


@pytest.mark.parametrize(
    ("due", "light"),
    [
        pytest.param("2026-06-15", TrafficLight.GREEN, id="due-today"),
        pytest.param("2026-06-14", TrafficLight.YELLOW, id="one-day-late"),
        pytest.param("2026-05-16", TrafficLight.YELLOW, id="thirty-days-late"),
        pytest.param("2026-05-15", TrafficLight.RED, id="thirty-one-days-late"),
    ],
)
def test_list_and_account_agree_on_the_light(town: Town, due: str, light: TrafficLight) -> None:
    town.put("A")
    town.limit("A", 1000)
    scored(town, "A", "GREEN")
    town.invoice("A", 100, due=due)
    assert Reader(town.database, town.clock).account("A").traffic_light == light
    assert town.with_light(light) == ["A"]


def scored(town: Town, customer_id: str, light: str) -> None:
    """Store a score's light as the scoring column would."""
    account = town.account(customer_id)
    with town.database.begin() as tx:
        tx.execute(
            text(
                "INSERT INTO account_input (account_id, version, data) VALUES (:id, :version,"
                " jsonb_build_object('active', true, 'score',"
                " jsonb_build_object('traffic_light', CAST(:light AS text))))"
            ),
            {"id": account.account_id, "version": account.input_version + 1, "light": light},
        )
        tx.execute(
            text("UPDATE account SET input_version = input_version + 1 WHERE account_id = :id"),
            {"id": account.account_id},
        )


def stop(town: Town, customer_id: str) -> None:
    """Stop a customer in every segment, as the column of holds does."""
    with town.database.begin() as tx:
        tx.execute(
            text(
                "INSERT INTO order_hold (hold_id, kind, customer_id, opened_at, updated_at)"
                " VALUES (gen_random_uuid(), 'STOP', :id, now(), now())"
            ),
            {"id": customer_id},
        )
        tx.execute(
            text("UPDATE account SET status = 'STOPPED' WHERE customer_id = :id"),
            {"id": customer_id},
        )


def test_a_new_account_is_stopped_where_its_customer_is(town: Town) -> None:
    town.put("A")
    stop(town, "A")
    with town.database.begin() as tx:
        tx.execute(text("INSERT INTO segment (segment_id, name) VALUES ('eu', 'eu')"))
    with town.database.begin() as tx:
        assert ensure_accounts(tx, "A", "eu").status == "STOPPED"


def test_equal_accounts_are_made_once(town: Town) -> None:
    town.put("G")
    town.put("A", parent_id="G")
    town.put("B", parent_id="G")
    with town.database.begin() as tx:
        tx.execute(text("INSERT INTO segment (segment_id, name) VALUES ('eu', 'eu')"))

    def make(name: str) -> int:
        with town.database.begin() as tx:
            return ensure_accounts(tx, name, "eu").account_id

    made = at_once(*(partial(make, name) for name in "ABABABG"))
    assert not any(isinstance(one, CreditError) for one in made), made
    assert len(set(made)) == 3
    group = town.account("G", "eu").account_id
    assert town.account("A", "eu").path[1:] == town.account("B", "eu").path[1:] == (group,)


MEMBERS = ("A", "B", "C", "D", "E")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(MEMBERS), st.none() | st.sampled_from(MEMBERS)),
        st.tuples(
            st.sampled_from(MEMBERS),
            st.sampled_from(["CNY", "USD"]),
            st.integers(1, 1_000_003),
        ),
    ),
    max_size=14,
)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # every example has its own ids
)
@given(steps=STEPS)
def test_positions_are_the_sum_over_members(town: Town, steps: Sequence[tuple[Any, ...]]) -> None:
    mark = f"{town.next()}-"
    parents: dict[str, str | None] = dict.fromkeys(MEMBERS)
    own: dict[tuple[str, str], int] = {}
    for name in MEMBERS:
        town.put(mark + name, currency="USD" if name == "C" else "CNY")
    for member, what, *amount in steps:
        if amount:
            own[member, what] = own.get((member, what), 0) + amount[0]
            town.invoice(mark + member, amount[0], what)
            continue
        if fits(parents, member, what):
            move(town, mark + member, what and mark + what)
            parents[member] = what
        else:
            with pytest.raises(FieldError, match=r"cycle|own group|deep"):
                move(town, mark + member, what and mark + what)
    for name in MEMBERS:
        for currency in ("CNY", "USD"):
            pooled = sum(
                minor
                for (member, code), minor in own.items()
                if code == currency and name in chain(parents, member)
            )
            assert town.position(mark + name, currency) == Use(open_item=pooled)
    town.exact()


def fits(parents: dict[str, str | None], member: str, above: str | None) -> bool:
    """Tell whether a member may stand there; five members are never too deep."""
    return above is None or member not in chain(parents, above)


def chain(parents: dict[str, str | None], member: str) -> list[str]:
    """List a member and its groups, upwards."""
    found, at = [], str(member)
    while True:
        found.append(at)
        above = parents[at]
        if above is None:
            return found
        at = above


def test_moves_and_facts_at_once_lose_nothing(town: Town) -> None:
    town.put("G1")
    town.put("G2")
    town.put("A")

    def moves() -> None:
        for turn in range(8):
            patiently(partial(move, town, "A", f"G{1 + turn % 2}"))

    def facts() -> None:
        for _ in range(15):
            patiently(partial(town.invoice, "A", 7))

    assert at_once(moves, facts, facts) == [None] * 3
    assert town.position("A") == town.position("G2") == Use(open_item=210)
    assert town.position("G1") == Use()
    town.exact()


def patiently(act: partial[None]) -> None:
    """Repeat what was refused as busy, as clients do."""
    for _ in range(50):
        try:
            return act()
        except BusyError:
            continue
    raise AssertionError("busy for ever")


def test_opposite_moves_make_no_circle(town: Town) -> None:
    for number in range(4):
        one, other = f"X{number}", f"Y{number}"
        town.put(one)
        town.put(other)
        moves = at_once(partial(move, town, one, other), partial(move, town, other, one))
        refused = [move for move in moves if move is not None]
        assert [type(refusal) for refusal in refused] == [FieldError]
    town.exact()


def test_a_merge_moves_everything(town: Town) -> None:
    town.put("G")
    town.put("S", parent_id="G", aliases=("S-2",))
    town.put("T")
    town.limit("S", 500)
    town.limit("T", 100)
    town.fact("order", "S", order_id="O-1", amount=70, status="OPEN")
    town.fact("delivery", "S", order_id="O-1", delivery_id="D-1", amount=20)
    town.invoice("S", 30)
    town.invoice("S", 4, "USD")
    payment = {"payment_id": "P-1", "amount": 5, "paid_date": "2026-06-01"}
    town.fact("payment", "S", **payment)
    use = town.position("S")
    assert use == Use(authorized=50, open_delivery=20, open_item=30, prepayment=5)
    merge(town, "S", "T")
    assert (town.position("S"), town.position("G")) == (Use(), Use())
    assert (town.position("T"), town.position("T", "USD")) == (use, Use(open_item=4))
    assert town.account("T").forced == use.total + 28 - 100
    assert town.account("S").limit_minor is None
    listed = [view.record for view in town.parties.list_limits(ADMIN, "S-2", None)]
    assert {one.limit_minor: one.status for one in listed} == {100: "APPROVED", 500: "ENDED"}
    assert listed == sorted(listed, key=lambda one: one.limit_id, reverse=True)  # all of one moment
    town.invoice("S-2", 1)  # the old ids go on
    assert town.position("T").open_item == 31
    town.exact()
    move(town, "T", "G")  # the merged record's account follows
    s, t, g = (town.account(name).account_id for name in ("S", "T", "G"))
    assert town.account("S").path == (s, t, g)
    town.put("U")
    merge(town, "T", "U")
    assert town.position("U").open_item == 31
    assert town.account("S").path == (s, town.account("U").account_id)
    assert town.parties.read_customer(ADMIN, "S").customer.customer_id == "U"
    town.exact()


def test_documents_of_both_records_meet(town: Town) -> None:
    town.put("S")
    town.put("T")
    order = {"order_id": "O-1"}
    lines = [{"order_id": "O-1", "amount": 60, "final": True}]
    dates = {"issue_date": "2026-06-01", "due_date": "2026-07-01"}
    town.fact("order", "T", **order, amount=200, status="OPEN")
    town.fact("delivery", "T", **order, delivery_id="D-1", amount=100)
    town.fact("invoice", "S", invoice_id="I-1", amount=60, lines=lines, **dates)
    town.fact("delivery", "S", delivery_id="D-2", amount=40)
    alone = [{"delivery_id": "D-2", "amount": 40}]
    town.fact("invoice", "T", invoice_id="I-2", amount=40, lines=alone, **dates)
    assert town.position("T") == Use(authorized=100, open_delivery=100, open_item=40)
    assert town.position("S") == Use(open_delivery=40, open_item=60)
    town.exact()
    merge(town, "S", "T")
    # the final line settles all that was delivered of O-1, and I-2 bills D-2
    assert town.position("T") == Use(authorized=140, open_delivery=0, open_item=100)
    town.exact()


def test_a_stop_and_quarantine_go_along(town: Town) -> None:
    town.put("S")
    town.put("T")
    stop(town, "S")
    assert (
        town.fact("payment", "S", payment_id="P", amount=5, currency="EUR", paid_date="2026-06-01")
        == "quarantined"
    )
    assert town.account("S").quarantined == 1
    merge(town, "S", "T")
    assert (town.account("T").status, town.account("T").quarantined) == ("STOPPED", 1)
    assert town.account("S").quarantined == 0
    town.exact()


def test_a_member_may_be_merged_into_its_group(town: Town) -> None:
    town.put("G")
    town.put("A", parent_id="G")
    town.invoice("A", 10)
    merge(town, "A", "G")
    assert (town.position("A"), town.position("G")) == (Use(), Use(open_item=10))
    town.exact()


def test_merges_at_once_end_in_one_record(town: Town) -> None:
    for number in range(3):
        one, other = f"X{number}", f"Y{number}"
        town.put(one)
        town.put(other)
        town.invoice(one, 3)
        town.invoice(other, 4)
        ends = at_once(partial(merge, town, one, other), partial(merge, town, other, one))
        refused = [end for end in ends if isinstance(end, CreditError)]
        assert len(refused) == 1
        assert isinstance(refused[0], FieldError | MergeConflictError | BusyError)
        heir = town.parties.read_customer(ADMIN, one).customer.customer_id
        assert town.position(heir) == Use(open_item=7)
    town.exact()


def test_merge_while_facts_come_in(town: Town) -> None:
    town.put("S")
    town.put("T")

    def facts() -> None:
        for number in range(10):
            order = {"order_id": f"O-{number}", "amount": 9, "status": "OPEN"}
            patiently(partial(_report, town, order))

    ends = at_once(facts, lambda: patiently(partial(_merge, town)))
    assert ends == [None, None]
    assert town.position("T") == Use(authorized=90)
    town.exact()


def test_a_merge_begins_again_when_an_order_came_in_between(town: Town) -> None:
    town.put("S")
    town.put("T")
    lines = [{"order_id": "O-1", "amount": 60}]
    dates = {"issue_date": "2026-06-01", "due_date": "2026-07-01"}
    town.fact("invoice", "T", invoice_id="I-1", amount=60, lines=lines, **dates)
    account = town.account("S")
    with ThreadPoolExecutor(1) as pool:
        with town.database.begin() as tx:
            books = Books.open(tx, [account.account_id], town.clock())
            merging = pool.submit(_merge, town)
            wait_for_a_waiter(town.database)  # it has locked the orders it knows of
            delivered = force(account, "CNY", Use(open_delivery=50), None)
            books.post(Entry(delivered, "FACT", "delivery:D-1"))
            books.close()
            _deliver(tx, account.account_id)
        merging.result()
    assert town.position("T") == Use(open_delivery=0, open_item=60)
    town.exact()


def _deliver(tx: Tx, account_id: int) -> None:
    """Store a delivery of 50 for O-1 as facts do, with what told of it."""
    row = {"account_id": account_id}
    tx.execute(
        text(
            "INSERT INTO ledger_event (source, event_id, content, type, result, payload)"
            " SELECT 'erp', 'D-1', '\\x00', type, 'applied', json_build_object('type', type,"
            " 'customer_id', 'S', 'delivery_id', 'D-1', 'order_id', 'O-1', 'version', 1,"
            " 'amount', json_build_object('amount', '0.50', 'currency', 'CNY'))"
            " FROM (VALUES ('delivery')) AS t(type)"
        )
    )
    tx.execute(
        text(
            "INSERT INTO delivery VALUES ('main', 'D-1', 'O-1', 1, :account_id, 'CNY', 50, '\\x00')"
        ),
        row,
    )
    tx.execute(text("INSERT INTO order_use VALUES ('main', 'O-1', :account_id, 'CNY', 50, 0)"), row)


def _report(town: Town, order: dict[str, Any]) -> None:
    town.fact("order", "S", **order)


def _merge(town: Town) -> None:
    merge(town, "S", "T")


def test_a_customer_moved_while_it_is_put(town: Town) -> None:
    town.put("G")
    town.put("A")
    ends = at_once(partial(town.put, "A", parent_id="G"), partial(town.put, "A", country="CN"))
    assert not any(isinstance(end, CreditError) for end in ends)
    assert town.parties.read_customer(ADMIN, "A").customer.parent_id == "G"
    town.exact()


def test_terms_in_a_new_segment_wait_for_a_move_and_lock_in_its_order(town: Town) -> None:
    town.put("A-group")
    town.put("C", parent_id="A-group")
    town.parties.put_segment(ADMIN, "eu", SegmentChange("eu"))
    put = partial(town.parties.put_terms, ADMIN, ("C", "eu"), AccountChange(owner="o"))
    with ThreadPoolExecutor(1) as pool:
        with town.database.begin() as tx:
            customers.lock(tx, "A-group")
            putting = pool.submit(put)
            wait_for_a_waiter(town.database)
            customers.lock(tx, "C")  # one after the other, as the statement of a move does
        assert putting.result()[2]
    assert town.account("C", "eu").path[1:] == (town.account("A-group", "eu").account_id,)
