"""What goes into a lane and what comes out of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from psycopg.rows import DictRow

from app.domain.accounts import Account
from app.domain.decisions import Mode
from app.domain.orders import Order, OrderUse
from app.store import accounts, lane_sql, orders
from app.store.orders import UseKey

Rows = list[DictRow]


@dataclass(frozen=True, slots=True)
class Want:
    """What a batch asks about: references to customers, and orders as (segment, order id)."""

    refs: Collection[str]
    orders: Collection[tuple[str, str]]
    at: datetime


@dataclass(frozen=True, slots=True)
class Payer:
    """What is known of a payer besides the account.

    `overdue` maps a currency to [late, open, oldest due date], in minor units.
    """

    account_id: int
    input: Mapping[str, Any]
    overdue: Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class SegmentState:
    """A segment as this batch meets it; `ledger_at` is the last report of facts."""

    mode: Mode
    rule_set_version: int
    today: date
    ledger_at: datetime | None
    horizon_days: int | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """All that a batch rests on, read after the locks were taken."""

    customers: Mapping[str, str]
    orders: dict[tuple[str, str], Order]
    accounts: dict[int, Account]
    payers: Mapping[tuple[str, str], Payer]
    uses: Mapping[UseKey, OrderUse]
    segments: Mapping[str, SegmentState]


@dataclass(frozen=True, slots=True)
class Claim:
    """An idempotency key to claim; `hash` is hexadecimal."""

    client: str
    key: str
    hash: str
    decision_id: str

    def row(self) -> dict[str, str]:
        """Write the claim as a row, ready for JSON."""
        return {
            "client": self.client,
            "key": self.key,
            "hash": self.hash,
            "decision_id": self.decision_id,
        }


@dataclass(frozen=True, slots=True)
class Known:
    """A key that was claimed before, with its answer."""

    hash: str
    status: int
    answer: bytes


@dataclass(slots=True)
class Record:
    """What a batch writes, as rows ready for JSON.

    `fresh` are orders that were not there (another one's insert in between fails the batch),
    `known` those that were locked; `rooms` maps an account to its guard.
    """

    fresh: list[dict[str, Any]] = field(default_factory=list)
    known: list[dict[str, Any]] = field(default_factory=list)
    past: list[dict[str, Any]] = field(default_factory=list)
    journal: list[dict[str, Any]] = field(default_factory=list)
    holds: list[dict[str, Any]] = field(default_factory=list)
    hold_events: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    forget: list[tuple[str, str]] = field(default_factory=list)
    rooms: dict[int, int] = field(default_factory=dict)


def reads(want: Want, read_orders: str, read_accounts: str) -> list[tuple[str, Any]]:
    """List the reads of a batch; orders before accounts, everything else after both."""
    pairs = sorted(want.orders)
    parameters = {
        "refs": sorted(want.refs),
        "segments": [segment for segment, _ in pairs],
        "orders": [order for _, order in pairs],
        "at": want.at,
    }
    statements = (
        read_orders,
        read_accounts,
        lane_sql.REFS,
        lane_sql.PAYERS,
        lane_sql.USES,
        lane_sql.SEGMENTS,
    )
    return [(statement, parameters) for statement in statements]


def loaded(rows: Sequence[Rows]) -> Loaded:
    """Make domain objects of what `reads` brought, in its order."""
    order_rows, account_rows, ref_rows, payer_rows, use_rows, segment_rows = rows
    return Loaded(
        customers={row["ref"]: row["customer_id"] for row in ref_rows},
        orders={(row["segment_id"], row["order_id"]): orders.from_row(row) for row in order_rows},
        accounts={row["account_id"]: accounts.from_row(row) for row in account_rows},
        payers={
            (row["segment_id"], row["ref"]): Payer(
                row["account_id"], row["input"] or {}, row["overdue"] or {}
            )
            for row in payer_rows
        },
        uses={
            (row["segment_id"], row["order_id"], row["account_id"], row["currency"]): OrderUse(
                row["delivered_minor"], row["invoiced_minor"]
            )
            for row in use_rows
        },
        segments={
            row["segment_id"]: SegmentState(
                row["mode"],
                row["rule_set_version"],
                row["today"],
                row["ledger_at"],
                row["credit_horizon_days"],
            )
            for row in segment_rows
        },
    )
