"""The limit that a segment's policy recommends for a customer, with its arithmetic."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil

from app.domain.accounts import Account
from app.domain.callers import Caller
from app.domain.customers import Customer
from app.domain.errors import RateMissingError
from app.domain.features import AccountUse, payment_features
from app.domain.limits import settle
from app.domain.limits_policy import LimitPolicy
from app.domain.money import Money, Rate, RateFinder, convert
from app.domain.rates import find_rate
from app.domain.recommendation import Recommendation, Subject, recommend
from app.domain.scores_json import score_in_force
from app.domain.segments import Segment
from app.store import (
    accounts,
    behaviour,
    customers,
    inputs,
    limits,
    limits_facts,
    rates,
    segments,
)
from app.store.database import Database, Tx
from app.store.facts_inbox import use_indexes
from app.usecases.accounts import not_here
from app.usecases.dates import business_date
from app.usecases.limits_policy import policy_of

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class RecommendationView:
    """What is recommended, beside the limit in force (None: none, or unlimited)."""

    customer_id: str
    segment_id: str
    current: Money | None
    unlimited: bool
    found: Recommendation
    as_of: date


@dataclass(frozen=True, slots=True)
class RecommendLimit:
    """Work out a recommended limit; nothing is changed."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, ref: str, segment_id: str) -> RecommendationView:
        """Return it for the account of the customer that `ref` names.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.
            NotFoundError: The customer has no account there.
            RateMissingError: What it bought, or a cap, is in a currency that nothing values.

        """
        caller.visit(segment_id)
        with self.database.read() as tx:
            segment = segments.read(tx, segment_id)
            at = self.now()
            today = business_date(segment, at)
            customer_id = accounts.customer_of(tx, ref)
            held = accounts.find(tx, customer_id, segment_id)
            if held is None:
                raise not_here(caller, ref, segment_id)
            approved = limits.approved(tx, [held.account_id])[held.account_id]
            held, _ = settle(held, approved, today)
            found = recommend_for(tx, held, (segment, policy_of(tx, segment)), at)
        money = None
        if held.limit_minor is not None and not held.unlimited:
            money = Money(held.limit_minor, held.currency)
        return RecommendationView(customer_id, segment_id, money, held.unlimited, found, today)


def recommend_for(
    tx: Tx, held: Account, by: tuple[Segment, LimitPolicy], at: datetime
) -> Recommendation:
    """Work out what is recommended at a moment; `by` is the account's segment and policy.

    Raises:
        RateMissingError: What it bought, or a cap, is in a currency that nothing values.

    """
    use_indexes(tx)
    segment, policy = by
    today = business_date(segment, at)
    customer = customers.read(tx, held.customer_id)
    since = today - timedelta(days=policy.period_days)
    bought = limits_facts.invoiced(tx, (held.account_id, segment.segment_id), since, today)
    known = inputs.get(tx, held.account_id, held.input_version)
    score = score_in_force(known.get("score"), at)
    risk_class = "N" if score is None else str(score["risk_class"])
    size = _size(customer)
    caps = [policy.class_caps.get(risk_class), policy.size_caps.get(size or "")]
    codes = {*bought, *(cap.currency for cap in caps if cap)}
    find = _finder(tx, held.currency, codes, today)
    class_cap, size_cap = [
        None if cap is None else _worth(held, cap.currency, cap.minor, find) for cap in caps
    ]
    subject = Subject(
        currency=held.currency,
        turnover_minor=sum(_worth(held, code, minor, find) for code, minor in bought.items()),
        terms_days=known.get("payment_terms_days"),
        risk_class=risk_class,
        days_late=_days_late(tx, held, today),
        size=size,
        class_cap_minor=class_cap,
        size_cap_minor=size_cap,
    )
    return recommend(subject, policy)


def _size(customer: Customer) -> str | None:
    """Take people for the smallest of companies where nobody said otherwise."""
    if customer.size is None and customer.kind != "company":
        return "MICRO"
    return customer.size


def _days_late(tx: Tx, held: Account, today: date) -> int | None:
    """Average over all invoices of the customer and its members; None: none was due yet."""
    days, known = 0.0, 0
    family = limits_facts.family(tx, held.account_id, held.segment_id)
    for _, invoices in behaviour.histories(tx, family):
        found = payment_features(invoices, AccountUse(held.currency), today)
        days += (found.mean_days_late or 0) * found.invoices_known
        known += found.invoices_known
    return ceil(days / known - _ROUNDING) if known else None


def _finder(tx: Tx, own: str, codes: set[str], today: date) -> RateFinder:
    known = rates.recent(tx, {own, *codes}, today) if codes - {own} else []

    def find(source: str, target: str) -> Rate | None:
        return find_rate(known, source, target, today)

    return find


def _worth(held: Account, currency: str, minor: int, find: RateFinder) -> int:
    if currency == held.currency:
        return minor
    rate = find(currency, held.currency)
    if rate is None:
        raise RateMissingError(f"no rate between {currency} and {held.currency} of the last days")
    return convert(minor, rate.factor(currency, held.currency), up=False)
