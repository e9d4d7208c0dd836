"""Covers: proposed, decided on and lapsing like limits, and counted by whoever grants credit."""

from datetime import date, timedelta
from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import text

from app.domain.callers import Caller
from app.domain.covers import CoverTerms
from app.domain.errors import (
    CreditError,
    CurrencyFixedError,
    FieldError,
    ForbiddenError,
    FourEyesError,
    LimitStateError,
    NotFoundError,
)
from app.domain.limits import LimitRecord
from app.domain.money import Money
from app.store.database import Database
from app.usecases.limits import LimitAsk, LimitView
from app.usecases.segments import SegmentChange
from tests.server import Clock
from tests.usecases.readers import Reader
from tests.usecases.town import ADMIN, Town, at_once, seeing

CLERK = Caller("clerk", frozenset({"limit:propose"}))
BOSS = Caller("boss", frozenset({"limit:approve"}))


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    town = Town.found(database, clock)
    town.put("C-1")
    return town


def asked(
    cap: int = 200, percentage: str = "50", currency: str = "CNY", **more: object
) -> LimitAsk:
    terms = CoverTerms("INSURANCE", Decimal(percentage), cap, "POL-1")
    whole = {"cover": terms, "limit": Money(terms.contribution, currency), **more}
    return LimitAsk("cover", "main", **whole)  # type: ignore[arg-type] # fields by name


def cover(town: Town, caller: Caller = ADMIN, **more: object) -> LimitRecord:
    return town.propose("C-1", asked(**more), caller).record  # type: ignore[arg-type]


def decide(town: Town, record: LimitRecord, action: str, caller: Caller = BOSS) -> LimitRecord:
    seen: list[LimitView] = []
    assert action in {"approve", "reject", "end"}
    town.parties.decide_cover(
        town.keyed(caller),
        ("C-1", record.limit_id),
        action,  # type: ignore[arg-type] # a test's table of plain words, checked above
        seeing(seen),
    )
    return seen[0].record


def effective(town: Town) -> tuple[int | None, int]:
    """Read the limit of today and what covers have in it."""
    view = Reader(town.database, town.clock).account("C-1")
    limit = None if view.effective_limit is None else view.effective_limit.minor
    return limit, view.covers.minor


def entries(town: Town) -> list[tuple[str, int | None]]:
    with town.database.read() as tx:
        query = "SELECT kind, j.limit_minor FROM journal j JOIN account a USING (account_id)"
        found = tx.execute(text(query + " WHERE a.customer_id = 'C-1' ORDER BY j.seq"))
        return [(row.kind, row.limit_minor) for row in found]


def test_a_cover_adds_to_the_limit_and_takes_it_back(town: Town) -> None:
    town.limit("C-1", 1000)
    held = cover(town)
    assert (held.status, held.limit_minor) == ("APPROVED", 100)
    assert effective(town) == (1100, 100)
    decide(town, held, "end")
    assert effective(town) == (1000, 0)
    assert entries(town) == [("LIMIT", 1000), ("LIMIT", 1100), ("LIMIT", 1000)]
    town.exact()


def test_a_deposit_beside_a_limit_of_zero_grants_no_credit(town: Town) -> None:
    """The contract: a zero limit grants none; an order then passes as far as it is prepaid."""
    town.limit("C-1", 0)
    cover(town, percentage="100")
    assert effective(town) == (0, 0)
    town.exact()
    town.limit("C-1", 1)
    assert effective(town) == (201, 200)
    town.exact()


def test_a_cover_alone_grants_nothing(town: Town) -> None:
    cover(town)
    assert (effective(town), entries(town)) == ((None, 0), [])
    town.limit("C-1", 10)
    assert effective(town) == (110, 100)
    town.exact()


def test_unlimited_stays_unlimited(town: Town) -> None:
    town.propose("C-1", LimitAsk("base", "main", unlimited=True))
    cover(town)
    assert town.account("C-1").unlimited
    assert effective(town) == (None, 0)
    town.exact()


def test_a_cover_lapses_by_itself_and_what_was_used_becomes_forced(town: Town) -> None:
    town.limit("C-1", 1000)
    cover(town, valid_to=town.today)
    town.invoice("C-1", 1100)
    assert town.account("C-1").forced == 0
    town.clock.advance(days=1)
    assert effective(town) == (1000, 0)
    town.invoice("C-1", 1)
    assert (town.account("C-1").limit_minor, town.account("C-1").forced) == (1000, 101)
    assert ("LIMIT_EFFECTIVE", 1000) in entries(town)
    town.exact()


