"""What of an account is overdue, in its own currency."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.accounts import Account
from app.domain.money import Money, RateFinder, convert


@dataclass(frozen=True, slots=True)
class Overdue:
    """`days` is the age of the oldest item past its due date; 0: none."""

    amount: Money
    days: int


def overdue_worth(account: Account, sums: Mapping[str, int], find: RateFinder) -> Money:
    """Value what is overdue, by currency, as the account's exposure is valued; rounded up.

    A currency takes the rate of the account's position in it, else the one `find` knows. Without
    either it is left out: there is no number for it, and `days` still counts it.
    """
    total = 0
    for currency, minor in sums.items():
        if currency == account.currency:
            total += minor
            continue
        held = account.foreign.get(currency)
        rate = held.rate if held else find(currency, account.currency)
        if rate is not None:
            total += convert(minor, rate.factor(currency, account.currency), up=True)
    return Money(total, account.currency)


def utilization(exposure: int, limit: int | None) -> str | None:
    """Write exposure ÷ limit as a decimal of four places; None without a positive limit.

    A half goes to the even digit. Open reservations are not in it: nothing is owed for them yet.
    """
    if limit is None or limit <= 0:
        return None
    share, left = divmod(abs(exposure) * 10_000, limit)
    share += 2 * left > limit or (2 * left == limit and share % 2)
    sign = "-" if exposure < 0 and share else ""
    whole, rest = divmod(share, 10_000)
    return f"{sign}{whole}.{rest:04d}"
