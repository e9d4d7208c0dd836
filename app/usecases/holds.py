"""Order holds: the work list, and placing forced holds and account stops."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.domain.callers import Caller
from app.domain.errors import FieldError, NotFoundError
from app.domain.holds import HoldEvent, HoldFilter, OrderHold
from app.domain.ids import need_id
from app.domain.orders import Order
from app.store import accounts, customers, holds, holds_list, orders, segments
from app.store.database import Database, Tx
from app.texts import text
from app.usecases.asks import Answer
from app.usecases.groups import ensure_accounts
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.score_reads import find_customer


@dataclass(frozen=True, slots=True)
class HoldView:
    """A hold with its history.

    `left_out`: how many older updates its history leaves out. `created`: this very request opened
    or wrote on it; `proposed`: it asks for a second person.
    """

    hold: OrderHold
    history: Sequence[HoldEvent]
    left_out: int = 0
    created: bool = False
    proposed: bool = False


Render = Callable[[HoldView], Answer]


@dataclass(frozen=True, slots=True)
class Placing:
    """What is to be held: an order, or with `order_id` None the customer's orders altogether.

    `segment_id` None: the only one that has the order, and for a stop every one.
    """

    customer_id: str
    segment_id: str | None
    order_id: str | None
    reason_code: str
    note: str | None


def view_of(tx: Tx, hold_id: str, *, created: bool = False) -> HoldView:
    """Read a hold that is there, with its history."""
    hold = holds.get(tx, hold_id)
    if hold is None:
        message = f"the hold {hold_id} is gone"
        raise AssertionError(message)
    return HoldView(hold, *holds.history(tx, hold_id), created)


def need_hold(tx: Tx, caller: Caller, hold_id: str) -> OrderHold:
    """Find a hold within the caller's sight; a stop of every segment is within everybody's.

    Raises:
        NotFoundError: There is none.

    """
    found = holds.get(tx, need_id(hold_id, "order hold"))
    if found is None or not (found.segment_id is None or caller.sees(found.segment_id)):
        raise NotFoundError(f"no order hold has the id {hold_id[:64]!r}")
    return found


def event_of(
    caller: Caller, hold_id: str, action: str, why: tuple[str | None, str | None], at: datetime
) -> HoldEvent:
    """Write a line of a hold's history; `why` is reason code and note."""
    return HoldEvent(hold_id, action, caller.client, caller.actor, *why, data=None, at=at)


@dataclass(frozen=True, slots=True)
class ListHolds:
    """Read the work list."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, wanted: HoldFilter) -> list[OrderHold]:
        """Return a page, sorted as `wanted` says; `customer_id` may be an alias.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.

        """
        with self.database.read() as tx:
            seen = seen_by(tx, caller, wanted)
            if wanted.older_than_s is not None:
                before = self.now() - timedelta(seconds=wanted.older_than_s)
                seen = replace(seen, opened_before=before)
            return holds_list.page(tx, seen)


def seen_by(tx: Tx, caller: Caller, wanted: HoldFilter) -> HoldFilter:
    """Confine a filter to what a caller sees, its customer named by the id of today.

    Raises:
        SegmentUnknownError: No such segment within sight.
        CustomerUnknownError: Nobody has this id.

    """
    if wanted.segment is not None:
        caller.visit(wanted.segment)
        segments.read(tx, wanted.segment)
    customer_id = wanted.customer_id and find_customer(tx, caller, wanted.customer_id)
    return replace(wanted, customer_id=customer_id, segments=caller.segments)


@dataclass(frozen=True, slots=True)
class ReadHold:
    """Read one hold."""

    database: Database

    def __call__(self, caller: Caller, hold_id: str) -> HoldView:
        """Return the hold with its history.

        Raises:
            NotFoundError: There is none within sight.

        """
        with self.database.read() as tx:
            return view_of(tx, need_hold(tx, caller, hold_id).hold_id)


@dataclass(frozen=True, slots=True)
class PlaceHold:
    """Hold an order, or stop a customer's accounts, until a person with the right lifts it."""

    database: Database
    now: Callable[[], datetime]
    new_id: Callable[[], str]

    def __call__(self, keyed: Keyed, placing: Placing, render: Render) -> Answer:
        """Place a forced hold or a stop; where just that is open already, it is the answer.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.
            FieldError: A stop of every segment by somebody who does not see them all, or an order
                without its segment where there are several.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else works on the same rows.

        """
        caller = keyed.caller
        if placing.segment_id is not None:
            caller.visit(placing.segment_id)
        elif placing.order_id is None and caller.segments is not None:
            raise FieldError("is required for a key that is confined to segments", "segment")
        place = _stop if placing.order_id is None else _force
        with self.database.begin() as tx:
            act = _Act(tx, caller, placing, self.now(), self.new_id)
            return once(tx, caller, keyed.key, keyed.digest, lambda: render(place(act)))