def test_a_cover_begins_by_itself(town: Town) -> None:
    town.limit("C-1", 1000)
    cover(town, valid_from=town.today + timedelta(days=2))
    assert effective(town) == (1000, 0)
    town.clock.advance(days=2)
    assert effective(town) == (1100, 100)
    town.exact()


def test_who_may_only_propose_proposes(town: Town) -> None:
    town.limit("C-1", 1000)
    held = cover(town, CLERK)
    assert (held.status, effective(town)) == ("PROPOSED", (1000, 0))
    assert decide(town, held, "approve").decided_by == "boss"
    assert effective(town) == (1100, 100)
    with pytest.raises(ForbiddenError):
        cover(town, Caller("reader", frozenset({"customer:read"})))


def test_four_eyes(town: Town) -> None:
    town.parties.put_segment(ADMIN, "main", SegmentChange("main", four_eyes=True))
    town.limit("C-1", 1000, CLERK)
    held = cover(town, BOSS)
    assert held.status == "PROPOSED"
    with pytest.raises(FourEyesError, match="this cover"):
        decide(town, held, "approve", BOSS)
    other = Caller("other", frozenset({"limit:approve"}))
    assert decide(town, held, "approve", other).status == "APPROVED"


@pytest.mark.parametrize(
    ("steps", "action"),
    [
        pytest.param((), "end", id="end-of-a-proposal"),
        pytest.param(("reject",), "approve", id="approve-a-rejected-one"),
        pytest.param(("approve",), "approve", id="approve-twice"),
        pytest.param(("approve", "end"), "end", id="end-twice"),
    ],
)
def test_a_cover_is_decided_once(town: Town, steps: tuple[str, ...], action: str) -> None:
    town.limit("C-1", 1000)
    held = cover(town, CLERK)
    for step in steps:
        decide(town, held, step)
    before = town.account("C-1")
    with pytest.raises(LimitStateError, match="the cover is"):
        decide(town, held, action)
    assert town.account("C-1") == before


def test_limits_and_covers_are_no_names_of_each_other(town: Town) -> None:
    limit, held = town.limit("C-1", 1000).record, cover(town)
    with pytest.raises(NotFoundError, match="no cover"):
        decide(town, limit, "end")
    seen: list[LimitView] = []
    with pytest.raises(NotFoundError, match="no limit"):
        town.parties.decide_limit(town.keyed(), ("C-1", held.limit_id), "end", seeing(seen))
    limits = town.parties.list_limits(ADMIN, "C-1", None)
    covers = town.parties.list_covers(ADMIN, "C-1", "main")
    assert [view.record for view in limits] == [limit]
    assert [view.record for view in covers] == [held]


@pytest.mark.parametrize(
    ("ask", "refusal"),
    [
        pytest.param(asked(currency="USD"), CurrencyFixedError, id="another-currency"),
        pytest.param(
            asked(valid_from=date(2026, 6, 20), valid_to=date(2026, 6, 19)),
            FieldError,
            id="ends-before-it-begins",
        ),
        pytest.param(asked(valid_to=date(2026, 6, 1)), FieldError, id="ends-before-today"),
    ],
)
def test_what_is_refused_changes_nothing(
    town: Town, ask: LimitAsk, refusal: type[CreditError]
) -> None:
    town.limit("C-1", 1000)
    before = town.account("C-1")
    with pytest.raises(refusal):
        town.propose("C-1", ask)
    assert town.account("C-1") == before
    assert town.parties.list_covers(ADMIN, "C-1", None) == []


def test_covers_approved_at_once_all_count(town: Town) -> None:
    town.limit("C-1", 1)
    held = [cover(town, CLERK) for _ in range(4)]
    ends = at_once(*(partial(decide, town, one, "approve") for one in held))
    assert [one for one in ends if isinstance(one, CreditError)] == []
    assert effective(town) == (401, 400)
    town.exact()


def test_covers_of_a_merged_record_end_with_its_limits(town: Town) -> None:
    town.put("C-2")
    town.limit("C-1", 1000)
    held = cover(town)
    town.parties.merge_customers(ADMIN, "C-1", "C-2")
    (ended,) = town.parties.list_covers(ADMIN, "C-2", None)
    assert (ended.record.limit_id, ended.record.status) == (held.limit_id, "ENDED")
    assert town.account("C-2").limit_minor is None
    town.exact()
