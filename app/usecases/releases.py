"""What ends an order hold: a release, a rejection, or that the order is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from app.domain.callers import Caller
from app.domain.errors import (
    BusyError,
    FieldError,
    ForbiddenError,
    HoldNotOpenError,
    KeyReusedError,
)
from app.domain.holds import OrderHold
from app.domain.money import Money
from app.domain.orders import Order
from app.domain.snapshots import question_from_json
from app.store import customers, holds, orders, requests
from app.store.database import Database, Tx
from app.telemetry import ORDER_HOLDS_CLOSED
from app.usecases.asks import Answer, Ask, Release
from app.usecases.holds import HoldView, Render, event_of, need_hold, restate, view_of
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.reservations import give_back

_FORCED: Final = "hold:release_forced"


@dataclass(frozen=True, slots=True)
class Releasing:
    """What a person lets pass. `max_amount` None: what was held; `valid_until` is inclusive.

    `valid_until` None: as long as the authorization.
    """

    reason_code: str
    note: str | None = None
    max_amount: Money | None = None
    valid_until: datetime | None = None

    @property
    def why(self) -> tuple[str, str | None]:
        """Reason code and note, for the history."""
        return self.reason_code, self.note


@dataclass(frozen=True, slots=True)
class ReleaseHold:
    """Let a held order pass, or lift a stop.

    An order that was asked about is authorized by the lane, in the transaction that closes the
    hold; `ask` puts a question to it. A forced hold on an order that nobody asked about, and a
    stop, are only lifted.
    """

    database: Database
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    ask: Callable[[Ask], Awaitable[Answer]]

    async def __call__(
        self, keyed: Keyed, hold_id: str, releasing: Releasing, render: Render
    ) -> Answer:
        """Release a hold and answer it as it is then; a repeat gets the same bytes.

        Raises:
            NotFoundError: No such hold within sight.
            HoldNotOpenError: It was decided before.
            ForbiddenError: The caller may not lift this kind of hold.
            FieldError: `max_amount` or `valid_until` does not fit the order.
            AccountStoppedError: The account is stopped; that comes first.
            OrderVersionStaleError: The order has moved on since it was held.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else works on the order; nothing was changed.

        """
        ready = await asyncio.to_thread(self._begin, keyed, hold_id, releasing, render)
        if isinstance(ready, Answer):
            return ready
        told = await self.ask(ready)
        answer = await asyncio.to_thread(self._keep, keyed, hold_id, render)
        return replace(answer, replayed=told.replayed)

    def _begin(
        self, keyed: Keyed, hold_id: str, releasing: Releasing, render: Render
    ) -> Answer | Ask:
        """Answer what needs no lane; for the rest return the question to put to it."""
        with self.database.begin() as tx:
            hold = need_hold(tx, keyed.caller, hold_id)
            known = requests.find(tx, keyed.caller.client, keyed.key)
            if known is None:
                _need_right(keyed.caller, hold)
                if hold.status != "OPEN":
                    raise _not_open(hold)
                if hold.ask is not None:
                    return self._question(tx, keyed, hold, releasing)
                return self._lift(tx, keyed, hold, releasing, render)
        if known.digest != keyed.digest:
            raise KeyReusedError("this Idempotency-Key was used with another request")
        return self._keep(keyed, hold_id, render)

    def _keep(self, keyed: Keyed, hold_id: str, render: Render) -> Answer:
        """Give the answer that is stored for a key, stored now where the lane left it open."""
        owner = (keyed.caller.client, keyed.key)
        with self.database.begin() as tx:
            answer = render(view_of(tx, hold_id))
            holds.keep_first(tx, owner, answer.status, answer.body)
            known = requests.find(tx, *owner)
        if known is None:
            raise BusyError("the key is being cleared away; try again")
        return Answer(known.status, known.body, replayed=True)

    def _question(self, tx: Tx, keyed: Keyed, hold: OrderHold, releasing: Releasing) -> Ask:
        held = question_from_json(hold.ask or {})
        key = (held.segment_id, held.order_id)
        at, order = self.now(), orders.get_many(tx, [key]).get(key)
        most = _checked(releasing, held.amount, order, at)
        amount = Money(min(held.amount.minor, most.minor), most.currency)
        return Ask(
            kind="RELEASE",
            caller=keyed.caller,
            question=replace(held, customer_id=hold.customer_id, amount=amount),
            decision_id=self.new_id(),
            key=keyed.key,
            hash=keyed.digest,
            release=Release(
                hold.hold_id,
                most.minor,
                releasing.valid_until,
                *releasing.why,
                forced=keyed.caller.may(_FORCED),
            ),
        )

    def _lift(
        self, tx: Tx, keyed: Keyed, hold: OrderHold, releasing: Releasing, render: Render
    ) -> Answer:
        """Lift what authorizes nothing."""
        for name in ("max_amount", "valid_until"):
            if getattr(releasing, name) is not None:
                raise FieldError("has no meaning here: nothing was asked, so nothing is let", name)
        lifting = _Lifting(tx, keyed.caller, hold, releasing.why, self.now())
        lift = _lift_stop if hold.kind == "STOP" else _lift_forced
        return once(tx, keyed.caller, keyed.key, keyed.digest, lambda: render(lift(lifting)))


@dataclass(frozen=True, slots=True)
class _Lifting:
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


def _lift_forced(lifting: _Lifting) -> HoldView:
    """Lift a forced hold from an order that nobody asked about."""
    order = _locked_order(lifting.tx, lifting.hold)
    if view_of(lifting.tx, lifting.hold.hold_id).hold.ask is not None:
        raise BusyError("the order was asked about at this moment; try again")
    orders.write(lifting.tx, [replace(order, hold_id=None, hold_kind=None)])
    return lifting.close("release", "RELEASED")


def _lift_stop(lifting: _Lifting) -> HoldView:
    """Lift a stop; the accounts open again unless another stop reaches them."""
    tx, hold = lifting.tx, lifting.hold
    customer_id = customers.lock_named(tx, hold.customer_id)
    if view_of(tx, hold.hold_id).hold.status != "OPEN":
        raise _not_open(hold)
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
        at, order = self.now(), _locked_order(tx, hold)
        if order.hold_kind == "FORCED" and ending.to == "CANCELLED":
            caller.need(_FORCED)
        after = replace(
            give_back(tx, order, at),
            rejected=order.rejected or ending.to == "REJECTED",
            released_max=None,  # what a person allowed before ends here
            released_until=None,
            hold_id=None,
            hold_kind=None,
        )
        orders.write(tx, [after])
        lifting = _Lifting(tx, caller, hold, (ending.reason_code, ending.note), at)
        return lifting.close("reject" if ending.to == "REJECTED" else "cancel", ending.to)


def _locked_order(tx: Tx, hold: OrderHold) -> Order:
    """Lock the order of a hold; all that happens to the hold happens under this lock.

    Raises:
        HoldNotOpenError: The order is not on this hold (any more).

    """
    key = (hold.segment_id or "", hold.order_id or "")
    order = orders.lock(tx, [key]).get(key)
    if order is None or order.hold_id != hold.hold_id:
        raise _not_open(hold)
    return order


def _need_right(caller: Caller, hold: OrderHold) -> None:
    caller.need("hold:release" if hold.kind == "AUTOMATIC" else _FORCED)
    if hold.segment_id is None and caller.segments is not None:
        raise ForbiddenError("this stop reaches into segments that the key is not for")


def _checked(releasing: Releasing, held: Money, order: Order | None, at: datetime) -> Money:
    """Give up to what the order shall pass.

    Raises:
        FieldError: Another currency, less than is authorized already, or an end in the past.

    """
    most = releasing.max_amount or held
    if most.currency != held.currency:
        raise FieldError(f"the order is in {held.currency}", "max_amount.currency")
    if order is not None and order.state == "LIVE" and order.currency == most.currency:
        authorized = Money(order.authorized, order.currency)
        if most.minor < authorized.minor:
            raise FieldError(f"{authorized} is authorized already", "max_amount.amount")
    if releasing.valid_until is not None and releasing.valid_until <= at:
        raise FieldError("must lie in the future", "valid_until")
    return most


def _not_open(hold: OrderHold) -> HoldNotOpenError:
    return HoldNotOpenError(f"order hold {hold.hold_id} was decided already")
