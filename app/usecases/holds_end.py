"""What ends an order hold without an authorization: rejected, cancelled, or only lifted."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from app.domain.callers import Caller
from app.domain.errors import BusyError, FieldError, HoldNotOpenError
from app.domain.holds import OrderHold
from app.domain.orders import Order
from app.store import customers, holds, orders
from app.store.database import Database, Tx
from app.telemetry import ORDER_HOLDS_CLOSED
from app.usecases.asks import Answer
from app.usecases.holds import HoldView, Render, event_of, need_hold, restate, view_of
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.reservations import give_back

FORCED: Final = "hold:release_forced"
"""The scope of those who may lift what a person placed."""


@dataclass(frozen=True, slots=True)
class Lifting:
    """Ending a hold within one transaction; `why` is reason code and note."""

    tx: Tx
    caller: Caller
    hold: OrderHold
    why: tuple[str | None, str | None]
    at: datetime

    def close(self, action: str, status: Literal["RELEASED", "REJECTED", "CANCELLED"]) -> HoldView:
        """Close the hold, whose order or customer is locked."""
        hold_id = self.hold.hold_id
        holds.close(self.tx, hold_id, status, self.at)
        holds.add_event(self.tx, event_of(self.caller, hold_id, action, self.why, self.at))
        return view_of(self.tx, hold_id)


def lift_forced(lifting: Lifting) -> HoldView:
    """Lift a forced hold from an order that nobody asked about."""
    order = locked_order(lifting.tx, lifting.hold)
    if view_of(lifting.tx, lifting.hold.hold_id).hold.ask is not None:
        raise BusyError("the order was asked about at this moment; try again")
    orders.write(lifting.tx, [replace(order, hold_id=None, hold_kind=None)])
    return lifting.close("release", "RELEASED")


def lift_stop(lifting: Lifting) -> HoldView:
    """Lift a stop; the accounts open again unless another stop reaches them."""
    tx, hold = lifting.tx, lifting.hold
    customer_id = customers.lock_named(tx, hold.customer_id)
    if view_of(tx, hold.hold_id).hold.status != "OPEN":
        raise not_open(hold)
    view = lifting.close("release", "RELEASED")
    restate(tx, customer_id, hold.segment_id)
    return view


@dataclass(frozen=True, slots=True)
class Ending:
    """How a hold ends without a release: the order is refused for good, or gone."""

    to: Literal["REJECTED", "CANCELLED"]
    reason_code: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class EndHold:
    """Reject a held order, or cancel the hold because the order is gone; frees its reservation.

    A rejected order answers REJECT from then on. A cancelled one is judged as any other should it
    come back, which is why a forced hold is cancelled by those only who may lift it.
    """

    database: Database
    now: Callable[[], datetime]

    def __call__(self, keyed: Keyed, hold_id: str, ending: Ending, render: Render) -> Answer:
        """End a hold and answer it as it is then.

        Raises:
            NotFoundError: No such hold within sight.
            HoldNotOpenError: It was decided before.
            ForbiddenError: A forced hold is to be cancelled, and the caller may not lift one.
            FieldError: A stop has no order.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else works on the order; nothing was changed.

        """
        with self.database.begin() as tx:
            answer = once(
                tx,
                keyed.caller,
                keyed.key,
                keyed.digest,
                lambda: render(self._end(tx, keyed.caller, hold_id, ending)),
            )
        if not answer.replayed:
            ORDER_HOLDS_CLOSED.labels(ending.to).inc()
        return answer

    def _end(self, tx: Tx, caller: Caller, hold_id: str, ending: Ending) -> HoldView:
        hold = need_hold(tx, caller, hold_id)
        if hold.kind == "STOP":
            raise FieldError("a stop has no order that could be decided on: release it", "hold_id")
        at, order = self.now(), locked_order(tx, hold)
        if order.hold_kind == "FORCED" and ending.to == "CANCELLED":
            caller.need(FORCED)
        after = replace(
            give_back(tx, order, at),
            rejected=order.rejected or ending.to == "REJECTED",
            released_max=None,  # what a person allowed before ends here
            released_until=None,
            hold_id=None,
            hold_kind=None,
        )
        orders.write(tx, [after])
        lifting = Lifting(tx, caller, hold, (ending.reason_code, ending.note), at)
        return lifting.close("reject" if ending.to == "REJECTED" else "cancel", ending.to)


def locked_order(tx: Tx, hold: OrderHold) -> Order:
    """Lock the order of a hold; all that happens to the hold happens under this lock.

    Raises:
        HoldNotOpenError: The order is not on this hold (any more).

    """
    key = (hold.segment_id or "", hold.order_id or "")
    order = orders.lock(tx, [key]).get(key)
    if order is None or order.hold_id != hold.hold_id:
        raise not_open(hold)
    return order


def not_open(hold: OrderHold) -> HoldNotOpenError:
    """Say that a hold was decided before."""
    return HoldNotOpenError(f"order hold {hold.hold_id} was decided already")
