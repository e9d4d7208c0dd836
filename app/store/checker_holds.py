"""Order holds against their history, which is evidence, and against the decision each rests on."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

import orjson

from app.store.checker_ground import Difference, Snapshot, unpacked

_HISTORIES: Final = """
SELECT h.account_id, h.hold_id, h.order_id, h.kind, h.status, h.closed_at, h.escalated_to,
    e.status AS told, coalesce(e.ends, 0) AS ends, e.role, coalesce(e.by_itself, 0) AS by_itself,
    coalesce(e.proposed, 0) AS proposed, coalesce(p.proposals, 0) AS proposals,
    p.eyes, p.approvers, e.ended_by
FROM order_hold h
LEFT JOIN (
    SELECT hold_id, count(*) FILTER (WHERE ends IS NOT NULL) AS ends,
        max(ends) AS status, max(client) FILTER (WHERE ends = 'RELEASED') AS ended_by,
        count(*) FILTER (WHERE ends IS NOT NULL AND data ->> 'automatic' = 'true') AS by_itself,
        count(*) FILTER (WHERE action = 'propose') AS proposed,
        (array_agg(data ->> 'role' ORDER BY event_id DESC)
            FILTER (WHERE action = 'escalate'))[1] AS role
    FROM (SELECT *, CASE action WHEN 'release' THEN 'RELEASED' WHEN 'reject' THEN 'REJECTED'
        WHEN 'cancel' THEN 'CANCELLED' END AS ends FROM order_hold_event) AS e
    GROUP BY hold_id) AS e ON e.hold_id = h.hold_id
LEFT JOIN (
    SELECT hold_id, count(*) AS proposals,
        max(proposed_by) FILTER (WHERE status = 'APPROVED') AS eyes,
        array_agg(decided_by) FILTER (WHERE status = 'APPROVED' AND asked IS NOT NULL) AS approvers
    FROM release_proposal GROUP BY hold_id) AS p ON p.hold_id = h.hold_id
WHERE coalesce(e.status, 'OPEN') <> h.status OR coalesce(e.ends, 0) > 1
    OR (h.closed_at IS NULL) <> (h.status = 'OPEN')
    OR h.escalated_to IS DISTINCT FROM e.role
    OR (coalesce(e.by_itself, 0) > 0 AND h.kind <> 'AUTOMATIC')
    OR coalesce(e.proposed, 0) <> coalesce(p.proposals, 0)
    OR (h.status = 'RELEASED' AND p.eyes = e.ended_by)
    OR (p.approvers IS NOT NULL AND NOT p.approvers <@ ARRAY[e.ended_by])
ORDER BY h.opened_at, h.hold_id LIMIT 1
"""

_OLDEST: Final = "SELECT decision_id FROM decision ORDER BY decision_id LIMIT 1"

_DECIDED: Final = """
SELECT h.account_id, h.order_id, h.status, h.decision_id, d.outcome AS found,
    CASE WHEN h.authorization_id IS NULL THEN 'HOLD' ELSE 'APPROVE' END AS expected,
    d.segment_id = h.segment_id AND d.order_id = h.order_id AS of_order
FROM order_hold h LEFT JOIN decision d ON d.decision_id = h.decision_id
WHERE h.decision_id >= %(floor)s AND (d.decision_id IS NULL
    OR d.segment_id <> h.segment_id OR d.order_id <> h.order_id
    OR CASE WHEN h.authorization_id IS NOT NULL THEN d.outcome <> 'APPROVE'
        WHEN h.status = 'RELEASED' THEN false ELSE d.outcome NOT IN ('HOLD', 'REJECT') END)
ORDER BY h.opened_at, h.hold_id LIMIT 1
"""

_OPEN: Final = """
SELECT h.account_id, h.order_id, h.reasons, h.ask, d.record
FROM order_hold h JOIN decision d ON d.decision_id = h.decision_id
WHERE h.status = 'OPEN' AND h.kind = 'AUTOMATIC' ORDER BY h.opened_at, h.hold_id
"""


def check_hold_histories(snapshot: Snapshot) -> Iterator[Difference]:
    """Let every hold stand as its history ends, and what a person placed end by a person."""
    for row in snapshot.rows(_HISTORIES):
        yield Difference(row["account_id"], f"{_name(row)}: {_history_fault(row)}")


def _history_fault(row: dict[str, Any]) -> str:
    told = row["told"] or "OPEN"
    faults = {
        f"expected one end in its history, found {row['ends']}": row["ends"] > 1,
        f"status: expected {told} from its history, found {row['status']}": told != row["status"],
        f"closed_at: expected one only where it is closed, found {row['closed_at']}": (
            (row["closed_at"] is None) != (row["status"] == "OPEN")
        ),
        f"expected a person to end a hold {row['kind']}, found that it ended by itself": (
            row["by_itself"] and row["kind"] != "AUTOMATIC"
        ),
        f"expected {row['proposed']} proposed releases, found {row['proposals']}": (
            row["proposed"] != row["proposals"]
        ),
        f"expected another than {row['eyes']}, who proposed it, to release it": (
            row["status"] == "RELEASED" and row["eyes"] and row["eyes"] == row["ended_by"]
        ),
        f"expected {row['approvers']}, who approved it, to release it, found {row['ended_by']}": (
            bool(set(row["approvers"] or ()) - {row["ended_by"]})
        ),
        f"escalated_to: expected {row['role']} from its history, found {row['escalated_to']}": True,
    }
    return next(text for text, holds in faults.items() if holds)


def check_hold_decisions(snapshot: Snapshot) -> Iterator[Difference]:
    """Look up the decision of every hold as far back as decisions are kept; open ones say as much.

    An open automatic hold tells the reasons of its decision, and was asked for that amount.
    """
    oldest = snapshot.rows(_OLDEST)
    floor = oldest[0]["decision_id"] if oldest else UUID(int=0)
    for row in snapshot.rows(_DECIDED, {"floor": floor}):
        if row["found"] is None:
            text = f"expected its decision {row['decision_id']}, found none"
        elif not row["of_order"]:
            text = f"expected a decision on this order, found {row['decision_id']}"
        else:
            text = f"decision {row['decision_id']}: expected {row['expected']}, found"
            text += f" {row['found']}"
        yield Difference(row["account_id"], f"{_name(row)}: {text}")
    for row in snapshot.stream(_OPEN):
        fault = _told_fault(row)
        if fault:
            yield Difference(row["account_id"], f"{_name(row)}: {fault}")


def _told_fault(row: dict[str, Any]) -> str | None:
    try:
        inputs, answer = (orjson.loads(part) for part in unpacked(row["record"]))
    except ValueError as damage:
        return f"its decision cannot be read: {damage}"
    if answer["reasons"] != row["reasons"]:
        codes = [[one["code"] for one in told] for told in (answer["reasons"], row["reasons"])]
        return f"reasons: expected those of its decision {codes[0]}, found {codes[1]}"
    amounts = inputs["question"]["amount"], (row["ask"] or {}).get("amount")
    if amounts[0] != amounts[1]:
        return f"amount: expected {amounts[0]} as its decision was asked, found {amounts[1]}"
    return None


def _name(row: dict[str, Any]) -> str:
    return "hold of the account" if row["order_id"] is None else f"hold of order {row['order_id']}"
