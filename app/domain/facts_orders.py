"""What an order fact does to the order's root: record it, close it, move it to another payer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.domain.authorizations import ended
from app.domain.facts import OrderBody
from app.domain.orders import Order
from app.domain.values import changed, quick


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a batch is applied (aware, UTC), and where new authorization ids come from."""

    at: datetime
    new_id: Callable[[], str]


@quick
@dataclass(frozen=True, slots=True)
class OrderChange:
    """An order after a fact; `reserved` is still what it was, until its share is settled.

    `past` is the order as it was, where its authorization has ended for good.
    `cancelled_hold` is the hold that ends with the order.
    """

    order: Order
    past: Order | None = None
    cancelled_hold: str | None = None


_BARE: Final = {
    "authorization_id": None,
    "state": "NONE",
    "authorized": 0,
    "expires_at": None,
    "authorized_at": None,
    "released_max": None,
    "released_until": None,
    "counts_from": None,
    "untested": False,
}
"""An order without its authorization, and without what a person allowed its old payer."""


def record_order(before: Order, after: Order, body: OrderBody, stamp: Stamp) -> OrderChange:
    """Apply a fact that is newer than all that was seen of the order.

    `before` is the order as it stands (or a new root), `after` the same with the fact's payer,
    currency and version. An order taken elsewhere, or of another amount than is authorized, is
    reserved until it is closed; one that is already authorized keeps its number, and the day from
    which it counts. What a person allowed for as long as the authorization lasts ends where that
    loses its end: nobody allowed it for ever. Another payer or currency ends the old authorization,
    and so does its expiry, swept or not. What no ask has held to the limits stays `untested`.
    """
    if before.state == "LIVE" and not before.lives(stamp.at):
        before = ended(before, "EXPIRED" if before.status == "OPEN" else "RELEASED")
    moved = (before.account_id, before.currency) != (after.account_id, after.currency)
    if body.is_over:
        return _close(before, changed(after, **_BARE) if moved else after, moved=moved)
    if before.state == "LIVE" and not moved:
        same = body.amount == before.authorized
        lasting = before.released_max is not None and before.released_until is None
        ends = lasting and not same and before.expires_at is not None
        return OrderChange(
            changed(
                after,
                authorized=body.amount,
                closed_version=None,
                expires_at=before.expires_at if same else None,
                released_max=None if ends else before.released_max,
                untested=before.untested or body.amount > before.authorized or ends,
            )
        )
    given = {
        "state": "LIVE",
        "authorization_id": stamp.new_id(),
        "authorized": body.amount,
        "authorized_at": stamp.at,
        "closed_version": None,
        "untested": True,
    }
    fresh = changed(after, **(_BARE | given))
    return OrderChange(fresh, past=before if before.authorization_id else None)


def _close(before: Order, after: Order, *, moved: bool) -> OrderChange:
    """End the order and its automatic hold; a forced one stays, for only a person lifts it.

    Else closing and opening an order again would walk around it.
    """
    forced = before.hold_kind == "FORCED"
    closed = changed(
        after,
        state="RELEASED" if after.state == "LIVE" else after.state,
        closed_version=after.version,
        released_max=None,
        released_until=None,
        hold_id=before.hold_id if forced else None,
        hold_kind=before.hold_kind if forced else None,
        counts_from=None,
        untested=False,
    )
    past = before if moved and before.authorization_id else None
    return OrderChange(closed, past, None if forced else before.hold_id)
