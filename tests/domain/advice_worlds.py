"""Orders that are held for random reasons, and people who do what they are advised to."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Self

from hypothesis import strategies as st

from app.domain.accounts import Account, Use
from app.domain.advice import Advice, Outlook, advise
from app.domain.advice_trials import on_day
from app.domain.decisions import Inputs, Judgement, Question
from app.domain.limits import CreditLimit, LimitKind, settle
from app.domain.money import Money
from app.domain.orders import Order
from app.domain.payments import OpenInvoice
from app.domain.rules import RuleSet, read_rule_set
from app.domain.rules_standard import STANDARD
from tests.domain.situations import NOW, SCORED, TODAY, Desk
from tests.domain.worlds import (
    CURRENCIES,
    GROUP,
    MEMBERS,
    RATES,
    book,
    overdue_of,
    pay,
    questions,
)

DAY: Final = timedelta(days=1)
PAYER: Final = 1

_limits = st.sampled_from([None, 0, 1, 5_000, 100_000]) | st.integers(0, 200_000)
_starts = st.sampled_from([-30, -1, 0, 1, 2, 10])
_lasts = st.sampled_from([None, None, 0, 3, 40])


@st.composite
def _rows(draw: st.DrawFn) -> list[CreditLimit]:
    """Draw what was approved for an account: limits and covers, old ones and ones to come."""
    kinds: list[LimitKind] = draw(
        st.lists(st.sampled_from(["base", "base", "temporary", "cover"]), max_size=4)
    )
    return [_row(draw, kind, order) for order, kind in enumerate(kinds)]


def _row(draw: st.DrawFn, kind: LimitKind, order: int) -> CreditLimit:
    first, last = draw(_starts), draw(_lasts)
    unlimited = kind != "cover" and draw(st.integers(0, 9)) == 0
    minor = draw(st.integers(1, 50_000)) if kind == "cover" else draw(_limits)
    return CreditLimit(
        kind,
        None if unlimited else minor,
        unlimited,
        TODAY + first * DAY,
        None if last is None else TODAY + max(first, last) * DAY,
        order,
    )


_OPTIONAL: Final[Sequence[tuple[str, Any, str]]] = (
    ("account_overdue_days > {}", st.integers(0, 40), "OVERDUE_DAYS"),
    ("account_overdue_minor > {}", st.integers(0, 40_000), "OVERDUE_SHARE"),
    ("account_overdue_share_percent > {}", st.integers(0, 99), "OVERDUE_SHARE"),
    ("account_overdue_days > 9 || account_overdue_minor > {}", st.integers(0, 9_000), "OTHER"),
    ("ledger_age_days > {}", st.integers(0, 9), "STALE_LEDGER"),
    ("limit_needed_minor > {}", st.integers(0, 99_000), "OVER_LIMIT"),
    ('limit_state == "ACTIVE" && limit_needed_minor > {}', st.integers(0, 9_000), "OTHER"),
    ("account_exposure_minor > {}", st.integers(0, 40_000), "OTHER"),
    ("order_amount_minor > {}", st.integers(0, 60_000), "OTHER"),
    ("score_value < {}", st.integers(0, 1_000), "OTHER"),
    ('score_class == "B" && account_overdue_minor > {}', st.integers(0, 9_000), "OTHER"),
)


@st.composite
def rule_sets(draw: st.DrawFn) -> RuleSet:
    """Draw a policy: the standard one without some rows, with some more, and a tolerance."""
    without = draw(st.sets(st.sampled_from([row["id"] for row in STANDARD["rows"]]), max_size=3))
    rows = [row for row in STANDARD["rows"] if row["id"] not in without]
    for when, values, reason in draw(st.lists(st.sampled_from(_OPTIONAL), max_size=3)):
        number = len(rows)
        row = {
            "id": f"more-{number}",
            "zh": "更多",
            "en": "more",
            "when": when.format(draw(values)),
            "outcome": draw(st.sampled_from(["HOLD", "HOLD", "REJECT", "WARN"])),
            "reason": reason if reason != "OTHER" else f"OTHER_{number}",
            "family": f"family-{number}",
        }
        rows.append(row | ({"asks": "path"} if "limit_" in when else {}))
    tolerance = draw(st.sampled_from(["0", "5", "0.37", "33.3"]))
    told = {"OTHER_" + str(number): {"zh": "其他", "en": "other"} for number in range(30)}
    more = {"format": 2, "texts": told, "tolerance_percent": tolerance}
    if draw(st.booleans()):
        share = draw(st.sampled_from(["0", "30", "33.33", "100"]))
        more["terms"] = {"B": {"days": 60, "prepay_percent": share}, "E": 0}
    return read_rule_set(7, {"rows": rows, **more})


@dataclass
class World:
    """A desk with what was approved for accounts, what the payer owes, and its order."""

    desk: Desk
    limits: dict[int, list[CreditLimit]]
    invoices: list[OpenInvoice]
    asked: Question
    listed: int = 500
    releases: list[str] = field(default_factory=list)

    def copy(self) -> Self:
        """Make another world that is the same."""
        desk = replace(self.desk, accounts={**self.desk.accounts}, orders={**self.desk.orders})
        limits = {key: [*rows] for key, rows in self.limits.items()}
        return replace(self, desk=desk, limits=limits, invoices=[*self.invoices], releases=[])

    def told(self) -> Judgement:
        """Ask without a change."""
        return self.desk.check(self.asked)

    def advice(self) -> list[Advice]:
        """Ask what would help."""
        outlook = Outlook(self.invoices[: self.listed], self.limits, self._rate)
        asked = (self.asked, self.desk.rules)
        return list(advise(asked, self.desk.situation(self.asked), self.told(), outlook))

    def _rate(self, source: str, target: str) -> Any:  # noqa: ANN401 - a rate or none
        return self.desk.rates.get((source, target))

    def follow(self, advice: Advice) -> None:
        """Do what is advised; a release is kept for the end."""
        match advice.action:
            case "PAY":
                assert advice.amount is not None
                reached = self.invoices if advice.invoices else []
                unpaid = pay(self.desk, advice.amount.minor, reached)
                self.invoices = unpaid if reached else self.invoices
                self.desk.overdue = overdue_of(self.invoices)
            case "PREPAY":
                assert advice.amount is not None
                code = self.desk.accounts[PAYER].currency
                book(self.desk, PAYER, code, Use(prepayment=advice.amount.minor))
            case "SHIP_UP_TO":
                assert advice.amount is not None
                self.asked = replace(self.asked, amount=advice.amount)
            case "SHORTEN_TERMS":
                self.asked = replace(self.asked, payment_terms_days=advice.days)
            case "RAISE_LIMIT" | "ADD_COVER":
                self._approve(advice)
            case "WAIT_UNTIL":
                self._wait(advice)
            case _:
                self._tell(advice)

    def _approve(self, advice: Advice) -> None:
        assert advice.amount is not None
        assert advice.subject is not None
        key = int(advice.subject.removeprefix("C-"))
        kind: LimitKind = "temporary" if advice.action == "RAISE_LIMIT" else "cover"
        row = CreditLimit(kind, advice.amount.minor, False, TODAY, TODAY, 99)  # noqa: FBT003
        self.limits[key].append(row)
        self._settle()

    def _wait(self, advice: Advice) -> None:
        assert advice.until is not None
        situation = on_day(
            self.desk.situation(self.asked), self.limits, self.invoices, advice.until
        )
        self.desk.today = advice.until
        self._settle()
        assert [self.desk.accounts[one.account_id].limit_minor for one in situation.accounts] == [
            one.limit_minor for one in situation.accounts
        ]
        self.desk.overdue = overdue_of(self.invoices, advice.until)

    def _tell(self, advice: Advice) -> None:
        desk, order = self.desk, self.desk.orders.get(self.asked.order_id)
        match advice.action:
            case "ACTIVATE_CUSTOMER":
                desk.inputs = replace(desk.inputs, active=True)
            case "LIFT_STOP":
                desk.accounts = {
                    key: replace(one, status="OPEN") for key, one in desk.accounts.items()
                }
            case "CLEAR_QUARANTINE":
                desk.accounts[PAYER] = replace(desk.accounts[PAYER], quarantined=0)
            case "REPORT_LEDGER":
                desk.ledger_at = NOW
            case "POST_RATE":
                desk.rates = RATES
            case "PLACE_NEW_ORDER":
                assert order is not None
                self.asked = replace(self.asked, order_id="SO-new")
            case "CHANGE_POLICY":
                rows = tuple(one for one in desk.rules.rows if one.rule_id != advice.subject)
                desk.rules = replace(desk.rules, rows=rows)
            case "ASK_RELEASE" | "LIFT_HOLD":
                self.releases.append(advice.action)
            case unknown:
                raise AssertionError(unknown)

    def _settle(self) -> None:
        for key, rows in self.limits.items():
            self.desk.accounts[key], _ = settle(self.desk.accounts[key], rows, self.desk.today)

    def goes(self) -> bool:
        """Ask again; what a person has to release is released."""
        told = self.desk.ask(self.asked)
        if told.outcome != "APPROVE" and self.releases:
            told = self.desk.release(self.asked)
        return told.outcome == "APPROVE"


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a customer in a group perhaps, what it owes, and an order that may be held."""
    limits = {number: draw(_rows()) for number in (GROUP, *MEMBERS)}
    held = [_account(draw, number, limits[number]) for number in limits]
    desk = Desk.of(*held, rates=RATES)
    desk.rules = draw(rule_sets())
    invoices = [
        replace(one, invoice_id=f"I-{place}") for place, one in enumerate(draw(_sorted_invoices()))
    ]
    for one in invoices:
        book(desk, PAYER, one.open.currency, Use(open_item=one.open.minor))
    book(desk, 2, "CNY", Use(open_item=draw(st.integers(0, 30_000))))
    desk.overdue = overdue_of(invoices)
    days = draw(st.sampled_from([None, 30, 60, 90]))
    asked = replace(draw(questions), customer_id=f"C-{PAYER}", payment_terms_days=days)
    _trouble(draw, desk, asked)
    foreign = {one.open.currency for one in invoices} - {desk.accounts[PAYER].currency}
    # what is not listed is known as a sum only, and valued as one
    listed = 500 if foreign else draw(st.sampled_from([500, 1]))
    return World(desk, limits, invoices, asked, listed)


