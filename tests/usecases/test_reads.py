"""Whatever the ledger, the read lane answers what reading table by table answers."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

import pytest
from sqlalchemy import insert, select, text

from app.api.reads import account_bytes, card_bytes, score_bytes
from app.domain.callers import Caller
from app.domain.errors import CreditError, NotScoredError
from app.domain.money import Money, Rate
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.domain.scores import StoredScore
from app.scoring.scorecard_file import standard_scorecard
from app.store import rates
from app.store.database import Database
from app.store.read_rows import Kind
from app.store.schema.documents import invoice
from app.store.schema.parties import account
from app.usecases.accounts import AccountView
from app.usecases.limits import LimitAsk
from app.usecases.reads import Card, Reads
from app.usecases.scores import Scores
from app.usecases.seeds import SeedDatabase
from app.usecases.segments import SegmentChange
from tests.server import Clock
from tests.usecases import plain_reads
from tests.usecases.plain_answers import account_out, card_out, score_out
from tests.usecases.readers import Reader
from tests.usecases.town import ADMIN, Town

NAMES = tuple(f"C-{number}" for number in range(10))
PLANTED = ("GROUP", "MEMBER", "LAPSES", "FREE")
SEGMENTS = ("main", "west")
CALLERS = (
    ADMIN,
    Caller("west", frozenset({"admin"}), frozenset({"west"})),
    Caller("none", frozenset({"admin"}), frozenset({"east"})),
)
DAY = date(2026, 6, 15)

Answer = AccountView | StoredScore | Card


@dataclass
class World:
    """A town in which anything may have happened."""

    town: Town
    scores: Scores
    dice: random.Random
    names: list[str] = field(default_factory=lambda: list(NAMES))

    def day(self, first: int, last: int) -> date:
        return DAY + timedelta(days=self.dice.randrange(first, last))

    def happen(self) -> None:
        act = self.dice.choices(
            (self.invoice, self.pay, self.limit, self.regroup, self.score, self.merge, self.stop),
            (12, 5, 6, 4, 5, 1, 1),
        )[0]
        with suppress(CreditError):  # a cycle of groups, a currency that is fixed: refused
            act()

    def invoice(self) -> None:
        due = self.day(-60, 30)
        self.town.fact(
            "invoice",
            self.dice.choice(self.names),
            segment=self.dice.choice(SEGMENTS),
            invoice_id=f"I-{self.town.next()}",
            amount=self.dice.randrange(1, 9000),
            currency=self.dice.choice(("CNY", "CNY", "USD", "JPY", "EUR")),
            issue_date=(due - timedelta(days=30)).isoformat(),
            due_date=due.isoformat(),
        )

    def pay(self) -> None:
        told = {"payment_id": f"P-{self.town.next()}", "paid_date": DAY.isoformat()}
        self.town.fact("payment", self.dice.choice(self.names), amount=700, **told)

    def limit(self) -> None:
        kinds: tuple[Literal["base", "temporary"], ...] = ("base", "temporary")
        kind = self.dice.choice(kinds)
        first = self.day(-20, 3)
        last = None if kind == "base" and self.dice.random() < 0.5 else self.day(3, 9)
        minor = self.dice.choice((None, 0, 5_000, 90_000))
        unlimited = minor is None and self.dice.random() < 0.5
        limit = None if minor is None else Money(minor, "CNY")
        ask = LimitAsk(
            kind,
            self.dice.choice(SEGMENTS),
            limit,
            unlimited=unlimited,
            valid_from=first,
            valid_to=last,
        )
        self.town.propose(self.dice.choice(self.names), ask)

    def regroup(self) -> None:
        child, parent = self.dice.sample(self.names, 2)
        self.town.put(child, parent_id=self.dice.choice((parent, parent, None)))

    def score(self) -> None:
        self.scores.score_customer(ADMIN, self.dice.choice(self.names))

    def merge(self) -> None:
        source, target = self.dice.sample(self.names, 2)
        self.town.parties.merge_customers(ADMIN, source, target)

    def stop(self) -> None:
        active = self.dice.random() < 0.5
        name = self.dice.choice(self.names)
        self.town.put(name, active=active)
        with self.town.database.begin() as tx:
            tx.execute(
                text("UPDATE account SET status = 'STOPPED' WHERE customer_id = :id"), {"id": name}
            )


@pytest.fixture
def world(database: Database, clock: Clock, request: pytest.FixtureRequest) -> World:
    SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
    town = Town.found(database, clock)
    town.parties.put_segment(ADMIN, "west", SegmentChange("West", time_zone="America/Los_Angeles"))
    town.parties.put_segment(ADMIN, "east", SegmentChange("East"))
    with database.begin() as tx:
        for days, base, rate in ((-2, "USD", "7.1"), (-1, "JPY", "0.0479"), (4, "USD", "6.9")):
            day = DAY + timedelta(days=days)
            rates.add(tx, Rate(base, "CNY", Decimal(rate), day.isoformat(), "tests"))
    for name in NAMES:
        town.put(name, aliases=(f"CRM-{name}",))
    world = World(town, Scores.over(database, clock), random.Random(request.param))
    plant(world)
    for _ in range(60):
        world.happen()
    return world


def plant(world: World) -> None:
    """Add what every world must have; chance leaves these customers alone."""
    town = world.town
    for name, parent in (("GROUP", None), ("MEMBER", "GROUP"), ("LAPSES", None), ("FREE", None)):
        town.put(name, parent_id=parent)
    due = {"issue_date": "2026-01-01", "due_date": "2026-06-01"}
    for currency in ("CNY", "USD", "JPY"):
        number = f"I-{currency}"
        town.fact("invoice", "MEMBER", invoice_id=number, amount=777, currency=currency, **due)
    ask = LimitAsk("base", "main", Money(90_000, "CNY"), valid_from=DAY, valid_to=DAY)
    town.propose("LAPSES", ask)
    town.propose("FREE", LimitAsk("base", "main", unlimited=True))
    world.scores.score_customer(ADMIN, "FREE")
    world.scores.score_customer(ADMIN, "MEMBER")
    town.invoice("MEMBER", 5)


@pytest.mark.parametrize("world", [0], indirect=True)
def test_a_world_has_what_must_be_told_apart(world: World) -> None:
    """Without these the comparison would hold of an empty ledger."""
    reader = Reader(world.town.database, world.town.clock)
    assert reader.account("LAPSES").effective_limit == Money(90_000, "CNY")
    world.town.clock.advance(days=1)
    assert reader.account("LAPSES").limit_expired
    assert reader.account("FREE").unlimited
    for name in ("MEMBER", "GROUP"):
        assert reader.account(name).overdue.amount == Money(777 + 5439 + 3722 + 5, "CNY"), name
        assert reader.account(name).overdue.days == 15
    assert (reader.score("FREE").stale, reader.score("MEMBER").stale) == (False, True)
    with pytest.raises(NotScoredError):
        reader.score("LAPSES")


@dataclass(frozen=True)
class Question:
    """One that can be put to the lane and to the tables."""

    kind: Kind
    caller: Caller
    ref: str
    segment: str | None = None

    async def ask(self, reads: Reads) -> Answer:
        if self.kind == "SCORE":
            return await reads.score(self.caller, self.ref)
        if self.kind == "CARD":
            return await reads.card(self.caller, self.ref, self.segment)
        return await reads.account(self.caller, self.ref, self.segment or "main")

    def look(self, database: Database, at: datetime) -> Answer:
        if self.kind == "SCORE":
            return plain_reads.read_stored(database, self.caller, self.ref, at)
        if self.kind == "CARD":
            return plain_reads.read_card(database, self.caller, self.ref, self.segment, at)
        segment = self.segment or "main"
        return plain_reads.read_account(database, self.caller, self.ref, segment, at)


def questions() -> list[Question]:
    """List every question there is."""
    refs = [*NAMES, *PLANTED, *(f"CRM-{name}" for name in NAMES[:4]), "nobody"]
    segments: tuple[str | None, ...] = (*SEGMENTS, "east", "nowhere", None)
    kinds: tuple[Kind, ...] = ("ACCOUNT", "CARD")
    asked = [
        Question(kind, caller, ref, segment)
        for ref in refs
        for caller in CALLERS
        for segment in segments
        for kind in kinds
    ]
    return asked + [Question("SCORE", caller, ref) for ref in refs for caller in CALLERS]


def told(answer: object) -> object:
    if isinstance(answer, CreditError):
        return type(answer), answer.detail, answer.field
    return answer


def plainly(question: Question, world: World) -> object:
    try:
        return question.look(world.town.database, world.town.clock())
    except CreditError as refusal:
        return told(refusal)


def written(answer: object) -> tuple[bytes, bytes]:
    if isinstance(answer, AccountView):
        return account_bytes(answer), account_out(answer)
    if isinstance(answer, StoredScore):
        return score_bytes(answer), score_out(answer)
    assert isinstance(answer, Card)
    return card_bytes(answer), card_out(answer)


@pytest.mark.parametrize("world", range(4), indirect=True)
def test_the_lane_answers_what_the_tables_say(world: World) -> None:
    reader = Reader(world.town.database, world.town.clock)
    seen: list[object] = []
    for step in ({"hours": 4}, {"days": 2, "hours": 9}, {"days": 4}, {"days": 40}):
        world.town.clock.advance(**step)
        asked = world.dice.sample(questions(), 160)

        async def ask(reads: Reads) -> list[object]:
            every = [one.ask(reads) for one in asked]  # noqa: B023 - awaited within the turn
            return await asyncio.gather(*every, return_exceptions=True)

        answers = reader.each(ask)
        for one, answer in zip(asked, answers, strict=True):
            assert told(answer) == plainly(one, world), one
        seen += answers
    for answer in seen:
        if not isinstance(answer, CreditError):
            ours, models = written(answer)
            assert ours == models


@pytest.mark.parametrize("members", [0, 1], ids=["alone", "a-group"])
@pytest.mark.parametrize("world", [0], indirect=True)
def test_what_no_position_values_takes_a_rate_of_the_day(world: World, members: int) -> None:
    """An open item of a merged record, in a currency in which the account has no position."""
    town, day = world.town, DAY.isoformat()
    for name in ("OLD", "NEW"):
        town.put(name)
    town.parties.merge_customers(ADMIN, "OLD", "NEW")
    for _ in range(members):
        town.put("KID", parent_id="NEW")
    with town.database.begin() as tx:
        for rate in ("8", "7.9"):  # of one day the one stored last holds
            rates.add(tx, Rate("EUR", "CNY", Decimal(rate), day, "tests"))
        old = select(account.c.account_id).where(account.c.customer_id == "OLD").scalar_subquery()
        due = {"issue_date": DAY, "due_date": DAY - timedelta(days=3)}
        sums = {"currency": "EUR", "amount_minor": 100, "open_minor": 100}
        key = {"segment_id": "main", "invoice_id": "STRAY", "version": 1, "content": b""}
        tx.execute(insert(invoice).values(account_id=old, **due, **sums, **key))
    seen = Reader(town.database, town.clock).account("NEW")
    assert (seen.overdue.amount, seen.overdue.days) == (Money(790, "CNY"), 3)
    plain = plain_reads.read_account(town.database, ADMIN, "NEW", "main", town.clock())
    assert seen == plain
