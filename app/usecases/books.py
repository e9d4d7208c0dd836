"""Locked accounts of one transaction, as they stand so far, and the entries still to be written."""

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Self

from app.domain.accounts import Account, Entry
from app.domain.errors import BusyError
from app.domain.groups import Pool
from app.domain.limits import settle
from app.domain.money import Rate, RateFinder
from app.domain.rates import find_rate
from app.domain.scores_refresh import Urgency, is_cut
from app.domain.segments import Segment
from app.store import accounts, limits, rates, score_due
from app.store.database import Tx
from app.store.facts_causes import look_again
from app.usecases.dates import business_date

_TELLING: Final = frozenset(
    {"FACT", "LIMIT", "LIMIT_EFFECTIVE", "MERGE", "REGROUP", "CURRENCY", "ADJUSTMENT"}
)
"""Kinds of journal entries after which a score may differ; what is only reserved is none."""


@dataclass(slots=True)
class Books:
    """`pool` runs on, `entries` are what led there; nothing is written before `close`.

    `touched` are accounts whose documents changed, balances or not: the scores of their customers
    are due, as are those of accounts that entries tell of.
    """

    tx: Tx
    at: datetime
    locked: dict[int, Account]
    pool: Pool
    entries: list[Entry] = field(default_factory=list)
    touched: dict[int, Urgency] = field(default_factory=dict)

    @classmethod
    def open(cls, tx: Tx, ids: Collection[int], at: datetime) -> Self:
        """Lock accounts in id order; everything that is to be booked on, at once."""
        locked = accounts.lock(tx, ids)
        return cls(tx, at, locked, dict(locked))

    @classmethod
    def of_payers(cls, tx: Tx, payers: Collection[int], at: datetime) -> Self:
        """Lock accounts with all groups they belong to.

        Raises:
            BusyError: A payer was moved to another group meanwhile.

        """
        seen = accounts.get_many(tx, payers)
        books = cls.open(tx, {key for held in seen.values() for key in held.path}, at)
        if any(books.locked[key].path != held.path for key, held in seen.items()):
            raise BusyError("a payer was moved to another group meanwhile; try again")
        return books

    def path(self, payer: int) -> list[Account]:
        """Give a payer's account and its groups as they stand so far."""
        return [self.pool[key] for key in self.pool[payer].path]

    def settle_due(self, segments: Collection[Segment]) -> None:
        """Put limits in force that began or lapsed by today, where accounts know of any."""
        for segment in segments:
            today = business_date(segment, self.at)
            due = [
                key
                for key, held in self.pool.items()
                if held.segment_id == segment.segment_id
                and held.limit_changes_on is not None
                and held.limit_changes_on <= today
            ]
            if due:
                self.settle(due, today)

    def settle(self, ids: Collection[int], today: date, ref: str | None = None) -> None:
        """Put the limit of a business date in force on accounts; `ref` names what was decided."""
        known = limits.approved(self.tx, ids)
        for key in sorted(ids):
            self.pool[key], entry = settle(self.pool[key], known[key], today, ref)
            self.entries += [entry] if entry else []

    def post(self, entry: Entry) -> None:
        """Take over an account as an entry says it stands now."""
        self.pool[entry.account.account_id] = entry.account
        self.entries.append(entry)

    def finder(self, today: date, also: AbstractSet[str] = frozenset()) -> RateFinder:
        """Read the rates among all currencies of these accounts that count on a business date.

        `also` are currencies that are about to be booked.
        """
        held = self.pool.values()
        currencies = {one.currency for one in held} | {code for one in held for code in one.foreign}
        currencies |= {*also}
        known = rates.recent(self.tx, currencies, today)

        def find(source: str, target: str) -> Rate | None:
            return find_rate(known, source, target, today)

        return find

    def close(self) -> None:
        """Write the entries and how the accounts stand after them."""
        written = accounts.write(self.tx, self.locked, self.entries, self.at)
        for key, held in self.pool.items():
            if _dates(held) != _dates(written[key]):
                limits.set_dates(self.tx, held)
        kept = {one.account.account_id for one in self.entries if one.kind == "CURRENCY"}
        if kept:
            look_again(self.tx, kept)
        self._list_due()

    def _list_due(self) -> None:
        """Put customers on the list of due scores, each once, in the transaction that says why."""
        due: dict[str, Urgency] = {}
        told = {one.account.account_id for one in self.entries if one.kind in _TELLING}
        for key in told | self.touched.keys():
            held = self.pool[key]
            urgency = self.touched.get(key, Urgency.EVENT)
            if is_cut(self.locked[key], held):
                urgency = Urgency.ADVERSE
            due[held.customer_id] = min(urgency, due.get(held.customer_id, urgency))
        for urgency in (Urgency.ADVERSE, Urgency.EVENT):
            ids = [key for key, one in due.items() if one is urgency]
            score_due.add(self.tx, ids, urgency, self.at)


def _dates(held: Account) -> tuple[bool, bool, date | None]:
    return held.limit_expired, held.limit_withheld, held.limit_changes_on
