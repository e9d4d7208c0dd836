"""Score customers by the scorecard in use: read how they paid, rate, store."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Final

from app.domain.accounts import Account
from app.domain.features import AccountUse, InvoiceHistory, payment_features
from app.domain.limits import CreditLimit, effective_limit
from app.domain.rules_context import behaviour_of
from app.domain.scorecard import Scorecard, rate
from app.domain.scores_json import says_the_same, score_to_json
from app.domain.segments import MAIN, Segment
from app.store import behaviour, limits, scores, segments
from app.store.database import Database, Tx
from app.store.scores import Found, Subject
from app.usecases.dates import business_date

CHUNK: Final = 50
"""Customers scored in one transaction."""

MOST_AT_ONCE: Final = 50
"""Customers that are scored right after facts; the others wait for the next run for all.

One transaction, some 25 ms: a full batch of facts, which touches hundreds, takes ten times that.
"""

RENEWED: Final = timedelta(days=1)
"""A score that says the same is stored anew when the one stored is older than this."""


def _nobody(_done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class ScoreCustomers:
    """Score some customers, or all of them, `CHUNK` in a transaction."""

    database: Database
    now: Callable[[], datetime]

    def __call__(
        self, customer_ids: Collection[str], told: Callable[[int, int], None] = _nobody
    ) -> int:
        """Score customers by their ids (not aliases) and return how many there were.

        `told` hears how many are done, and of how many.

        Raises:
            BusyError: The database was out of reach; what was committed stays.

        """
        ids = iter(sorted(set(customer_ids)))
        done = 0
        while chunk := list(islice(ids, CHUNK)):
            done += self._score(chunk)
            told(done, len(customer_ids))
        return done

    def every(self, told: Callable[[int, int], None]) -> int:
        """Score every customer; `told` hears how many are done, and of how many.

        Raises:
            BusyError: The database was out of reach; what was committed stays.

        """
        done, after = 0, ""
        with self.database.read() as tx:
            total = scores.count(tx)
        while True:
            with self.database.read() as tx:
                chunk = scores.page(tx, after, CHUNK)
            if not chunk:
                return done
            done, after = done + self._score(chunk), chunk[-1]
            told(done, max(done, total))

    def _score(self, chunk: Sequence[str]) -> int:
        with self.database.begin() as tx:
            return score_customers(tx, chunk, self.now())


@dataclass(frozen=True, slots=True)
class RescoreAccounts:
    """Score the customers of accounts that facts were booked on, after these were committed."""

    score: ScoreCustomers

    def __call__(
        self,
        account_ids: Collection[int],
        told: Callable[[int, int], None] = _nobody,
        most: int | None = MOST_AT_ONCE,
    ) -> int:
        """Score them and those of their groups, `most` at once (None: all); returns how many.

        `told` hears how many are done, and of how many.

        Raises:
            BusyError: The database was out of reach; scores that were not renewed are `stale`.

        """
        if not account_ids:
            return 0
        with self.score.database.read() as tx:
            ids = scores.of_accounts(tx, account_ids)[:most]
        return self.score(ids, told)


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all customers of a transaction are scored by; `approved` are limits by account."""

    at: datetime
    card: Scorecard
    segments: Mapping[str, Segment]
    approved: Mapping[int, Sequence[CreditLimit]]


def score_customers(tx: Tx, customer_ids: Collection[str], at: datetime) -> int:
    """Score customers within a transaction and return how many there were.

    Who was merged into another is none.
    """
    subjects = {one.customer_id: one for one in scores.lock(tx, customer_ids)}
    of_segment = {one.segment_id: one for one in segments.every(tx)}
    due = [key for one in subjects.values() for key in _lapsing(one, of_segment, at)]
    approved = limits.approved(tx, due) if due else {}
    bench = _Bench(at, scores.active_scorecard(tx), of_segment, approved)
    found = []
    rest = dict(subjects)
    for customer_id, invoices in behaviour.histories(tx, list(subjects)):
        found.append(_rate(rest.pop(customer_id), invoices, bench))
    found += [_rate(one, (), bench) for one in rest.values()]
    scores.write(tx, found, at)
    return len(found)


def reference_account(accounts: Sequence[Account]) -> Account | None:
    """Choose the account whose limit, use, currency and calendar a customer is scored by.

    It is that of `main` where it has a limit or any use, else the one with the most use.
    """
    for account in accounts:
        if account.segment_id == MAIN and (account.has_limit or account.use):
            return account
    return max(accounts, key=lambda one: (one.use.total, one.segment_id == MAIN), default=None)


def _lapsing(subject: Subject, of_segment: Mapping[str, Segment], at: datetime) -> list[int]:
    """Name the account whose stored limit may not be that of the business date."""
    account = reference_account(subject.accounts)
    if account is None or account.limit_changes_on is None:
        return []
    today = business_date(of_segment[account.segment_id], at)
    return [account.account_id] if account.limit_changes_on <= today else []


def _rate(subject: Subject, invoices: Sequence[InvoiceHistory], bench: _Bench) -> Found:
    account = reference_account(subject.accounts)
    segment = bench.segments[account.segment_id if account else MAIN]
    today = business_date(segment, bench.at)
    use = AccountUse(segment.currency, since=subject.since)
    if account is not None:
        limit_minor = _limit_minor(account, bench.approved, today)
        use = AccountUse(account.currency, account.use.total, limit_minor, subject.since)
    features = payment_features(invoices, use, today)
    data = score_to_json(rate(features, bench.card), today, bench.at)
    data["behaviour"] = behaviour_of(asdict(features))
    return Found(
        subject=subject,
        as_of=today,
        data=data,
        evidence={**data, "features": asdict(features)},
        is_new=not _stands(subject.data, data, bench.at),
        inputs=tuple(
            one.account_id
            for one in subject.accounts
            if not _stands(subject.told.get(one.account_id), data, bench.at)
        ),
    )


def _limit_minor(
    account: Account, approved: Mapping[int, Sequence[CreditLimit]], today: date
) -> int | None:
    if account.account_id in approved:
        found = effective_limit(approved[account.account_id], today)
        return None if found.unlimited else found.limit_minor
    return None if account.unlimited else account.limit_minor


def _stands(before: Mapping[str, object] | None, data: Mapping[str, object], at: datetime) -> bool:
    """Tell whether a stored score says the same and is not a day old."""
    if before is None or not says_the_same(before, data):
        return False
    return at - datetime.fromisoformat(str(before["scored_at"])) < RENEWED
