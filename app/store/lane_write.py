"""What a batch writes, column by column: rows of the domain become arrays of the server."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import orjson

from app.domain.accounts import Account, Entry, ForeignUse
from app.domain.accounts_json import foreign_to_json
from app.domain.orders import Order
from app.store import claims, lane_sql, proposals
from app.store.arrays import Sent, blobs, flags, ints, texts
from app.store.lane_rows import DecisionRow, Record
from app.store.orders import past_row
from app.store.packing import pack
from app.store.wire import Statement

_Make = Callable[[Sequence[Any]], Sent]


class _Columns:
    """How attributes of rows become parameters: name, (dotted) attribute, kind of array.

    All rows are read and turned by the interpreter's own loops: a batch has a thousand cells.
    """

    def __init__(self, *columns: tuple[str, str, _Make]) -> None:
        self._columns = [(name, make) for name, _, make in columns]
        self._read = attrgetter(*(path for _, path, _ in columns))

    def of(self, rows: Sequence[object]) -> dict[str, Any]:
        turned: list[Sequence[Any]] = list(zip(*map(self._read, rows), strict=True))
        turned = turned or [()] * len(self._columns)
        columns = zip(self._columns, turned, strict=True)
        return {name: make(values) for (name, make), values in columns}


@lru_cache(maxsize=1024)  # the rows of a batch share their moments
def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _moments(values: Sequence[datetime | None]) -> Sent:
    return texts(list(map(_moment, values)))


def _days(values: Sequence[date | None]) -> Sent:
    return texts([None if one is None else one.isoformat() for one in values])


def _foreign(values: Sequence[Mapping[str, ForeignUse]]) -> Sent:
    return texts([orjson.dumps(foreign_to_json(one)).decode() if one else None for one in values])


def _balances(prefix: str, account: str) -> list[tuple[str, str, _Make]]:
    """List the columns that journal entries and accounts share; `account` leads to the account."""
    return [
        (f"{prefix}_accounts", f"{account}account_id", ints),
        (f"{prefix}_seqs", f"{account}seq", ints),
        (f"{prefix}_authorized", f"{account}use.authorized", ints),
        (f"{prefix}_deliveries", f"{account}use.open_delivery", ints),
        (f"{prefix}_items", f"{account}use.open_item", ints),
        (f"{prefix}_notes", f"{account}use.note_receivable", ints),
        (f"{prefix}_prepayments", f"{account}use.prepayment", ints),
        (f"{prefix}_limits", f"{account}limit_minor", ints),
        (f"{prefix}_unlimited", f"{account}unlimited", flags),
        (f"{prefix}_forced", f"{account}forced", ints),
        (f"{prefix}_foreign", f"{account}foreign", _foreign),
    ]


_ORDERS: Final = _Columns(
    ("o_segments", "segment_id", texts),
    ("o_ids", "order_id", texts),
    ("o_accounts", "account_id", ints),
    ("o_currencies", "currency", texts),
    ("o_versions", "version", ints),
    ("o_closed", "closed_version", ints),
    ("o_authorizations", "authorization_id", texts),
    ("o_states", "state", texts),
    ("o_authorized", "authorized", ints),
    ("o_reserved", "reserved", ints),
    ("o_expire", "expires_at", _moments),
    ("o_since", "authorized_at", _moments),
    ("o_released", "released_max", ints),
    ("o_until", "released_until", _moments),
    ("o_rejected", "rejected", flags),
    ("o_holds", "hold_id", texts),
    ("o_kinds", "hold_kind", texts),
    ("o_counting", "counts_from", _days),
    ("o_untested", "untested", flags),
)

_JOURNAL: Final = _Columns(
    ("j_kinds", "kind", texts),
    ("j_refs", "ref", texts),
    ("j_decisions", "decision_id", texts),
    *_balances("j", "account."),
)

_ACCOUNTS: Final = _Columns(
    *_balances("a", ""),
    ("a_expired", "limit_expired", flags),
    ("a_withheld", "limit_withheld", flags),
    ("a_change", "limit_changes_on", _days),
)

_DECISIONS: Final = _Columns(
    ("d_ids", "decision_id", texts),
    ("d_kinds", "kind", texts),
    ("d_accounts", "account_id", ints),
    ("d_segments", "segment_id", texts),
    ("d_customers", "customer_id", texts),
    ("d_orders", "order_id", texts),
    ("d_outcomes", "outcome", texts),
    ("d_judged", "judged", texts),
    ("d_clients", "client", texts),
    ("d_actors", "actor", texts),
    ("d_rule_sets", "rule_set_version", ints),
    ("d_inputs", "input_version", ints),
    ("d_statuses", "status", ints),
    ("d_opens", "opens", flags),
)


def order_columns(orders: Sequence[Order]) -> dict[str, Any]:
    """Write orders as parameters named `o_<column>`."""
    return _ORDERS.of(orders)


def journal_columns(entries: Sequence[Entry]) -> dict[str, Any]:
    """Write journal entries as parameters named `j_<column>`."""
    return _JOURNAL.of(entries)


def account_columns(
    held: Sequence[Account], locked: Mapping[int, Account], rooms: Mapping[int, int]
) -> dict[str, Any]:
    """Write how accounts stand as parameters named `a_<column>`, with what guards each."""
    return {
        **_ACCOUNTS.of(held),
        "a_locked": ints([locked[one.account_id].seq for one in held]),
        "a_rooms": ints([rooms.get(one.account_id) for one in held]),
        "a_count": len(held),
    }


def decision_columns(rows: Sequence[DecisionRow]) -> dict[str, Any]:
    """Write decisions as parameters named `d_<column>`."""
    packed = [pack(row.inputs, row.answer) for row in rows]
    return {**_DECISIONS.of(rows), "d_records": blobs(packed)}


def seldom(record: Record) -> list[Statement]:
    """List the statements for what most batches do not have."""
    found: list[Statement] = []
    if record.known:
        found.append((lane_sql.UPDATE_ORDERS, order_columns(record.known)))
    if record.past:
        rows = [past_row(order, record.at) for order in record.past]
        found.append((lane_sql.PAST, {"rows": _json(rows)}))
    found += [(lane_sql.HOLDS, {"rows": _json(rows)}) for rows in record.holds if rows]
    if record.hold_events:
        found.append((lane_sql.HOLD_EVENTS, {"rows": _json(record.hold_events)}))
    if record.approvals:
        found.append((proposals.APPROVE, {"rows": _json(record.approvals)}))
    if record.forget:
        found.append(claims.forget(record.forget))
    return found


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
