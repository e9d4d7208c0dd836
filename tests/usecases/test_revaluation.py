"""Positions in other currencies follow the day's rate though nobody touches their accounts."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.domain.accounts import Account, Use, force, revalued
from app.domain.errors import BusyError
from app.domain.money import Rate
from app.store.database import Database, moment
from app.usecases.portions import Cursor, Portion
from app.usecases.revaluation import RevaluePositions
from tests.usecases.counter import NOW, TODAY, Counter
from tests.usecases.town import at_once
from tests.waits import wait_for

DAY = timedelta(days=1)


@pytest.fixture
def desk(database: Database) -> Counter:
    """Open a counter with C-1 in CNY, which holds 100 USD at yesterday's 7."""
    desk = Counter.open(database)
    desk.add("C-1", 800_00)
    desk.rate("USD", "CNY", "7", TODAY - DAY)
    desk.told(desk.order(desk.question("SO-1", "100.00", currency="USD")))
    return desk


def loop(desk: Counter, most: int = 100, at: datetime = NOW) -> RevaluePositions:
    return RevaluePositions(desk.database, most, lambda _: at)


def run(revaluing: RevaluePositions) -> tuple[int, int]:
    """Run a whole pass; returns how many accounts were valued anew, and how many were left."""
    portions = list(passing(revaluing))
    return sum(one.items for one in portions), sum(one.left for one in portions)


def passing(revaluing: RevaluePositions) -> Iterator[Portion]:
    after: Cursor | None = None
    while True:
        portion = revaluing(after)
        yield portion
        after = portion.after
        if after is None:
            return


def last(desk: Counter, customer_id: str = "C-1") -> tuple[Any, ...]:
    query = (
        "SELECT j.kind, j.ref, j.authorized_minor, j.forced_minor FROM journal j JOIN account a"
        " USING (account_id) WHERE a.customer_id = :customer ORDER BY j.seq DESC LIMIT 1"
    )
    with desk.database.read() as tx:
        return tuple(tx.execute(text(query), {"customer": customer_id}).one())


def test_a_newer_rate_is_a_fact_with_rate_and_date(desk: Counter) -> None:
    desk.rate("USD", "CNY", "8.1234", TODAY)
    assert run(loop(desk)) == (1, 0)
    ref = f"fx_revaluation:USD/CNY 8.1234 of {TODAY}"
    assert last(desk) == ("FX_REVALUATION", ref, 81234, 1234)
    seq = desk.account().seq
    assert run(loop(desk)) == (0, 0)
    assert desk.account().seq == seq
    desk.exact()


def test_a_lower_rate_gives_back_what_was_forced(desk: Counter) -> None:
    desk.rate("USD", "CNY", "9", TODAY)
    run(loop(desk))
    assert last(desk)[2:] == (900_00, 100_00)
    desk.rate("CNY", "USD", "0.125", TODAY + DAY)
    assert run(loop(desk, at=NOW + DAY)) == (1, 0)
    ref = f"fx_revaluation:CNY/USD 0.125 of {TODAY + DAY}"
    assert last(desk) == ("FX_REVALUATION", ref, 800_00, 0)
    desk.exact()


def test_only_a_new_day_or_rate_begins_a_pass(desk: Counter) -> None:
    """With portions of one, whoever reads an account goes on to the next: that is how it shows."""
    revaluing = loop(desk, most=1)
    assert len(list(passing(revaluing))) == 2
    assert len(list(passing(revaluing))) == 1
    tomorrow = RevaluePositions(desk.database, 1, lambda _: NOW + DAY, revaluing.last)
    assert len(list(passing(tomorrow))) == 2
    desk.rate("EUR", "CNY", "8", TODAY + DAY)
    assert [len(list(passing(tomorrow))) for _ in range(2)] == [2, 1]
    desk.rate("USD", "CNY", "7.5", TODAY + DAY)
    assert run(tomorrow) == (1, 0)
    assert len(list(passing(loop(desk, most=1)))) == 2  # one that has just been started


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param(6, (0, 0), id="seven-days-old"),
        pytest.param(7, (0, 1), id="eight-days-old"),
    ],
)
def test_what_has_no_admissible_rate_is_left_and_counted(
    desk: Counter, days: int, expected: tuple[int, int]
) -> None:
    revaluing = loop(desk, at=NOW + days * DAY)
    assert run(revaluing) == expected
    assert run(revaluing) == expected  # the figure stays though no account is read again
    assert desk.account().use.authorized == 700_00
    assert desk.journal() == ["AUTHORIZE"]


