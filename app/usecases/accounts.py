"""How an account stands: its limit, what uses it, what is overdue, and its light."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from app.domain.accounts import Account
from app.domain.callers import Caller
from app.domain.customers import Standing, joint_light
from app.domain.errors import NotFoundError
from app.domain.limits import effective_limit, settle
from app.domain.money import Money, Rate
from app.domain.overdue import Overdue, overdue_worth, utilization
from app.domain.rates import find_rate
from app.domain.scores import TrafficLight
from app.store import accounts, customers, groups, inputs, limits, open_items, rates, segments
from app.store.database import Database, Tx
from app.usecases.dates import business_date


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account in one snapshot, with the limit of the business date.

    `headroom` is None where `unlimited`; `categories` are in the account's currency, PREPAYMENT
    negative. `covers` is in `effective_limit`. `as_of` is the moment of the snapshot.
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
    utilization: str | None
    overdue: Overdue
    status: Literal["OPEN", "STOPPED"]
    traffic_light: TrafficLight
    as_of: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class ReadAccount:
    """Read one account; nothing is locked or written."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, ref: str, segment_id: str) -> AccountView:
        """Return the account of the customer that `ref` names.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.
            NotFoundError: The customer has no account there.

        """
        caller.visit(segment_id)
        with self.database.read() as tx:
            return look(tx, ref, segment_id, self.now())


def look(tx: Tx, ref: str, segment_id: str, at: datetime) -> AccountView:
    """Read an account within a snapshot.

    Raises:
        SegmentUnknownError: No such segment.
        CustomerUnknownError: Nobody has this id.
        NotFoundError: The customer has no account there.

    """
    today = business_date(segments.read(tx, segment_id), at)
    customer_id = accounts.customer_of(tx, ref)
    stored = accounts.find(tx, customer_id, segment_id)
    if stored is None:
        raise NotFoundError(f"{ref!r} has no account in the segment {segment_id!r}", "segment")
    approved = limits.approved(tx, [stored.account_id])[stored.account_id]
    held, _ = settle(stored, approved, today)
    overdue = _overdue(tx, held, today)
    known = inputs.get(tx, held.account_id, held.input_version)
    score = known.get("score") or {}
    standing = Standing(
        active=customers.read(tx, customer_id).active,
        stopped=any(one.status == "STOPPED" for one in accounts.get_many(tx, held.path).values()),
        over_limit=held.excess > 0,
        overdue_days=overdue.days,
    )
    light = score.get("traffic_light")
    joint = joint_light(standing, TrafficLight(light) if light else None)
    return _view(held, effective_limit(approved, today).covers_minor, overdue, joint, at)


def _overdue(tx: Tx, held: Account, today: date) -> Overdue:
    family = groups.family(tx, held.customer_id)
    ids = [key for key, (segment_id, _) in family.items() if segment_id == held.segment_id]
    sums, oldest = open_items.overdue(tx, ids, today)
    known = rates.recent(tx, {held.currency, *sums}, today)

    def find(source: str, target: str) -> Rate | None:
        return find_rate(known, source, target, today)

    return Overdue(overdue_worth(held, sums, find), (today - oldest).days if oldest else 0)


def _view(
    held: Account, covers_minor: int, overdue: Overdue, light: TrafficLight, at: datetime
) -> AccountView:
    def money(minor: int) -> Money:
        return Money(minor, held.currency)

    use, limit = held.use, None if held.unlimited else held.limit_minor
    return AccountView(
        customer_id=held.customer_id,
        segment_id=held.segment_id,
        effective_limit=None if limit is None else money(limit),
        covers=money(covers_minor),
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
        utilization=utilization(use.exposure, limit),
        overdue=overdue,
        status=held.status,
        traffic_light=light,
        as_of=at,
        seq=held.seq,
    )
