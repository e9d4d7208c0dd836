"""A small world for facts: two customers of one group, a third abroad, and fixed rates."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any, Final

from app.domain.accounts import CATEGORIES, Account, Use
from app.domain.facts import Event, Result
from app.domain.facts_apply import Clerk
from app.domain.facts_balances import Balances
from app.domain.facts_book import Book
from app.domain.facts_orders import Stamp
from app.domain.money import Rate
from app.domain.rates import find_rate
from app.usecases.facts_events import parse_event
from tests.domain.facts_model import add_up

AT: Final = datetime(2026, 6, 15, 4, 0, tzinfo=UTC)
RATES: Final = (
    Rate("USD", "CNY", Decimal("7.1234"), "2026-06-15", "test"),
    Rate("JPY", "CNY", Decimal("0.0487"), "2026-06-15", "test"),
    Rate("BHD", "CNY", Decimal("18.93"), "2026-06-14", "test"),
    Rate("USD", "JPY", Decimal("146.11"), "2026-06-13", "test"),
    Rate("BHD", "JPY", Decimal("388.5"), "2026-06-13", "test"),
)
GROUP, ANNA, BERT, CHIE = 1, 2, 3, 4
CUSTOMERS: Final = {"group": GROUP, "anna": ANNA, "bert": BERT, "chie": CHIE}
PATHS: Final = {GROUP: (GROUP,), ANNA: (ANNA, GROUP), BERT: (BERT, GROUP), CHIE: (CHIE,)}
CURRENCIES: Final = {GROUP: "CNY", ANNA: "CNY", BERT: "JPY", CHIE: "JPY"}

_number = count()


def money(amount: str, currency: str = "CNY") -> dict[str, str]:
    """Write an amount as the contract does."""
    return {"amount": amount, "currency": currency}


def fact(kind: str, document_id: str, version: int = 1, **fields: object) -> dict[str, Any]:
    """Write an event as the contract does; an `amount` in text is CNY."""
    name = {"dispute": "invoice_id"}.get(kind, f"{kind}_id")
    amount = fields.get("amount")
    if isinstance(amount, str):
        fields["amount"] = money(amount)
    if kind == "invoice":
        fields = {"issue_date": "2026-05-01", "due_date": "2026-06-30", **fields}
    if kind == "payment":
        fields = {"paid_date": "2026-06-01", **fields}
    return {
        "source": "erp",
        "event_id": f"e{next(_number)}",
        "type": kind,
        "customer_id": "anna",
        "segment": "main",
        "occurred_at": "2026-06-10T08:00:00+08:00",
        name: document_id,
        "version": version,
        **fields,
    }


def line(amount: str, currency: str = "CNY", **fields: object) -> dict[str, Any]:
    """Write a part of a document, with its amount."""
    return {"amount": money(amount, currency), **fields}


@dataclass(slots=True)
class World:
    """A ledger in memory; `limit` is that of every account."""

    limit: int | None = None
    rates: Iterable[Rate] = RATES
    haircut_percent: int = 100
    clerk: Clerk = field(init=False)

    def __post_init__(self) -> None:
        """Make the accounts."""
        accounts = {
            one: Account(one, name, "main", PATHS[one], CURRENCIES[one], limit_minor=self.limit)
            for name, one in CUSTOMERS.items()
        }
        number = count(1)

        def find(source: str, target: str) -> Rate | None:
            return find_rate(self.rates, source, target, AT.date())

        stamp = Stamp(AT, lambda: f"authorization-{next(number)}")
        self.clerk = Clerk(Book("main"), Balances(accounts, find), stamp)
        self.clerk.haircut_percent = self.haircut_percent

    def apply(self, *facts: Mapping[str, Any]) -> list[str]:
        """Apply facts and return the word each is answered with."""
        return [self.tell(parse_event(one)).result for one in facts]

    def tell(self, event: Event) -> Result:
        """Apply one event, told by the customer it names."""
        return self.clerk.apply(event, CUSTOMERS[event.customer_ref])

    def use(self, account_id: int = ANNA) -> dict[str, int]:
        """Give what an account is used for, in its currency; zeros are left out."""
        use = self.clerk.balances.accounts[account_id].use
        return {name: getattr(use, name) for name in CATEGORIES if getattr(use, name)}

    def positions(self) -> dict[tuple[int, str], Use]:
        """Every account's exact position in every currency that is not zero."""
        return {
            (one, currency): use
            for one, account in self.clerk.balances.accounts.items()
            for currency in ("CNY", "USD", "JPY", "BHD")
            if (use := account.position(currency))
        }

    def state(self) -> dict[str, Any]:
        """All that must not depend on the order of events."""
        book = self.clerk.book
        return {
            "use": {one: a.use for one, a in self.clerk.balances.accounts.items()},
            "forced": {one: a.forced for one, a in self.clerk.balances.accounts.items()},
            "foreign": {one: dict(a.foreign) for one, a in self.clerk.balances.accounts.items()},
            "shares": {key: one for key, one in self.clerk.shares.items() if one.use},
            "uses": {key: one for key, one in book.uses.items() if one.delivered or one.invoiced},
            "orders": {
                key: (one.account_id, one.currency, one.version, one.closed_version, one.reserved)
                for key, one in book.orders.items()
            },
            "documents": (
                {key: one for key, one in book.invoices.items() if one.version >= 0},
                book.payments,
                book.deliveries,
                book.credits,
                {key: one for key, one in book.notes.items() if one.version >= 0},
                book.disputes,
            ),
        }


def expected(
    facts: Iterable[Mapping[str, object]], haircut_percent: int = 100
) -> dict[tuple[int, str], Use]:
    """Give every account's position in every currency as `facts_model` adds it up."""
    total: dict[tuple[int, str], Counter[str]] = {}
    for (customer_id, currency), sums in add_up(facts, haircut_percent).items():
        for one in PATHS[CUSTOMERS[customer_id]]:
            total.setdefault((one, currency), Counter()).update(sums)
    uses = {place: Use(**sums) for place, sums in total.items()}
    return {place: use for place, use in uses.items() if use}
