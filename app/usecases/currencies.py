"""In which currency an account is kept.

The customer's own, else that of its first limit or imported row, else the segment's; it changes
only while nothing is open.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from app.domain.accounts import Account, Entry
from app.domain.customers import CurrencySource
from app.domain.errors import CurrencyFixedError
from app.store import groups, limits
from app.store.database import Tx

_RANK: Final[dict[CurrencySource, int]] = {"SEGMENT": 0, "LEDGER": 1, "LIMIT": 1, "CUSTOMER": 2}


@dataclass(frozen=True, slots=True)
class Told:
    """A currency that an account shall be kept in, and who says so.

    `field` is its path in the request, which a refusal names; None: the request has none.
    """

    currency: str
    source: CurrencySource
    field: str | None = None


def is_open(tx: Tx, held: Account, today: date) -> bool:
    """Tell whether a locked account's currency must stay: it has positions or a limit's amount."""
    return bool(held.use or held.foreign) or limits.has_amounts(tx, held.account_id, today)


def take_currency(tx: Tx, held: Account, told: Told, today: date) -> Entry | None:
    """Keep a locked account, its limit settled, in the currency told from now on.

    Returns the entry to be written; None where it is in that currency already.

    Raises:
        CurrencyFixedError: Something is open in another currency, or the customer's own currency
            is another one.

    """
    currency, source = told.currency, told.source
    before = groups.term(tx, held.account_id).currency_source
    if held.currency != currency:
        if _RANK[before] > _RANK[source]:
            raise CurrencyFixedError(
                f"the customer's currency is {held.currency}: not {currency}", told.field
            )
        if is_open(tx, held, today):
            raise CurrencyFixedError(
                f"the account is kept in {held.currency}, and something is open: it cannot change"
                f" to {currency}",
                told.field,
            )
        groups.set_currency_source(tx, [held.account_id], source)
        return kept_in(held, currency)
    if _RANK[source] > _RANK[before]:
        groups.set_currency_source(tx, [held.account_id], source)
    return None


def take_ledger_currency(tx: Tx, held: Account, currency: str, today: date) -> Entry | None:
    """Let the first imported row say in which currency a locked account is kept.

    Returns the entry to be written before the row is booked; None where nothing changes: a later
    row in another currency is a foreign position.
    """
    if groups.term(tx, held.account_id).currency_source != "SEGMENT":
        return None
    if held.currency != currency and is_open(tx, held, today):
        return None
    return take_currency(tx, held, Told(currency, "LEDGER"), today)


def drop_own_currency(tx: Tx, held: Account, currency: str, today: date) -> Entry | None:
    """Forget the customer's own currency; `currency` is the segment's, taken if nothing is open."""
    if groups.term(tx, held.account_id).currency_source != "CUSTOMER":
        return None
    if is_open(tx, held, today):
        amounts = limits.has_amounts(tx, held.account_id, today)
        groups.set_currency_source(tx, [held.account_id], "LIMIT" if amounts else "LEDGER")
        return None
    groups.set_currency_source(tx, [held.account_id], "SEGMENT")
    if held.currency == currency:
        return None
    return kept_in(held, currency)


def kept_in(held: Account, currency: str) -> Entry:
    """Give the entry by which a locked account is kept in another currency from now on."""
    return Entry(replace(held, currency=currency, seq=held.seq + 1), "CURRENCY", currency)
