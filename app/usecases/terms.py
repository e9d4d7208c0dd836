"""The fields of an account that master data sets: currency, payment terms, owner."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from app.domain.callers import Caller
from app.domain.changes import account_change
from app.domain.customers import KEEP, AccountChange, AccountTerms
from app.domain.errors import BusyError, FieldError, VersionStaleError
from app.store import accounts, changes, customers, groups, inputs, segments
from app.store.database import Database, Tx
from app.usecases.books import Books
from app.usecases.currencies import Told, drop_own_currency, take_currency
from app.usecases.dates import business_date
from app.usecases.groups import ensure_accounts
from app.usecases.identifiers import check_currency

MOST_TERMS_DAYS = 3650
"""Longest payment terms, in days net, inclusive."""


def check_terms(change: AccountChange) -> None:
    """Insist on values that an account takes.

    Raises:
        FieldError: No such currency, or payment terms out of bounds.

    """
    if isinstance(change.currency, str):
        check_currency(change.currency, "currency")
    days = change.payment_terms_days
    if isinstance(days, int) and not 0 <= days <= MOST_TERMS_DAYS:
        raise FieldError(f"must be 0 to {MOST_TERMS_DAYS} days", "payment_terms_days")


def apply_terms(tx: Tx, before: AccountTerms, change: AccountChange, at: datetime) -> AccountTerms:
    """Change the fields of an account that was locked, and give them as they are after it.

    Raises:
        CurrencyFixedError: The currency cannot change any more.

    """
    _apply_currency(tx, before, change, at)
    days = before.payment_terms_days
    if change.payment_terms_days is not KEEP:
        days = change.payment_terms_days
    owner = before.owner if change.owner is KEEP else change.owner
    groups.set_terms(tx, before.account_id, days, owner)
    if days != before.payment_terms_days:
        inputs.change(tx, [before.account_id], {"payment_terms_days": days})
    return groups.term(tx, before.account_id)


def _apply_currency(tx: Tx, before: AccountTerms, change: AccountChange, at: datetime) -> None:
    if change.currency is KEEP:
        return
    segment = segments.read(tx, before.segment_id)
    today = business_date(segment, at)
    books = Books.open(tx, [before.account_id], at)
    books.settle([before.account_id], today)
    held = books.pool[before.account_id]
    if change.currency is None:
        entry = drop_own_currency(tx, held, segment.currency, today)
    else:
        told = Told(change.currency, "CUSTOMER", "currency")
        entry = take_currency(tx, held, told, today)
    if entry is not None:
        books.post(entry)
    books.close()


@dataclass(frozen=True, slots=True)
class PutTerms:
    """Set the account fields of a customer in a segment; the account is made where missing."""

    database: Database
    now: Callable[[], datetime]

    def __call__(
        self,
        caller: Caller,
        account: tuple[str, str],
        change: AccountChange,
        expected: Collection[int] | None = None,
    ) -> tuple[AccountTerms, int, bool]:
        """Return the fields after, the customer's version, and whether the account is new.

        `account` is (id or alias of the customer, segment). `expected` are the customer's versions
        the caller may have read (`If-Match`); None: any.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.
            FieldError: A field breaks a rule.
            CurrencyFixedError: The currency cannot change any more.
            VersionStaleError: The customer has none of the expected versions.
            BusyError: The customer is being merged, or its group rearranged.

        """
        ref, segment_id = account
        caller.visit(segment_id)
        check_terms(change)
        with self.database.begin() as tx:
            segments.read(tx, segment_id)
            missing = accounts.find(tx, accounts.customer_of(tx, ref), segment_id) is None
            # its groups too, and in id order as whoever moves it: a new account needs them next
            customer_id = customers.lock_named(tx, ref, chain=missing)
            version = customers.read(tx, customer_id).version
            if expected is not None and version not in expected:
                raise VersionStaleError("the customer was changed since it was read", "If-Match")
            created = accounts.find(tx, customer_id, segment_id) is None
            if created and not missing:
                raise BusyError("the customer is being merged; try again")
            account_id = ensure_accounts(tx, customer_id, segment_id).account_id
            accounts.lock(tx, [account_id])
            before = groups.term(tx, account_id)
            after = apply_terms(tx, before, change, self.now())
            changes.add(tx, caller, account_change(None if created else before, after))
            differs = after != before
            if created or differs:
                customers.touch(tx, customer_id)
            return after, version + (created or differs), created