def test_one_missing_rate_keeps_no_other_position_waiting(desk: Counter) -> None:
    desk.rate("JPY", "CNY", "0.05", TODAY)
    desk.told(desk.order(desk.question("SO-2", "100", currency="JPY")))
    desk.rate("USD", "CNY", "7.5", TODAY + 8 * DAY)
    assert run(loop(desk, at=NOW + 8 * DAY)) == (1, 1)
    ref = f"fx_revaluation:USD/CNY 7.5 of {TODAY + 8 * DAY}"
    assert last(desk) == ("FX_REVALUATION", ref, 755_00, 0)
    desk.exact()


def test_a_rate_of_tomorrow_counts_tomorrow_where_it_is_tomorrow(desk: Counter) -> None:
    desk.rows(
        "INSERT INTO segment (segment_id, name, time_zone) VALUES"
        " ('east', 'east', 'Pacific/Kiritimati')"
    )
    desk.told(desk.order(desk.question("SO-2", "1.00", segment_id="east")))
    desk.rows(
        "INSERT INTO credit_limit (limit_id, account_id, kind, limit_minor, currency, unlimited,"
        " valid_from, status, proposed_by, decided_at) SELECT gen_random_uuid(), account_id,"
        " 'base', 90000, 'CNY', false, '2026-01-01', 'APPROVED', 'tests', now() FROM account"
        " WHERE segment_id = 'east'"
    )
    desk.rows("UPDATE account SET limit_changes_on = '2026-01-01' WHERE segment_id = 'east'")
    told = desk.told(desk.order(desk.question("SO-3", "1.00", segment_id="east", currency="USD")))
    assert told["outcome"] == "APPROVE"
    desk.rate("USD", "CNY", "7.5", TODAY + DAY)
    evening = NOW + timedelta(hours=2)  # 19:00 in Shanghai, 01:00 of the next day in Kiritimati
    assert run(loop(desk, at=evening)) == (1, 0)
    assert (desk.account().use.authorized, desk.account("C-1", "east").use.authorized) == (
        700_00,
        7_50,
    )


def test_groups_and_members_are_valued_each_by_itself(database: Database) -> None:
    desk = Counter.open(database)
    desk.add("G", 9_000_00)
    desk.add("C-1", 1_000_00, parent="G")
    desk.rate("USD", "CNY", "7", TODAY - DAY)
    desk.told(desk.order(desk.question("SO-1", "100.00", currency="USD")))
    desk.rate("USD", "CNY", "8", TODAY)
    assert run(loop(desk, most=1)) == (2, 0)
    assert desk.account("G").use == desk.account().use == Use(authorized=800_00)
    desk.exact()


def test_passes_and_asks_at_once_value_once(desk: Counter) -> None:
    desk.rate("USD", "CNY", "7.5", TODAY)
    asks = [desk.order(desk.question(f"SO-{place}", "0.01")) for place in range(2, 12)]

    def turn() -> int:
        for _ in range(50):
            try:
                return run(loop(desk))[0]
            except BusyError:
                continue
        raise AssertionError("busy for too long")

    answers = at_once(turn, turn, turn, lambda: len(desk.ask(*asks)))
    assert answers[3] == len(asks)
    kinds = desk.journal()
    assert kinds.count("FX_REVALUATION") == 1, kinds
    assert kinds.count("AUTHORIZE") == 1 + len(asks)
    desk.exact()


def test_a_rate_that_comes_while_an_account_is_waited_for_is_taken(desk: Counter) -> None:
    """Who holds it may value it by that rate, and nobody values it back."""
    desk.rate("USD", "CNY", "7.5", TODAY)
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    def is_waited_for() -> bool:
        with desk.database.read() as tx:
            return bool(tx.execute(waiting).scalar_one())

    with ThreadPoolExecutor(1) as pool, desk.database.begin() as holder:
        holder.execute(text("SELECT FROM account WHERE customer_id = 'C-1' FOR UPDATE"))
        passed = pool.submit(run, loop(desk))
        wait_for(is_waited_for)
        desk.rate("USD", "CNY", "8", TODAY)
        holder.commit()
        assert passed.result() == (1, 0)
    assert last(desk)[:2] == ("FX_REVALUATION", f"fx_revaluation:USD/CNY 8 of {TODAY}")
    desk.exact()


