"""A counter where orders are asked: lanes on a test's database, as in one process or several."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Self

import orjson
from sqlalchemy import text

from app.domain.accounts import Account
from app.domain.callers import Caller
from app.domain.decisions import Question
from app.domain.errors import CreditError
from app.domain.money import DIGITS, Money, Rate
from app.domain.rules_standard import STANDARD
from app.store import accounts, rates
from app.store.checker import check_ledger
from app.store.database import Database
from app.store.ids import IdSource
from app.store.lane import Lane
from app.usecases.asks import Answer, Ask, canonical, fingerprint
from app.usecases.authorizations import AuthorizeOrders
from app.usecases.groups import accounts_on
from app.usecases.lane_sets import Lanes
from app.usecases.lanes import BatchingLane, LaneSizes
from app.usecases.seeds import SeedDatabase
from tests.parties import add_customer

NOW: Final = datetime(2026, 11, 24, 9, tzinfo=UTC)
TODAY: Final = date(2026, 11, 24)
TESTER: Final = Caller("tests", frozenset({"admin"}))

PATIENT: Final = LaneSizes(patience_s=30.0)
"""All tries at a lock take 1.9 s on an idle machine, and the machine may be busy."""

Told = dict[str, Any] | CreditError


@dataclass
class Counter:
    """Asks lanes of its own and reads the answers; amounts are decimal strings of CNY."""

    database: Database
    new_id: Callable[[], str] = field(default_factory=IdSource)
    at: datetime = NOW
    sizes: LaneSizes = PATIENT

    @classmethod
    def open(cls, database: Database, at: datetime = NOW) -> Self:
        """Seed a database."""
        SeedDatabase(database, lambda: at, STANDARD, {"version": 1, "name": "none"})()
        return cls(database, at=at)

    def add(
        self,
        customer_id: str,
        limit_minor: int | None = None,
        **fields: Any,  # noqa: ANN401 - any field
    ) -> None:
        """Add a customer as `tests.parties` does, its limit journalled with seq 1."""
        add_customer(self.database, customer_id, limit_minor, **fields)
        self.rows(
            "WITH a AS (UPDATE account SET seq = 1 WHERE customer_id = :customer RETURNING *)"
            " INSERT INTO journal (account_id, seq, kind, ref, at, authorized_minor,"
            " open_delivery_minor, open_item_minor, note_receivable_minor, prepayment_minor,"
            " limit_minor, unlimited, forced_minor) SELECT account_id, seq, 'LIMIT', 'tests', :at,"
            " 0, 0, 0, 0, 0, limit_minor, unlimited, 0 FROM a",
            customer=customer_id,
            at=self.at,
        )

    def question(
        self,
        order_id: str,
        amount: str = "10.00",
        **more: Any,  # noqa: ANN401 - any field
    ) -> Question:
        """Make a question of customer C-1 in `main` at ORDER, unless told."""
        currency = more.pop("currency", "CNY")
        minor = int(Decimal(amount).scaleb(DIGITS[currency]))
        told: dict[str, Any] = {
            "customer_id": "C-1",
            "segment_id": "main",
            "check_point": "ORDER",
            "order_id": order_id,
            "amount": Money(minor, currency),
        }
        return Question(**(told | more))

    def order(self, question: Question, key: str | None = None) -> Ask:
        """Make an ask that reserves, with a key of its own unless one is given."""
        told = fingerprint(b"POST /v1/authorizations ", canonical(question))
        new_id = self.new_id()
        return Ask("AUTHORIZATION", TESTER, question, new_id, key or new_id, told)

    def check(self, question: Question) -> Ask:
        """Make a limit check."""
        return Ask("CHECK", TESTER, question, self.new_id())

    def ask(self, *asks: Ask, lanes: int = 1) -> list[Told]:
        """Ask all at once, spread over some lanes as over some processes."""
        return [
            one if isinstance(one, CreditError) else orjson.loads(one.body)
            for one in self.answers(asks, lanes)
        ]

    def told(self, ask: Ask) -> dict[str, Any]:
        """Ask one and read its answer, which is no refusal."""
        (found,) = self.ask(ask)
        assert isinstance(found, dict), found
        return found

    def answers(self, asks: Sequence[Ask], lanes: int = 1) -> list[Answer | CreditError]:
        """Ask all at once and give the answers as they are sent."""
        return asyncio.run(self._answers(asks, lanes))

    async def _answers(self, asks: Sequence[Ask], count: int) -> list[Answer | CreditError]:
        desks = [self.lanes() for _ in range(count)]
        for desk in desks:
            await desk.start()
        try:
            asking = [desks[place % count].ask(ask) for place, ask in enumerate(asks)]
            return list(await asyncio.gather(*map(refusal, asking)))
        finally:
            for desk in desks:
                await desk.stop()

    def lanes(self, url: str | None = None) -> Lanes:
        """Make lanes, not yet started, on the counter's database or through another address."""
        url = url or self.database.url
        authorize = AuthorizeOrders(lambda: self.at, self.new_id)

        make = accounts_on(self.database)
        return Lanes(
            [BatchingLane(Lane(url), authorize, make, self.sizes)],
            BatchingLane(Lane(url), authorize.check, make, self.sizes),
        )

    def account(self, customer_id: str = "C-1", segment_id: str = "main") -> Account:
        """Read an account."""
        with self.database.begin() as tx:
            found = accounts.find(tx, customer_id, segment_id)
        assert found is not None
        return found

    def rate(self, base: str, quote: str, rate: str, day: date = TODAY) -> None:
        """Store a rate."""
        with self.database.begin() as tx:
            rates.add(tx, Rate(base, quote, Decimal(rate), day.isoformat(), "tests"))

    def rows(self, statement: str, **parameters: object) -> list[dict[str, Any]]:
        """Read rows, or run what returns none."""
        with self.database.begin() as tx:
            found = tx.execute(text(statement), parameters)
            return [dict(row) for row in found.mappings()] if found.returns_rows else []

    def journal(self, customer_id: str = "C-1") -> list[str]:
        """List the kinds of an account's journal entries, the first limit's left out."""
        found = self.rows(
            "SELECT j.kind FROM journal j JOIN account a USING (account_id)"
            " WHERE a.customer_id = :customer AND j.kind <> 'LIMIT' ORDER BY j.seq",
            customer=customer_id,
        )
        return [row["kind"] for row in found]

    def exact(self) -> None:
        """Let the independent checker look at everything."""
        report = check_ledger(self.database.url)
        assert report.clean, report.difference


async def refusal(asking: Coroutine[Any, Any, Answer]) -> Answer | CreditError:
    """Wait for an answer; a refusal is one too."""
    try:
        return await asking
    except CreditError as refused:
        return refused


def outcomes(answers: Sequence[Told]) -> list[str]:
    """List outcomes, or the codes of refusals."""
    return [one.code if isinstance(one, CreditError) else one["outcome"] for one in answers]


def reasons(told: Told) -> list[str]:
    """List the codes of an answer's reasons."""
    assert isinstance(told, dict), told
    return [row["code"] for row in told["reasons"]]
