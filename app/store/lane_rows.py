"""What goes into a lane and what comes out of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from app.domain.accounts import Account, Entry
from app.domain.decisions import Mode
from app.domain.limits import CreditLimit
from app.domain.money import Rate
from app.domain.orders import Order, OrderUse
from app.domain.values import quick
from app.store import accounts, lane_sql, orders
from app.store.arrays import flags, ints, texts
from app.store.orders import UseKey
from app.store.wire import Rows, Statement

Pair = tuple[str, str]
"""A payer as somebody asks about it: (segment, reference of a customer)."""


@dataclass(frozen=True, slots=True)
class Want:
    """What a batch asks about: payers as (segment, reference), orders as (segment, order id)."""

    refs: Collection[Pair]
    orders: Collection[tuple[str, str]]
    at: datetime


@quick
@dataclass(frozen=True, slots=True)
class Payer:
    """What is known of a payer besides the account.

    `open_items` maps a currency to what is late and open, in minor units, and the oldest due date.
    """

    account_id: int
    input: Mapping[str, Any]
    open_items: Mapping[str, tuple[int, int, date]]


@dataclass(frozen=True, slots=True)
class SegmentState:
    """A segment as this batch meets it; `ledger_at` is the last report of facts.

    `lapsing` are accounts, of any segment, that count provisional money which has expired.
    `has_due`: of this segment an order does not count yet whose day has come.
    """

    mode: Mode
    rule_set_version: int
    today: date
    ledger_at: datetime | None
    horizon_days: int | None = None
    lapsing: frozenset[int] = frozenset()
    has_due: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """All that a batch rests on, read after the locks were taken."""

    customers: Mapping[str, str]
    orders: dict[tuple[str, str], Order]
    accounts: dict[int, Account]
    payers: Mapping[Pair, Payer]
    uses: Mapping[UseKey, OrderUse]
    segments: Mapping[str, SegmentState]

    @property
    def has_due(self) -> bool:
        """Whether orders of some segment do not count yet whose day has come."""
        return any(one.has_due for one in self.segments.values())


@quick
@dataclass(frozen=True, slots=True)
class Claim:
    """An idempotency key to claim, with the digest of its question."""

    client: str
    key: str
    hash: bytes
    decision_id: str


@dataclass(frozen=True, slots=True)
class Known:
    """A key that was claimed before, with its answer."""

    hash: bytes
    status: int
    answer: bytes


class DecisionRow(NamedTuple):
    """A decision as it is stored; `inputs` and `answer` are rendered JSON, a line each.

    `opens`: it gave the authorization that has its id.
    """

    decision_id: str
    kind: str
    account_id: int
    segment_id: str
    customer_id: str
    order_id: str
    outcome: str
    judged: str
    client: str
    actor: str | None
    rule_set_version: int
    input_version: int
    status: int
    opens: bool
    inputs: bytes
    answer: bytes


@dataclass(slots=True)
class Record:
    """What a batch writes, all at one moment.

    `fresh` are orders that were not there (another one's insert in between fails the batch),
    `known` those that were locked; `rooms` maps an account to its guard. `holds` and
    `hold_events` are rows ready for JSON; of the former a hold comes once in each list, and they
    are written one after the other. `approvals` are proposals of releases that are carried out.
    """

    at: datetime
    fresh: list[Order] = field(default_factory=list)
    known: list[Order] = field(default_factory=list)
    past: list[Order] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    decisions: list[DecisionRow] = field(default_factory=list)
    holds: list[list[dict[str, Any]]] = field(default_factory=list)
    hold_events: list[dict[str, Any]] = field(default_factory=list)
    approvals: list[dict[str, Any]] = field(default_factory=list)
    forget: list[tuple[str, str]] = field(default_factory=list)
    rooms: dict[int, int] = field(default_factory=dict)


def reads(
    want: Want,
    read_orders: str,
    read_accounts: str,
    guessed: Mapping[Pair, int] = MappingProxyType({}),
    *,
    moved: bool = True,
) -> list[Statement]:
    """List the reads of a batch; orders before accounts, everything else after both.

    `guessed` are accounts of some payers, read as they are (see `Guesses`); those of the others are
    looked up. So are the accounts of orders that are there already, or, `moved` False, it is taken
    that these are of who asks about them.
    """
    orders, pairs = sorted(want.orders), sorted(want.refs)
    sought = [pair for pair in pairs if pair not in guessed]
    strays = orders if moved else []
    parameters = {
        "pair_segments": texts([segment for segment, _ in pairs]),
        "pair_refs": texts([ref for _, ref in pairs]),
        "pair_guesses": ints([guessed.get(pair, 0) for pair in pairs]),
        "pair_firsts": flags(_firsts([segment for segment, _ in pairs])),
        "guessed": ints(list(guessed.values())),
        "sought_segments": texts(sorted({segment for segment, _ in sought})),
        "sought_refs": texts([ref for _, ref in sought]),
        "moved_segments": texts([segment for segment, _ in strays]),
        "moved_orders": texts([order for _, order in strays]),
        "segments": texts([segment for segment, _ in orders]),
        "orders": texts([order for _, order in orders]),
        "at": want.at,
    }
    statements = (read_orders, read_accounts, lane_sql.GROUND, lane_sql.USES)
    return [(statement, parameters) for statement in statements]


def _firsts(ordered: Sequence[str]) -> list[bool]:
    """Say of each whether it is the first of its kind; equal ones follow each other."""
    return [place == 0 or ordered[place - 1] != one for place, one in enumerate(ordered)]


def loaded(rows: Sequence[Rows]) -> Loaded:
    """Make domain objects of what `reads` brought, in its order."""
    order_rows, account_rows, ground_rows, use_rows = rows
    return Loaded(
        customers={row.ref: row.customer_id for row in ground_rows if row.customer_id},
        orders={(row.segment_id, row.order_id): orders.from_row(row) for row in order_rows},
        accounts={row.account_id: accounts.from_row(row) for row in account_rows},
        payers={
            (row.segment_id, row.ref): Payer(row.account_id, row.input or {}, _open_items(row))
            for row in ground_rows
            if row.account_id is not None
        },
        uses={
            (row.segment_id, row.order_id, row.account_id, row.currency): OrderUse(
                row.delivered_minor, row.invoiced_minor
            )
            for row in use_rows
        },
        segments={
            row.segment_id: SegmentState(
                row.mode,
                row.rule_set_version,
                row.today,
                row.ledger_at,
                row.credit_horizon_days,
                frozenset(row.lapsing),
                row.first_due is not None,
            )
            for row in ground_rows
            if row.mode is not None
        },
    )


def _open_items(row: Any) -> dict[str, tuple[int, int, date]]:  # noqa: ANN401 - of GROUND
    """Read what is open: in the account's currency alone, or in each by itself."""
    if row.by_currency is not None:
        return {
            code: (int(late or 0), int(opened), date.fromisoformat(due))
            for code, (late, opened, due) in row.by_currency.items()
        }
    if row.open is None:
        return {}
    return {row.currency: (row.late or 0, row.open, row.due)}


def rate_of(row: Any) -> Rate:  # noqa: ANN401 - of RATES
    """Read a rate."""
    day = row.rate_date.isoformat()
    return Rate(row.base, row.quote, row.rate.normalize(), day, row.source)


def limits_of(ids: Collection[int], rows: Rows) -> dict[int, list[CreditLimit]]:
    """Read the limits of accounts, each account's in the order of LIMITS."""
    found: dict[int, list[CreditLimit]] = {key: [] for key in ids}
    for account_id, *limit in rows:
        found[account_id].append(CreditLimit(*limit))
    return found
