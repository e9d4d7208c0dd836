"""What an import asks and sets beside the facts: known customers, currencies of accounts."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from app.domain.customers import AccountTerms
from app.store import customers, groups, segments
from app.store.database import Database
from app.store.facts_seen import Seen, read_seen
from app.usecases.books import Books
from app.usecases.currencies import take_ledger_currency
from app.usecases.dates import business_date
from app.usecases.groups import ensure_accounts

_CHUNK: Final = 100
"""Accounts that are given their currency in one transaction."""


@dataclass(frozen=True, slots=True)
class FindCustomers:
    """Find which of many ids name a customer."""

    database: Database

    def __call__(self, refs: Collection[str]) -> dict[str, str]:
        """Return the customer's own id by id or alias; what nobody uses is absent.

        Raises:
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            return customers.owners(tx, refs)


@dataclass(frozen=True, slots=True)
class SeeInvoices:
    """See what is held of invoices that a file speaks of, before its facts are applied."""

    database: Database

    def __call__(self, segment_id: str, payments: Mapping[str, str]) -> dict[str, Seen]:
        """Return it by invoice; `payments` names the payment a file would imply for each.

        Raises:
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            return read_seen(tx, segment_id, payments)


@dataclass(frozen=True, slots=True)
class NeedSegment:
    """Insist that a segment exists, before anything is applied to it."""

    database: Database

    def __call__(self, segment_id: str) -> None:
        """Look for the segment.

        Raises:
            SegmentUnknownError: There is none of this id.
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            segments.read(tx, segment_id)


@dataclass(frozen=True, slots=True)
class TakeCurrencies:
    """Let the first imported row of each customer say in which currency its account is kept."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, segment_id: str, wanted: Mapping[str, str]) -> None:
        """Take over the currency of each customer, by its own id, `_CHUNK` in a transaction.

        Accounts that have a currency of their own, or on which something is open, are left as
        they are.

        Raises:
            SegmentUnknownError: There is none of this id.
            BusyError: The database was out of reach; those before are done.

        """
        with self.database.read() as tx:
            found = [one for one in groups.terms(tx, wanted) if one.segment_id == segment_id]
        open_yet = {one.customer_id: one.account_id for one in found if _follows_segment(one)}
        missing = wanted.keys() - {one.customer_id for one in found}
        for customer_id in sorted(missing):
            with self.database.begin() as tx:
                open_yet[customer_id] = ensure_accounts(tx, customer_id, segment_id).account_id
        ids = iter(sorted(open_yet.items()))
        while chunk := dict(islice(ids, _CHUNK)):
            self._take(segment_id, {key: wanted[name] for name, key in chunk.items()})

    def _take(self, segment_id: str, currencies: Mapping[int, str]) -> None:
        at = self.now()
        with self.database.begin() as tx:
            today = business_date(segments.read(tx, segment_id), at)
            books = Books.open(tx, currencies, at)
            books.settle(currencies, today)
            for account_id, currency in currencies.items():
                entry = take_ledger_currency(tx, books.pool[account_id], currency, today)
                if entry is not None:
                    books.post(entry)
            books.close()


def _follows_segment(term: AccountTerms) -> bool:
    return term.currency_source == "SEGMENT"
