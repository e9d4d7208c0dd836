"""What a person, or an approval, said of an order: up to what it may pass, and until when."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import Any, Final

import orjson

from app.store.checker_ground import Difference, Snapshot, money, unpacked

_RELEASED: Final = """
SELECT DISTINCT ON (o.segment_id, o.order_id) o.account_id, o.segment_id, o.order_id, o.currency,
    o.released_max_minor, o.released_until, o.authorization_id, e.hold_id, h.decision_id
FROM credit_order o
LEFT JOIN order_hold h ON h.segment_id = o.segment_id AND h.order_id = o.order_id
    AND h.status = 'RELEASED' AND h.authorization_id IS NOT NULL
LEFT JOIN order_hold_event e ON e.hold_id = h.hold_id AND e.action = 'release'
    AND e.reason_code IS NOT NULL AND e.data -> 'automatic' IS NULL
WHERE o.released_max_minor IS NOT NULL
ORDER BY o.segment_id, o.order_id, e.event_id DESC NULLS LAST
"""
"""With the newest hold that a person released so that the order was authorized.

What was judged again says so in its event; an ask that passed gave no reason.
"""

_RECORDS: Final = "SELECT decision_id, kind, record FROM decision WHERE decision_id = any(%(ids)s)"

_TERMS: Final = """
SELECT account_id, segment_id, order_id, authorization_id, expires_at, counts_from
FROM credit_order
WHERE state = 'LIVE' AND (expires_at IS NOT NULL OR counts_from IS NOT NULL)
"""

_APPROVED: Final = """
WITH n AS MATERIALIZED (
    SELECT * FROM unnest(%(segments)s::text[], %(orders)s::text[]) AS n(segment_id, order_id)
),
found AS (
    SELECT d.decision_id FROM n JOIN decision d USING (segment_id, order_id) WHERE NOT d.opens
    UNION
    SELECT o.authorization_id FROM n JOIN credit_order o USING (segment_id, order_id)
    UNION
    SELECT p.authorization_id FROM n JOIN past_authorization p USING (segment_id, order_id)
)
SELECT d.segment_id, d.order_id, d.record FROM found JOIN decision d USING (decision_id)
WHERE d.outcome = 'APPROVE' AND d.kind <> 'CHECK'
"""

_AT_ONCE: Final = 500

Row = Mapping[str, Any]


def check_releases(snapshot: Snapshot) -> Iterator[Difference]:
    """Let no order pass up to an amount unless a person released a hold of it, up to just that.

    What was said is in the decision, as far back as decisions are kept.
    """
    released = snapshot.stream(_RELEASED)
    while portion := list(islice(released, _AT_ONCE)):
        ids = [row["decision_id"] for row in portion if row["hold_id"] is not None]
        found = {row["decision_id"]: row for row in snapshot.rows(_RECORDS, {"ids": ids})}
        told = _told(snapshot, [row for row in portion if row["released_until"] is not None])
        for row in portion:
            fault = _release_fault(row, found, told.get(str(row["authorization_id"]), _Told()))
            if fault:
                yield Difference(row["account_id"], f"order {row['order_id']}: {fault}")


def _release_fault(row: Row, found: Mapping[Any, Row], told: "_Told") -> str | None:
    most = money(row["released_max_minor"], row["currency"])
    if row["hold_id"] is None:
        return f"released up to {most}: expected a hold that a person released, found none"
    decision = found.get(row["decision_id"])
    if decision is None:
        return None  # dropped; else the step of hold decisions misses it
    if decision["kind"] != "RELEASE":
        return f"released up to {most}: expected a RELEASE, found {decision['kind']}"
    try:
        order = orjson.loads(unpacked(decision["record"])[0])["situation"]["order"]
    except ValueError:
        return None  # the step of all decisions names it
    text = order.get("released_until")
    until = None if text is None else datetime.fromisoformat(text)
    if until is None and row["released_until"] in told.ends:
        until = row["released_until"]  # as long as the authorization: an ask has prolonged that
    said = order.get("released_max"), until
    if said == (row["released_max_minor"], row["released_until"]):
        return None
    return (
        f"released up to {most}, until {row['released_until']}: expected"
        f" {money(said[0], row['currency'])}, until {said[1]}, as its release says"
    )


@dataclass(slots=True)
class _Told:
    """What approvals said of one authorization: until when it lasts, from which day it counts.

    `is_made`: one of them made it.
    """

    ends: set[datetime | None] = field(default_factory=set)
    days: set[date | None] = field(default_factory=set)
    is_made: bool = False


def check_terms(snapshot: Snapshot) -> Iterator[Difference]:
    """Let no live authorization end, or begin to count, but when an approval of it said.

    Facts, time and other asks may take either away, but nothing else sets one. Where the decision
    that made an authorization is kept, all that came after it are.
    """
    limited = snapshot.stream(_TERMS)
    while portion := list(islice(limited, _AT_ONCE)):
        told = _told(snapshot, portion)
        for row in portion:
            found = told.get(str(row["authorization_id"]), _Told())
            for name, said in (("expires_at", found.ends), ("counts_from", found.days)):
                if found.is_made and row[name] is not None and row[name] not in said:
                    text = f"order {row['order_id']}: {name}: expected what an approval of"
                    told_by = f"{row['authorization_id']} says, found {row[name]}"
                    yield Difference(row["account_id"], f"{text} {told_by}")


def _told(snapshot: Snapshot, portion: Sequence[Row]) -> dict[str, _Told]:
    """Read what approvals of some orders said, by authorization."""
    values = {
        "segments": [row["segment_id"] for row in portion],
        "orders": [row["order_id"] for row in portion],
    }
    told: dict[str, _Told] = {}
    for row in snapshot.looked_up(_APPROVED, values):
        try:
            inputs, answer = (orjson.loads(part) for part in unpacked(row["record"]))
        except ValueError:
            continue  # the step of all decisions names it
        name, ends = answer["authorization_id"], answer["expires_at"]
        day = answer.get("counts_from")
        if name is not None:
            one = told.setdefault(name, _Told())
            one.ends.add(ends and datetime.fromisoformat(ends))
            one.days.add(day and date.fromisoformat(day))
            before = inputs["situation"].get("order", {}).get("authorization_id")
            one.is_made = one.is_made or before != name
    return told
