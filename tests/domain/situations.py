"""Accounts and orders in memory, which questions change one after the other as in a lane."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from app.domain.accounts import Account, Use, force
from app.domain.decisions import Inputs, Judgement, Mode, Overdue, Question, Situation
from app.domain.judging import judge
from app.domain.money import Money, Rate
from app.domain.orders import Order, OrderUse
from app.domain.rules import RuleSet, read_rule_set
from app.domain.rules_standard import STANDARD

NOW: Final = datetime(2026, 11, 24, 9, tzinfo=UTC)
TODAY: Final = date(2026, 11, 24)
STANDARD_RULES: Final = read_rule_set(1, STANDARD)
NOTHING_LATE: Final = Overdue({}, {}, 0)
SCORED: Final = Inputs(
    1, active=True, score={"risk_class": "B", "scored_at": "2026-11-23T00:00:00+00:00"}
)


def policy(*rows: Mapping[str, Any], tolerance: str = "0") -> RuleSet:
    """Make a rule set of just these rows."""
    return read_rule_set(2, {"rows": rows, "tolerance_percent": tolerance})


def with_tolerance(percent: str) -> RuleSet:
    """Make the standard rules with a tolerance above limits."""
    return read_rule_set(3, {**STANDARD, "tolerance_percent": percent})


def rate(source: str, target: str, value: str, day: date = TODAY) -> Rate:
    """Make a rate: 1 `source` = `value` `target`."""
    return Rate(source, target, Decimal(value), day.isoformat(), "tests")


def account(
    number: int,
    limit: int | None = 100_00,
    **fields: Any,  # noqa: ANN401 - any field
) -> Account:
    """Make an account of the customer `C-<number>`, in CNY unless told; `groups` are above it."""
    told: dict[str, Any] = {
        "account_id": number,
        "customer_id": f"C-{number}",
        "segment_id": "main",
        "path": (number, *fields.pop("groups", ())),
        "currency": "CNY",
        "limit_minor": limit,
    }
    return Account(**(told | fields))


def unlimited(number: int, **fields: Any) -> Account:  # noqa: ANN401 - any field
    """Make an account that nothing limits."""
    return account(number, None, unlimited=True, **fields)


def question(
    minor: int = 10_00,
    order_id: str = "SO-1",
    payer: int = 1,
    **fields: Any,  # noqa: ANN401 - any field
) -> Question:
    """Ask for an order of `C-<payer>`, in CNY at ORDER for an hour unless told."""
    money = Money(minor, fields.pop("currency", "CNY"))
    told: dict[str, Any] = {"check_point": "ORDER", "expires_in": 3600} | fields
    return Question(f"C-{payer}", "main", order_id=order_id, amount=money, **told)


USD: Final = rate("USD", "CNY", "7")


@dataclass
class Desk:
    """What a lane holds in memory: every approval changes what the next question meets.

    `rates` are by (from, to); `uses` by (order, account, currency).
    """

    accounts: dict[int, Account]
    rates: Mapping[tuple[str, str], Rate] = field(default_factory=dict)
    rules: RuleSet = STANDARD_RULES
    mode: Mode = "ENFORCE"
    orders: dict[str, Order] = field(default_factory=dict)
    uses: dict[tuple[str, int, str], OrderUse] = field(default_factory=dict)
    overdue: Overdue = NOTHING_LATE
    inputs: Inputs = SCORED
    at: datetime = NOW
    horizon_days: int | None = None
    today: date = TODAY
    ledger_at: datetime | None = NOW

    @classmethod
    def of(cls, *accounts: Account, **fields: Any) -> "Desk":  # noqa: ANN401 - any field
        """Open a desk over accounts."""
        return cls({one.account_id: one for one in accounts}, **fields)

    def path(self, account_id: int) -> tuple[Account, ...]:
        """Give an account and its groups."""
        return tuple(self.accounts[one] for one in self.accounts[account_id].path)

    def ceiling(self, account_id: int) -> int:
        """Say up to where grants may go: the limit and its tolerance, rounded down."""
        limit = self.accounts[account_id].limit_minor or 0
        return limit + int(limit * self.rules.tolerance_percent / 100)

    def situation(self, asked: Question) -> Situation:
        """Put together what a question is judged on."""
        payer = int(asked.customer_id.removeprefix("C-"))
        order, currency = self.orders.get(asked.order_id), asked.amount.currency
        leaves = order is not None and order.reserved > 0 and order.account_id != payer
        path = self.path(payer)
        found = {one.currency: self.rates.get((currency, one.currency)) for one in path}
        return Situation(
            at=self.at,
            today=self.today,
            mode=self.mode,
            accounts=path,
            inputs=self.inputs,
            overdue=self.overdue,
            order=order,
            use=self.uses.get((asked.order_id, payer, currency), OrderUse()),
            freed=self.path(order.account_id) if order is not None and leaves else (),
            rates={code: one for code, one in found.items() if one is not None},
            ledger_at=self.ledger_at,
            horizon_days=self.horizon_days,
        )

    def check(self, asked: Question) -> Judgement:
        """Judge without a change."""
        return judge(asked, self.situation(asked), self.rules, "new")

    def ask(self, asked: Question) -> Judgement:
        """Judge, and keep what it changed."""
        return self.keep(judge(asked, self.situation(asked), self.rules, f"A-{asked.order_id}"))

    def release(
        self, asked: Question, most: int | None = None, until: datetime | None = None
    ) -> Judgement:
        """Let a held order pass, as a person does."""
        situation = self.situation(asked)
        if situation.order is None:
            message = "the order was never held"
            raise AssertionError(message)
        order = replace(
            situation.order,
            released_max=asked.amount.minor if most is None else most,
            released_until=until,
            hold_kind="AUTOMATIC",
        )
        told = replace(situation, order=order, releasing=True)
        return self.keep(judge(asked, told, self.rules, f"R-{asked.order_id}"))

    def keep(self, judgement: Judgement) -> Judgement:
        """Keep what a judgement changed."""
        if judgement.order is not None:
            self.orders[judgement.order.order_id] = judgement.order
        for changed, _ in judgement.after:
            self.accounts[changed.account_id] = changed
        return judgement


def codes(judgement: Judgement) -> list[str]:
    """List the reasons' codes."""
    return [row.reason for row in judgement.reasons]


def warned(judgement: Judgement) -> list[str]:
    """List the warnings' codes."""
    return [row.reason for row in judgement.warnings]


def known(**fields: Any) -> Order:  # noqa: ANN401 - any field
    """Make an order of C-1 that was seen before."""
    told: dict[str, Any] = {"account_id": 1, "currency": "CNY"}
    return Order("main", "SO-1", **(told | fields))


def live(
    reserved: int,
    authorized: int | None = None,
    **fields: Any,  # noqa: ANN401 - any field
) -> Order:
    """Make an order of C-1 with a reservation, its whole value unless told."""
    amount = reserved if authorized is None else authorized
    told: dict[str, Any] = {"state": "LIVE", "authorization_id": "A-1", "authorized": amount}
    return known(**(told | {"reserved": reserved} | fields))


def holding(desk: Desk, order: Order) -> Desk:
    """Book an order's reservation on its payer's path and let the desk know the order."""
    for one in desk.path(order.account_id):
        own = desk.rates.get((order.currency, one.currency))
        booked = force(one, order.currency, Use(authorized=order.reserved), own)
        desk.accounts[one.account_id] = booked
    desk.orders[order.order_id] = order
    return desk