@dataclass(frozen=True, slots=True)
class _Act:
    """Placing within one transaction."""

    tx: Tx
    caller: Caller
    placing: Placing
    at: datetime
    new_id: Callable[[], str]

    def open(self, customer_id: str, account_id: int | None = None) -> str:
        """Store a new hold with its reason in words, and return its id."""
        placing, hold_id = self.placing, self.new_id()
        hold = OrderHold(
            hold_id=hold_id,
            kind="STOP" if placing.order_id is None else "FORCED",
            status="OPEN",
            customer_id=customer_id,
            account_id=account_id,
            segment_id=placing.segment_id,
            order_id=placing.order_id,
            reason_code=placing.reason_code,
            reasons=[_reason(customer_id, stop=placing.order_id is None)],
            unblock=[_unblock(stop=placing.order_id is None)],
            opened_at=self.at,
            updated_at=self.at,
        )
        holds.add(self.tx, hold)
        self.log(hold_id, "open")
        return hold_id

    def log(self, hold_id: str, action: str) -> None:
        why = (self.placing.reason_code, self.placing.note)
        holds.add_event(self.tx, event_of(self.caller, hold_id, action, why, self.at))


def _force(act: _Act) -> HoldView:
    """Hold an order; an automatic hold that is open becomes the forced one."""
    tx, placing, order_id = act.tx, act.placing, act.placing.order_id or ""
    segment_id = placing.segment_id or _segment_of(act, order_id)
    act = replace(act, placing=replace(placing, segment_id=segment_id))
    customer_id = accounts.customer_of(tx, placing.customer_id)
    payer = ensure_accounts(tx, customer_id, segment_id)
    order = holds.order_root(tx, Order(segment_id, order_id, payer.account_id, payer.currency))
    if order.hold_id is None:
        hold_id = act.open(customer_id, payer.account_id)
        orders.write(tx, [replace(order, hold_id=hold_id, hold_kind="FORCED")])
        return view_of(tx, hold_id, created=True)
    if order.hold_kind == "FORCED":
        holds.touch(tx, order.hold_id, act.at)
        act.log(order.hold_id, "update")
        return view_of(tx, order.hold_id)
    before = view_of(tx, order.hold_id).hold
    reasons = [_reason(customer_id, stop=False), *before.reasons]
    holds.force(tx, order.hold_id, (placing.reason_code, reasons), act.at)
    act.log(order.hold_id, "force")
    orders.write(tx, [replace(order, hold_kind="FORCED")])
    return view_of(tx, order.hold_id)


def _segment_of(act: _Act, order_id: str) -> str:
    """Find the segment of an order: the only one there is, or the only one that knows of it.

    Raises:
        FieldError: There are several: nobody would notice that the wrong one's was held.

    """
    seen = [one.segment_id for one in segments.every(act.tx) if act.caller.sees(one.segment_id)]
    if len(seen) > 1:
        known = orders.get_many(act.tx, [(segment_id, order_id) for segment_id in seen])
        seen = [segment_id for segment_id, _ in known]
    if len(seen) != 1:
        raise FieldError("is required: several segments may have this order", "segment")
    return seen[0]


def _stop(act: _Act) -> HoldView:
    """Stop a customer's accounts; those made later begin stopped (see `store/groups`)."""
    tx, segment_id = act.tx, act.placing.segment_id
    if segment_id is not None:
        segments.read(tx, segment_id)
    customer_id = customers.lock_named(tx, act.placing.customer_id)
    found = holds.open_stop(tx, customer_id, segment_id)
    if found is not None:
        holds.touch(tx, found.hold_id, act.at)
        act.log(found.hold_id, "update")
        return view_of(tx, found.hold_id)
    hold_id = act.open(customer_id)
    restate(tx, customer_id, segment_id)
    return view_of(tx, hold_id, created=True)


def restate(tx: Tx, customer_id: str, segment_id: str | None) -> None:
    """Let the accounts' status follow from the open stops; the customer is locked."""
    ids = holds.accounts_within(tx, customer_id, segment_id)
    accounts.lock(tx, ids)
    holds.restate(tx, customer_id, ids)


def _reason(customer_id: str, *, stop: bool) -> Mapping[str, Any]:
    """Write the reason as a decision on it will."""
    code, rule_id = ("ACCOUNT_STOPPED", "account-stop") if stop else ("FORCED_HOLD", "forced-hold")
    said = text(code, {})
    return {
        "code": code,
        "rule_id": rule_id,
        "customer_id": customer_id,
        "observed": None,
        "threshold": None,
        "zh": said.zh,
        "en": said.en,
    }


def _unblock(*, stop: bool) -> Mapping[str, Any]:
    action = "LIFT_STOP" if stop else "LIFT_HOLD"
    said = text(action, {})
    return {
        "action": action,
        "amount": None,
        "invoices": [],
        "until": None,
        "zh": said.zh,
        "en": said.en,
    }
