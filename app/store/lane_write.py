"""What a batch writes, column by column: rows of the domain become arrays of the server."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import orjson

from app.domain.accounts import Account, Entry, foreign_to_json
from app.domain.orders import Order
from app.store.arrays import blobs, flags, ints, texts
from app.store.lane_rows import DecisionRow
from app.store.packing import pack


def order_columns(orders: Sequence[Order]) -> dict[str, Any]:
    """Write orders as parameters named `o_<column>`."""
    return {
        "o_segments": texts([one.segment_id for one in orders]),
        "o_ids": texts([one.order_id for one in orders]),
        "o_accounts": ints([one.account_id for one in orders]),
        "o_currencies": texts([one.currency for one in orders]),
        "o_versions": ints([one.version for one in orders]),
        "o_closed": ints([one.closed_version for one in orders]),
        "o_authorizations": texts([one.authorization_id for one in orders]),
        "o_states": texts([one.state for one in orders]),
        "o_authorized": ints([one.authorized for one in orders]),
        "o_reserved": ints([one.reserved for one in orders]),
        "o_expire": texts([_moment(one.expires_at) for one in orders]),
        "o_since": texts([_moment(one.authorized_at) for one in orders]),
        "o_released": ints([one.released_max for one in orders]),
        "o_until": texts([_moment(one.released_until) for one in orders]),
        "o_rejected": flags([one.rejected for one in orders]),
        "o_holds": texts([one.hold_id for one in orders]),
        "o_kinds": texts([one.hold_kind for one in orders]),
        "o_counting": texts([_day(one.counts_from) for one in orders]),
        "o_untested": flags([one.untested for one in orders]),
    }


def journal_columns(entries: Sequence[Entry]) -> dict[str, Any]:
    """Write journal entries as parameters named `j_<column>`."""
    held = [entry.account for entry in entries]
    return {
        "j_kinds": texts([entry.kind for entry in entries]),
        "j_refs": texts([entry.ref for entry in entries]),
        "j_decisions": texts([entry.decision_id for entry in entries]),
        **_balances("j", held),
    }


def account_columns(
    held: Sequence[Account], locked: Mapping[int, Account], rooms: Mapping[int, int]
) -> dict[str, Any]:
    """Write how accounts stand as parameters named `a_<column>`, with what guards each."""
    return {
        **_balances("a", held),
        "a_expired": flags([one.limit_expired for one in held]),
        "a_change": texts([_day(one.limit_changes_on) for one in held]),
        "a_locked": ints([locked[one.account_id].seq for one in held]),
        "a_rooms": ints([rooms.get(one.account_id) for one in held]),
        "a_count": len(held),
    }


def decision_columns(rows: Sequence[DecisionRow]) -> dict[str, Any]:
    """Write decisions as parameters named `d_<column>`."""
    return {
        "d_ids": texts([row.decision_id for row in rows]),
        "d_kinds": texts([row.kind for row in rows]),
        "d_accounts": ints([row.account_id for row in rows]),
        "d_segments": texts([row.segment_id for row in rows]),
        "d_customers": texts([row.customer_id for row in rows]),
        "d_orders": texts([row.order_id for row in rows]),
        "d_outcomes": texts([row.outcome for row in rows]),
        "d_judged": texts([row.judged for row in rows]),
        "d_clients": texts([row.client for row in rows]),
        "d_actors": texts([row.actor for row in rows]),
        "d_rule_sets": ints([row.rule_set_version for row in rows]),
        "d_inputs": ints([row.input_version for row in rows]),
        "d_statuses": ints([row.status for row in rows]),
        "d_records": blobs([pack(row.inputs, row.answer) for row in rows]),
    }


def _balances(prefix: str, held: Sequence[Account]) -> dict[str, Any]:
    uses = [one.use for one in held]
    return {
        f"{prefix}_accounts": ints([one.account_id for one in held]),
        f"{prefix}_seqs": ints([one.seq for one in held]),
        f"{prefix}_authorized": ints([use.authorized for use in uses]),
        f"{prefix}_deliveries": ints([use.open_delivery for use in uses]),
        f"{prefix}_items": ints([use.open_item for use in uses]),
        f"{prefix}_notes": ints([use.note_receivable for use in uses]),
        f"{prefix}_prepayments": ints([use.prepayment for use in uses]),
        f"{prefix}_limits": ints([one.limit_minor for one in held]),
        f"{prefix}_unlimited": flags([one.unlimited for one in held]),
        f"{prefix}_forced": ints([one.forced for one in held]),
        f"{prefix}_foreign": texts([_foreign(one) for one in held]),
    }


def _foreign(held: Account) -> str | None:
    return orjson.dumps(foreign_to_json(held.foreign)).decode() if held.foreign else None


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _day(on: date | None) -> str | None:
    return None if on is None else on.isoformat()