def _account(draw: st.DrawFn, number: int, rows: Sequence[CreditLimit]) -> Account:
    in_group = number != GROUP and draw(st.booleans())
    account = Account(
        account_id=number,
        customer_id=f"C-{number}",
        segment_id="main",
        path=(number, GROUP) if in_group else (number,),
        currency=draw(st.sampled_from(CURRENCIES)),
    )
    return settle(account, rows, TODAY)[0]


@st.composite
def _sorted_invoices(draw: st.DrawFn) -> list[OpenInvoice]:
    from_worlds = draw(st.lists(_invoice(), max_size=5))
    return sorted(from_worlds, key=lambda one: one.due_date)


def _invoice() -> st.SearchStrategy[OpenInvoice]:
    return st.builds(
        lambda days, minor, code: OpenInvoice("", TODAY + days * DAY, Money(minor, code)),
        st.integers(-60, 30),
        st.integers(1, 30_000),
        st.sampled_from(CURRENCIES),
    )


def _trouble(draw: st.DrawFn, desk: Desk, asked: Question) -> None:
    """Add reasons that no money removes, each seldom."""

    def seldom() -> bool:
        return draw(st.integers(0, 7)) == 0

    if seldom():
        number = draw(st.sampled_from([PAYER, GROUP]))
        desk.accounts[number] = replace(desk.accounts[number], status="STOPPED")
    if seldom():
        desk.accounts[PAYER] = replace(desk.accounts[PAYER], quarantined=2)
    if seldom():
        desk.inputs = Inputs(1, active=False, score=SCORED.score)
    if seldom():
        score = {"risk_class": "E", "scored_at": "2026-11-23T00:00:00+00:00"}
        desk.inputs = replace(desk.inputs, score=score)
    if seldom():
        desk.ledger_at = NOW - 9 * DAY
    if seldom():
        told: dict[str, Any] = draw(st.sampled_from([{"rejected": True}, {"hold_kind": "FORCED"}]))
        held = Order("main", asked.order_id, PAYER, asked.amount.currency)
        desk.orders[asked.order_id] = replace(held, hold_id="H", **told)
    if seldom() and asked.amount.currency != desk.accounts[PAYER].currency:
        # nothing is owed in it, so that nothing but the order misses the rate
        desk.rates = {
            pair: rate for pair, rate in RATES.items() if asked.amount.currency not in pair
        }
