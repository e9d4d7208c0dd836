"""An account, a score and a card read plainly, table by table: what the read lane must equal.

It shares no statement with the lane, computes the limit from the limits alone and never trusts
what an account remembers of it.
"""

from dataclasses import replace
from datetime import date, datetime
from typing import Final

from app.domain.accounts import Account
from app.domain.callers import Caller
from app.domain.customers import Standing, joint_light
from app.domain.errors import CustomerUnknownError, NotFoundError, NotScoredError
from app.domain.limits import effective_limit, settle
from app.domain.money import Money, Rate
from app.domain.overdue import Overdue, overdue_worth, utilization
from app.domain.rates import find_rate
from app.domain.scores import StoredScore, TrafficLight, worse_light
from app.domain.scores_json import score_in_force
from app.store import accounts, customers, groups, inputs, limits, open_items, rates, segments
from app.store.database import Database, Tx
from app.usecases.accounts import AccountGlance, AccountView
from app.usecases.dates import business_date
from app.usecases.reads import Card
from app.usecases.score_reads import find_customer, read_score

MAIN: Final = "main"


def read_account(
    database: Database, caller: Caller, ref: str, segment_id: str, at: datetime
) -> AccountView:
    """Read an account; refusals are those of the use case."""
    caller.visit(segment_id)
    with database.read() as tx:
        try:
            return look(tx, ref, segment_id, at)
        except NotFoundError:
            if caller.segments is None:
                raise
            unknown = f"no customer has the id {ref[:64]!r}"  # where it buys is nobody's business
            raise CustomerUnknownError(unknown, "customer_id") from None


def read_stored(database: Database, caller: Caller, ref: str, at: datetime) -> StoredScore:
    """Read a stored score."""
    with database.read() as tx:
        customer_id = find_customer(tx, caller, ref)
        found = read_score(tx, customer_id, at)
    if found is None:
        raise NotScoredError(f"{customer_id} was never scored", "customer_id")
    return found


def read_card(
    database: Database, caller: Caller, ref: str, segment_id: str | None, at: datetime
) -> Card:
    """Read score and account under one snapshot."""
    if segment_id is not None:
        caller.visit(segment_id)
    with database.read() as tx:
        customer_id = find_customer(tx, caller, ref)
        name = customers.read(tx, customer_id).name
        found = read_score(tx, customer_id, at)
        where = segment_id or _segment_in_sight(tx, caller, customer_id)
        account = None if where is None else look(tx, customer_id, where, at)
    light = found.score.traffic_light if found else TrafficLight.YELLOW
    if account is not None:
        light = worse_light(light, account.traffic_light)
    glance = None
    if account is not None:
        told = account.segment_id, account.headroom, account.groups
        glance = AccountGlance(*told, account.overdue, account.traffic_light)
    return Card(customer_id, name, light, found, glance, at)


def _segment_in_sight(tx: Tx, caller: Caller, customer_id: str) -> str | None:
    names = [term.segment_id for term in groups.terms(tx, [customer_id])]
    seen = [name for name in names if caller.sees(name)]
    return MAIN if MAIN in seen else next(iter(seen), None)


def look(tx: Tx, ref: str, segment_id: str, at: datetime) -> AccountView:
    """Read an account within a snapshot."""
    today = business_date(segments.read(tx, segment_id), at)
    customer_id = accounts.customer_of(tx, ref)
    stored = accounts.find(tx, customer_id, segment_id)
    if stored is None:
        raise NotFoundError(f"{ref!r} has no account in the segment {segment_id!r}", "segment")
    approved = limits.approved(tx, [stored.account_id])[stored.account_id]
    held, _ = settle(stored, approved, today)
    held = replace(held, seq=stored.seq)  # that of the newest entry
    overdue = _overdue(tx, held, today)
    known = inputs.get(tx, held.account_id, held.input_version)
    score = score_in_force(known.get("score"), at) or {}
    standing = Standing(
        active=customers.read(tx, customer_id).active,
        stopped=any(one.status == "STOPPED" for one in accounts.get_many(tx, held.path).values()),
        over_limit=held.excess > 0,
        overdue_days=overdue.days,
    )
    light = score.get("traffic_light")
    joint = joint_light(standing, TrafficLight(light) if light else None)
    covers = Money(effective_limit(approved, today).covers_minor, held.currency)
    above = accounts.get_many(tx, held.path[1:])
    rooms = [
        (one.customer_id, Money(one.headroom, one.currency))
        for one in (above[key] for key in held.path[1:])
        if one.has_limit and one.headroom is not None
    ]
    return replace(_view(held, overdue, joint, at), covers=covers, groups=rooms or ())


def _overdue(tx: Tx, held: Account, today: date) -> Overdue:
    family = groups.family(tx, held.customer_id)
    ids = [key for key, (segment_id, _) in family.items() if segment_id == held.segment_id]
    sums, oldest = open_items.overdue(tx, ids, today)
    known = rates.recent(tx, {held.currency, *sums}, today)

    def find(source: str, target: str) -> Rate | None:
        return find_rate(known, source, target, today)

    return Overdue(overdue_worth(held, sums, find), (today - oldest).days if oldest else 0)


def _view(held: Account, overdue: Overdue, light: TrafficLight, at: datetime) -> AccountView:
    def money(minor: int) -> Money:
        return Money(minor, held.currency)

    use, limit = held.use, None if held.unlimited else held.limit_minor
    return AccountView(
        customer_id=held.customer_id,
        segment_id=held.segment_id,
        effective_limit=None if limit is None else money(limit),
        covers=money(0),
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
