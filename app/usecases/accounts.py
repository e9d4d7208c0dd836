"""How an account stands: its limit, what uses it, what is overdue, and its light."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from app.domain.accounts import Account
from app.domain.callers import Caller
from app.domain.customers import Standing, joint_light
from app.domain.errors import CreditError, CustomerUnknownError, NotFoundError, SegmentUnknownError
from app.domain.limits import settle
from app.domain.money import Money, Rate
from app.domain.overdue import Overdue, overdue_worth, utilization
from app.domain.rates import find_rate
from app.domain.scores import TrafficLight
from app.store.read_rows import AccountState, Want, found_account
from app.usecases.read_lane import ReadLane


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account in one snapshot, with the limit of the business date.

    `headroom` is None where `unlimited`; `categories` are in the account's currency, PREPAYMENT
    negative. `covers` is in `effective_limit`. `groups` are those in whose limit its orders must
    fit too, the nearest first, with what each has left, in its own currency. `as_of` is the moment
    of the snapshot.
    """

    customer_id: str
    segment_id: str
    effective_limit: Money | None
    covers: Money
    unlimited: bool
    limit_expired: bool
    exposure: Money
    categories: dict[str, Money]
    authorized: Money
    forced: Money
    headroom: Money | None
    groups: Sequence[tuple[str, Money]]
    utilization: str | None
    overdue: Overdue
    status: Literal["OPEN", "STOPPED"]
    traffic_light: TrafficLight
    as_of: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class AccountGlance:
    """What a card shows of an account; `headroom` is None where it is unlimited."""

    segment_id: str
    headroom: Money | None
    groups: Sequence[tuple[str, Money]]
    overdue: Overdue
    traffic_light: TrafficLight


@dataclass(frozen=True, slots=True)
class ReadAccount:
    """Read one account; nothing is locked or written."""

    lane: ReadLane

    async def __call__(self, caller: Caller, ref: str, segment_id: str) -> AccountView:
        """Return the account of the customer that `ref`, an id or alias, names.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.
            NotFoundError: The customer has no account there.
            BusyError: The database was out of reach, or too many questions wait.

        """
        caller.visit(segment_id)
        read = await self.lane.read(caller.client, Want("ACCOUNT", ref, segment_id))
        found = found_account(read.row)
        if found.segment_id is None:
            raise SegmentUnknownError(f"no segment {segment_id[:64]!r}", "segment")
        if found.customer_id is None:
            raise unknown_customer(ref)
        if found.state is None:
            raise not_here(caller, ref, segment_id)
        return view_account(found.state, read.at)


def unknown_customer(ref: str) -> CustomerUnknownError:
    """Say that nobody has this id."""
    return CustomerUnknownError(f"no customer has the id {ref[:64]!r}", "customer_id")


def not_here(caller: Caller, ref: str, segment_id: str) -> CreditError:
    """Say that a customer has no account in a segment.

    Who is confined to segments hears what it hears of an unknown customer: whether the customer
    buys elsewhere is none of its business.
    """
    return no_account(ref, segment_id) if caller.segments is None else unknown_customer(ref)


def no_account(ref: str, segment_id: str) -> NotFoundError:
    """Say that a customer has no account in a segment."""
    return NotFoundError(f"{ref!r} has no account in the segment {segment_id!r}", "segment")


def view_account(state: AccountState, at: datetime) -> AccountView:
    """Work out how an account stands on its business date; `at` is the moment of the snapshot."""
    held, overdue = _held(state)
    counts = not held.unlimited and bool(held.limit_minor)  # beside no credit they do not
    covers = Money(state.covers_minor if counts else 0, held.currency)
    view = _view(held, covers, overdue, _light(state, held, overdue), at)
    return replace(view, groups=state.rooms) if state.rooms else view


def glance_at(state: AccountState) -> AccountGlance:
    """Work out of an account what a card shows."""
    held, overdue = _held(state)
    headroom = None if held.headroom is None else Money(held.headroom, held.currency)
    light = _light(state, held, overdue)
    return AccountGlance(held.segment_id, headroom, state.rooms, overdue, light)


def _held(state: AccountState) -> tuple[Account, Overdue]:
    """Put the limit of the business date in force, and sum what is overdue on it."""
    held = state.account
    if state.limits is not None:
        held, _ = settle(held, state.limits, state.today)
        held = replace(held, seq=state.account.seq)  # nobody has booked it yet
    return held, _overdue(held, state)


def _light(state: AccountState, held: Account, overdue: Overdue) -> TrafficLight:
    standing = Standing(
        active=state.active,
        stopped=state.stopped,
        over_limit=held.excess > 0,
        overdue_days=overdue.days,
    )
    return joint_light(standing, TrafficLight(state.score_light) if state.score_light else None)


def _overdue(held: Account, state: AccountState) -> Overdue:
    if state.oldest is None:
        return Overdue(Money(0, held.currency), 0)

    def find(source: str, target: str) -> Rate | None:
        return find_rate(state.rates, source, target, state.today)

    return Overdue(overdue_worth(held, state.late, find), (state.today - state.oldest).days)


def _view(
    held: Account, covers: Money, overdue: Overdue, light: TrafficLight, at: datetime
) -> AccountView:
    def money(minor: int) -> Money:
        return Money(minor, held.currency)

    use, limit = held.use, None if held.unlimited else held.limit_minor
    return AccountView(
        customer_id=held.customer_id,
        segment_id=held.segment_id,
        effective_limit=None if limit is None else money(limit),
        covers=covers,
        unlimited=held.unlimited,
        limit_expired=held.limit_expired,
        exposure=money(use.exposure),
        categories={
            "OPEN_DELIVERY": money(use.open_delivery),
            "OPEN_ITEM": money(use.open_item),
            "NOTE_RECEIVABLE": money(use.note_receivable),
            "PREPAYMENT": money(-use.prepayment),
        },
        authorized=money(use.authorized),
        forced=money(held.forced),
        headroom=None if held.headroom is None else money(held.headroom),
        groups=(),
        utilization=utilization(use.exposure, limit),
        overdue=overdue,
        status=held.status,
        traffic_light=light,
        as_of=at,
        seq=held.seq,
    )
