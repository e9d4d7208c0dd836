"""An authorization as clients see it, and what giving one back changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from app.domain.accounts import Account, Entry, Use, force, revalued
from app.domain.facts_balances import MAX_TOTAL
from app.domain.money import Money, RateFinder
from app.domain.orders import Order, OrderUse

Status = Literal["OPEN", "CONSUMED", "RELEASED", "EXPIRED"]


@dataclass(frozen=True, slots=True)
class Authorization:
    """A numbered reservation: `amount` is the order's whole value, `remaining` what is left of it.

    `expires_at` None: until released. What was freed for another payer or currency is RELEASED.
    Before `counts_from` (a business date; None: it counts) it takes nothing of the limit.
    """

    authorization_id: str
    customer_id: str
    segment_id: str
    order_id: str
    status: Status
    amount: Money
    remaining: Money
    expires_at: datetime | None
    authorized_at: datetime | None
    counts_from: date | None = None


def ended(order: Order, state: Literal["RELEASED", "EXPIRED"] = "RELEASED") -> Order:
    """Give the order as it is once its authorization has ended; nothing is reserved any more.

    A person's release that had no end of its own ends with the authorization it was made with.
    """
    released_max = order.released_max if order.released_until is not None else None
    live = order.state == "LIVE"
    return replace(
        order,
        state=state if live else order.state,
        reserved=0,
        released_max=released_max,
        counts_from=None,
        untested=False,
    )


def counted(
    order: Order, use: OrderUse, path: Sequence[Account], find: RateFinder
) -> tuple[Order, list[Entry]] | None:
    """Let an order count from now on: a fact, whatever the limits of its payer's path say.

    What an account holds is valued first, by the newest rates. `use` is what its facts carry;
    `path` is locked. Returns None where an account could not value it: no rate is known, nor is a
    position in its currency held by one; or no room is left to count at all.
    """
    counting = replace(order, counts_from=None)
    left = counting.left(use)
    entries: list[Entry] = []
    for account in path if left else ():
        rate = None
        if order.currency != account.currency:
            rate = find(order.currency, account.currency)
            if rate is None and order.currency not in account.foreign:
                return None
        held, newer = revalued(account, find)
        entries += newer
        after = force(held, order.currency, Use(authorized=left), rate)
        if max(after.use.authorized, after.position(order.currency).authorized) > MAX_TOTAL:
            return None
        entries.append(Entry(after, "FACT", f"order:{order.order_id}"))
    return replace(counting, reserved=left, untested=True), entries


def freed(order: Order, path: Sequence[Account]) -> list[Entry]:
    """Take what is left of an order's reservation off every account of its payer's path.

    `path` is locked. What is then above the limit is less than before, never more.
    """
    if not order.reserved:
        return []
    back = Use(authorized=-order.reserved)
    return [
        Entry(force(account, order.currency, back, None), "FREE", f"order:{order.order_id}")
        for account in path
    ]
