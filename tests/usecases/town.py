"""A database with a segment, a rate and use cases of parties and facts, for tests of both."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import count
from threading import Barrier
from time import sleep
from typing import Any, Self, TypeVar

from sqlalchemy import text

from app.domain.accounts import Account, Use
from app.domain.callers import Caller
from app.domain.customers import AccountChange, CustomerChange
from app.domain.errors import CreditError
from app.domain.money import Money, Rate
from app.domain.rules_standard import STANDARD
from app.domain.scores import TrafficLight
from app.store import accounts, rates
from app.store.checker import check_ledger
from app.store.customer_lists import CustomerFilter
from app.store.database import Database
from app.store.ids import IdSource
from app.usecases.asks import Answer
from app.usecases.customers import CustomerView
from app.usecases.facts import ApplyFacts
from app.usecases.facts_events import parse_events
from app.usecases.keyed import Keyed
from app.usecases.limits import LimitAsk, LimitView
from app.usecases.parties import Parties
from app.usecases.seeds import SeedDatabase
from tests.server import Clock

ADMIN = Caller("tests", frozenset({"admin"}))
_T = TypeVar("_T")


@dataclass
class Town:
    """Use cases over one database; amounts are minor units of CNY unless a currency is named."""

    database: Database
    clock: Clock
    parties: Parties
    facts: ApplyFacts
    causes: list[str] = field(default_factory=list)
    numbers: Iterable[int] = field(default_factory=count)

    @classmethod
    def found(cls, database: Database, clock: Clock) -> Self:
        """Seed a database, and store today's rate: 1 USD = 7 CNY."""
        SeedDatabase(database, clock, STANDARD, {"name": "none"})()
        causes: list[str] = []
        parties = Parties.over(database, clock, lambda cause, _until_s: causes.append(cause))
        town = cls(database, clock, parties, ApplyFacts(database, clock, IdSource()), causes)
        with database.begin() as tx:
            rates.add(tx, Rate("USD", "CNY", Decimal(7), town.today.isoformat(), "tests"))
        return town

    @property
    def today(self) -> date:
        """The date in UTC, which the tests' noon makes the date everywhere they look."""
        return self.clock().date()

    def next(self) -> int:
        """Count up, for ids that nobody has."""
        return next(iter(self.numbers))

    def put(self, customer_id: str, **fields: Any) -> CustomerView:  # noqa: ANN401 - any field
        """Put a customer; the fields of an account among them."""
        terms = {
            name: fields.pop(name)
            for name in ("currency", "payment_terms_days", "owner")
            if name in fields
        }
        change = CustomerChange(name=customer_id, account=AccountChange(**terms), **fields)
        return self.parties.put_customer(ADMIN, customer_id, change)

    def fact(self, kind: str, customer_id: str, **fields: Any) -> str:  # noqa: ANN401 - any field
        """Report a fact (amounts in CNY unless told) and return what became of it."""
        told = self.written(kind, customer_id, **fields)
        result = self.facts(ADMIN, parse_events([told]))[0]
        assert result.problem is None or result.result == "quarantined", result
        return result.result

    def written(
        self,
        kind: str,
        customer_id: str,
        **fields: Any,  # noqa: ANN401 - any field
    ) -> dict[str, Any]:
        """Write a fact as the ERP does (amounts in CNY unless told), its event with an own id."""
        currency = fields.pop("currency", "CNY")
        return {
            "source": "erp",
            "event_id": f"e{self.next()}",
            "type": kind,
            "customer_id": customer_id,
            "segment": "main",
            "occurred_at": self.clock().isoformat(),
            "version": 1,
        } | _priced(fields, currency)

    def report(self, facts: list[dict[str, Any]]) -> Counter[str]:
        """Report written facts in one batch; count what became of them."""
        return Counter(one.result for one in self.facts(ADMIN, parse_events(facts)))

    def invoice(self, customer_id: str, minor: int, currency: str = "CNY", due: str = "") -> None:
        """Report an open invoice."""
        due = due or self.today.isoformat()
        self.fact(
            "invoice",
            customer_id,
            invoice_id=f"I-{self.next()}",
            amount=minor,
            currency=currency,
            issue_date="2026-01-01",
            due_date=due,
        )

    def limit(self, customer_id: str, minor: int | None, caller: Caller = ADMIN) -> LimitView:
        """Set or propose a base limit from today on."""
        limit = None if minor is None else Money(minor, "CNY")
        return self.propose(customer_id, LimitAsk("base", "main", limit), caller)

    def propose(self, customer_id: str, ask: LimitAsk, caller: Caller = ADMIN) -> LimitView:
        """Propose a limit and see it as it is answered."""
        seen: list[LimitView] = []
        self.parties.propose_limit(self.keyed(caller), customer_id, ask, seeing(seen))
        return seen[0]

    def keyed(self, caller: Caller = ADMIN) -> Keyed:
        """Make a question with a key of its own."""
        name = f"k{self.next()}"
        return Keyed(caller, name, name.encode())

    def account(self, customer_id: str, segment_id: str = "main") -> Account:
        """Read an account as stored."""
        with self.database.read() as tx:
            found = accounts.find(tx, customer_id, segment_id)
        assert found is not None
        return found

    def position(self, customer_id: str, currency: str = "CNY") -> Use:
        """Read the exact position of an account in a currency."""
        return self.account(customer_id).position(currency)

    def exact(self) -> None:
        """Let the independent checker look at everything."""
        report = check_ledger(self.database.url)
        assert report.clean, report.difference

    def with_light(self, light: TrafficLight) -> list[str]:
        """List the customers of a traffic light."""
        found = self.parties.list_customers(ADMIN, CustomerFilter(500, light=light))
        return [view.customer.customer_id for view in found]


def _priced(fields: dict[str, Any], currency: str) -> dict[str, Any]:
    """Write every integer `amount` and `discount`, nested ones too, as money."""
    told: dict[str, Any] = {}
    for name, value in fields.items():
        if name in {"amount", "discount"} and isinstance(value, int):
            told[name] = {"amount": Money(value, currency).text, "currency": currency}
        elif isinstance(value, list):
            told[name] = [_priced(one, currency) for one in value]
        else:
            told[name] = value
    return told


def seeing(seen: list[_T]) -> Callable[[_T], Answer]:
    """Make a `render` that remembers what it was to write."""

    def render(value: _T) -> Answer:
        seen.append(value)
        return Answer(200, b"{}")

    return render


def wait_for_a_waiter(database: Database, most: int = 1) -> None:
    """Return once as many transactions of the database wait for others' locks.

    Raises:
        AssertionError: They did not within ten seconds.

    """
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(500):
        with database.read() as tx:
            if tx.execute(waiting).scalar_one() >= most:
                return
        sleep(0.02)
    raise AssertionError("nobody waits")


def at_once(*acts: Callable[[], _T]) -> list[_T | CreditError]:
    """Act in threads from one starting line; refusals are returned, bugs raised."""
    line = Barrier(len(acts))

    def start(act: Callable[[], _T]) -> _T | CreditError:
        line.wait(10)
        try:
            return act()
        except CreditError as refusal:
            return refusal

    with ThreadPoolExecutor(len(acts)) as pool:
        return [done.result() for done in [pool.submit(start, act) for act in acts]]
