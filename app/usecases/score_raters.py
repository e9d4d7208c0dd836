"""Who rates: the scorecard in use, over how customers paid; a model is another one of the kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Protocol

from app.domain.accounts import Account
from app.domain.features import (
    FEATURES,
    AccountUse,
    Features,
    InvoiceHistory,
    payment_features,
)
from app.domain.limits import CreditLimit, effective_limit
from app.domain.scorecard import rate
from app.domain.scores import Score
from app.domain.scores_json import score_from_json, scored_at
from app.domain.scores_override import Scale
from app.domain.segments import MAIN, Segment
from app.domain.whatif import Row
from app.store import behaviour, limits, scores, segments
from app.store.database import Tx
from app.store.scores import Subject
from app.usecases.dates import business_date


@dataclass(frozen=True, slots=True)
class Rated:
    """A computed score, the day and the features it rests on, and the scale it is read by.

    `shadow` is what a model says that only watches; None: none does, or it could not.
    `computed_at` is when the score was computed; None: at the moment that was asked about.
    """

    score: Score
    as_of: date
    features: Mapping[str, Any]
    scale: Scale
    shadow: Score | None = None
    computed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """One customer as observed (`row`, by feature), and what rates such rows; needs no database."""

    as_of: date
    row: Row
    rate: Callable[[Sequence[Row]], Sequence[Score]]


class Rater(Protocol):
    """Whoever rates customers from what `tx` sees of them."""

    def bench(self, tx: Tx, subject: Subject, at: datetime, /) -> Bench:
        """Prepare to rate one customer as it is and as it would be.

        Raises:
            BusyError: What computes is out of reach; so may `Bench.rate`.

        """
        ...

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime, /) -> Mapping[str, Rated]:
        """Rate each subject, by customer id.

        Raises:
            BusyError: What computes is out of reach; nobody is rated.

        """
        ...

    def stop(self) -> None:
        """End processes of its own, if it has any; a later question starts them again."""
        ...


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of a customer on its business date `as_of`."""

    features: Features
    as_of: date


def observe(tx: Tx, subjects: Sequence[Subject], at: datetime) -> dict[str, Observed]:
    """Read how customers paid and how much of their limits they use, by customer id."""
    bench = _bench(tx, subjects, at)
    rest = {one.customer_id: one for one in subjects}
    found = {}
    for customer_id, invoices in behaviour.histories(tx, list(rest)):
        found[customer_id] = bench.observe(rest.pop(customer_id), invoices)
    return found | {key: bench.observe(one, ()) for key, one in rest.items()}


def uses(tx: Tx, subjects: Sequence[Subject], at: datetime) -> dict[str, tuple[AccountUse, date]]:
    """Give the use and limit that each customer is scored by, and its business date."""
    bench = _bench(tx, subjects, at)
    return {one.customer_id: bench.use(one) for one in subjects}


def _bench(tx: Tx, subjects: Sequence[Subject], at: datetime) -> "_Bench":
    of_segment = {one.segment_id: one for one in segments.every(tx)}
    due = [key for one in subjects for key in _lapsing(one, of_segment, at)]
    approved = limits.approved(tx, due) if due else {}
    return _Bench(at, of_segment, approved)


@dataclass(frozen=True, slots=True)
class RateByCard:
    """Rate by the scorecard that is in use in the transaction."""

    def stop(self) -> None:
        """Do nothing: there is no process."""

    def bench(self, tx: Tx, subject: Subject, at: datetime) -> Bench:
        """Observe one customer, to be rated by the scorecard of this moment."""
        card = scores.active_scorecard(tx)
        seen = observe(tx, [subject], at)[subject.customer_id]

        def rate_rows(rows: Sequence[Row]) -> list[Score]:
            return [rate(_features(seen.features, row), card) for row in rows]

        row = {name: getattr(seen.features, name) for name in FEATURES}
        return Bench(seen.as_of, row, rate_rows)

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        """Rate each subject, by customer id."""
        card = scores.active_scorecard(tx)
        return {
            key: Rated(rate(one.features, card), one.as_of, asdict(one.features), card)
            for key, one in observe(tx, subjects, at).items()
        }


@dataclass(frozen=True, slots=True)
class RateAsBefore:
    """Rate as the newest score did, which gets no younger; who has none, by the scorecard."""

    def stop(self) -> None:
        """Do nothing: there is no process."""

    def bench(self, tx: Tx, subject: Subject, at: datetime) -> Bench:
        """Do as the scorecard does: a score that was cannot tell what would be."""
        return RateByCard().bench(tx, subject, at)

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        """Rate each subject, by customer id."""
        card = scores.active_scorecard(tx)
        found = {one.customer_id: _before(one, card) for one in subjects if one.data is not None}
        fresh = [one for one in subjects if one.customer_id not in found]
        return found | dict(RateByCard()(tx, fresh, at))


def _features(seen: Features, row: Row) -> Features:
    """Put a row in the place of what was seen; counts and amounts are whole."""
    whole = {"invoices_closed", "invoices_known", "overdue_amount_minor", "overdue_days"}
    values: dict[str, Any] = {
        name: int(value or 0) if name in whole else value
        for name, value in row.items()
        if name in FEATURES
    }
    return replace(seen, **values)


def _before(subject: Subject, scale: Scale) -> Rated:
    data = subject.data or {}
    score = score_from_json(data)
    computed = score if score.overridden is None else score.overridden.computed
    as_of = date.fromisoformat(data["features_as_of"])
    return Rated(computed, as_of, data.get("features", {}), scale, computed_at=scored_at(data))


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all customers of a transaction are seen by; `approved` are limits by account."""

    at: datetime
    segments: Mapping[str, Segment]
    approved: Mapping[int, Sequence[CreditLimit]]

    def observe(self, subject: Subject, invoices: Sequence[InvoiceHistory]) -> Observed:
        """Compute the features as of the business date of the reference account's segment."""
        use, today = self.use(subject)
        return Observed(payment_features(invoices, use, today), today)

    def use(self, subject: Subject) -> tuple[AccountUse, date]:
        """Give the use, limit and currency of the reference account, and its business date."""
        account = reference_account(subject.accounts)
        segment = self.segments[account.segment_id if account else MAIN]
        today = business_date(segment, self.at)
        use = AccountUse(segment.currency, since=subject.since)
        if account is not None:
            limit_minor = self._limit_minor(account, today)
            use = AccountUse(account.currency, account.use.total, limit_minor, subject.since)
        return use, today

    def _limit_minor(self, account: Account, today: date) -> int | None:
        if account.account_id in self.approved:
            found = effective_limit(self.approved[account.account_id], today)
            return None if found.unlimited else found.limit_minor
        return None if account.unlimited else account.limit_minor


def reference_account(accounts: Sequence[Account]) -> Account | None:
    """Choose the account whose limit, use, currency and calendar a customer is scored by.

    It is that of `main` where it has a limit (an expired one too, not one that is null or was
    ended) or any use, else the one with the most use.
    """
    for account in accounts:
        limited = account.limit_minor is not None or account.limit_expired
        if account.segment_id == MAIN and (limited or account.use):
            return account
    return max(accounts, key=lambda one: (one.use.total, one.segment_id == MAIN), default=None)


def _lapsing(subject: Subject, of_segment: Mapping[str, Segment], at: datetime) -> list[int]:
    """Name the account whose stored limit may not be that of the business date."""
    account = reference_account(subject.accounts)
    if account is None or account.limit_changes_on is None:
        return []
    today = business_date(of_segment[account.segment_id], at)
    return [account.account_id] if account.limit_changes_on <= today else []
