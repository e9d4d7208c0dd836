"""Locked accounts of one transaction, as they stand so far, and the entries still to be written."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Self

from app.domain.accounts import Account, Entry
from app.domain.groups import Pool, RateFinder
from app.domain.limits import settle
from app.domain.money import Rate
from app.domain.rates import find_rate
from app.store import accounts, limits, rates
from app.store.database import Tx


@dataclass(slots=True)
class Books:
    """`pool` runs on, `entries` are what led there; nothing is written before `close`."""

    tx: Tx
    at: datetime
    locked: dict[int, Account]
    pool: Pool
    entries: list[Entry] = field(default_factory=list)

    @classmethod
    def open(cls, tx: Tx, ids: Collection[int], at: datetime) -> Self:
        """Lock accounts in id order; everything that is to be booked on, at once."""
        locked = accounts.lock(tx, ids)
        return cls(tx, at, locked, dict(locked))

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

    def finder(self, today: date, *more: str) -> RateFinder:
        """Read the rates among all currencies of these accounts that count on a business date.

        `more` are currencies that none of them has yet.
        """
        held = self.pool.values()
        currencies = {one.currency for one in held} | {code for one in held for code in one.foreign}
        currencies.update(more)
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


def _dates(held: Account) -> tuple[bool, date | None]:
    return held.limit_expired, held.limit_changes_on