def test_an_account_that_somebody_holds_keeps_no_other_waiting(desk: Counter) -> None:
    """And once it is let go the next pass values it, without a new day or rate."""
    for name in ("C-2", "C-3"):
        desk.add(name, 800_00)
        desk.told(desk.order(desk.question(f"SO-{name}", customer_id=name, currency="USD")))
    desk.rate("USD", "CNY", "7.5", TODAY)
    revaluing = loop(desk)
    with desk.database.begin() as holder:
        holder.execute(text("SELECT FROM account WHERE customer_id = 'C-1' FOR UPDATE"))
        portions = passing(revaluing)
        first = next(portions)
        assert (first.items, first.left) == (2, 1)
        with pytest.raises(BusyError, match="1 accounts were out of reach"):
            next(portions)
        assert {last(desk, name)[0] for name in ("C-2", "C-3")} == {"FX_REVALUATION"}
        assert last(desk)[0] == "AUTHORIZE"
        with pytest.raises(BusyError):
            run(revaluing)
    assert run(revaluing) == (1, 0)
    assert len(list(passing(revaluing))) == 1
    assert last(desk)[0] == "FX_REVALUATION"
    desk.exact()


def test_the_day_is_that_of_the_database(database: Database) -> None:
    with database.read() as tx:
        now: datetime = moment(tx)
    desk = Counter.open(database, now)
    desk.add("C-1", 800_00)
    today = now.date()
    desk.rate("USD", "CNY", "7", today - DAY)
    desk.told(desk.order(desk.question("SO-1", "100.00", currency="USD")))
    desk.rate("USD", "CNY", "7.5", today)
    assert run(RevaluePositions(database, 10)) == (1, 0)
    desk.exact()


def test_the_index_finds_foreign_positions_among_many(desk: Counter) -> None:
    with desk.database.begin() as tx:
        for statement in (
            (
                "INSERT INTO customer (customer_id, name)"
                " SELECT 'M-' || n, 'm' FROM generate_series(1, 3000) AS n"
            ),
            (
                "INSERT INTO account (customer_id, segment_id, path, currency)"
                " SELECT customer_id, 'main', '{1}', 'CNY' FROM customer WHERE name = 'm'"
            ),
            "ANALYZE account",
        ):
            tx.execute(text(statement))
        query = (
            "EXPLAIN SELECT * FROM account WHERE foreign_use IS NOT NULL AND account_id > 0"
            " ORDER BY account_id LIMIT 10"
        )
        seen = [str(row[0]) for row in tx.execute(text(query))]
    assert any("Index Scan using account_foreign_idx" in line for line in seen), seen


rates = st.decimals(Decimal("0.01"), Decimal(20), places=4)


def _only(rate: Rate, _source: str, _target: str) -> Rate:
    return rate


@given(st.lists(rates, min_size=1, max_size=6), st.integers(1, 10**9), st.integers(0, 10**9))
def test_the_last_rate_alone_decides(values: list[Decimal], minor: int, limit: int) -> None:
    """Whatever rates there were in between, what is gained or lost is that of the last one."""
    bare = Account(1, "C-1", "main", (1,), "CNY", limit_minor=limit)
    all_rates = [
        Rate("USD", "CNY", value, date(2026, 1, 1 + place).isoformat(), "tests")
        for place, value in enumerate(values)
    ]
    held = force(bare, "USD", Use(open_item=minor), all_rates[0])
    for one in all_rates[1:]:
        held, entries = revalued(held, partial(_only, one))
        for entry in entries:
            assert entry.account == held
            assert entry.ref.endswith(f"{one.rate:f} of {one.rate_date}")
    straight = force(bare, "USD", Use(open_item=minor), all_rates[-1])
    assert (held.use, held.forced) == (straight.use, straight.forced)
