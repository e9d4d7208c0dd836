"""What points to each other: quarantine and accounts, holds and orders, keys and decisions."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from app.store.checker_ground import Difference, Snapshot, month_of

_QUARANTINE: Final = """
SELECT account_id, coalesce(a.quarantined, 0) AS found, coalesce(q.waiting, 0) AS expected
FROM account a FULL JOIN (
    SELECT account_id, count(DISTINCT quarantine_id) AS waiting FROM (
        SELECT quarantine_id, account_id FROM quarantine WHERE status = 'OPEN'
        UNION ALL
        SELECT quarantine_id, unnest(concerns) FROM quarantine WHERE status = 'OPEN') AS w
    WHERE account_id IS NOT NULL GROUP BY account_id) AS q USING (account_id)
WHERE coalesce(a.quarantined, 0) <> coalesce(q.waiting, 0)
ORDER BY account_id LIMIT 1
"""

_HOLDS: Final = """
SELECT coalesce(h.account_id, o.account_id) AS account_id, coalesce(h.order_id, o.order_id)
    AS order_id, h.hold_id AS expected, h.kind AS expected_kind, o.hold_id AS found,
    o.hold_kind AS found_kind
FROM (SELECT * FROM order_hold WHERE status = 'OPEN' AND kind <> 'STOP') AS h
FULL JOIN (SELECT * FROM credit_order WHERE hold_id IS NOT NULL) AS o
    ON o.hold_id = h.hold_id AND o.order_id = h.order_id AND o.segment_id = h.segment_id
WHERE h.hold_id IS NULL OR o.hold_id IS NULL OR h.kind IS DISTINCT FROM o.hold_kind
ORDER BY 1, 2 LIMIT 1
"""

_STOPS: Final = """
SELECT * FROM (
    SELECT a.account_id, a.status AS found, CASE WHEN EXISTS (
        SELECT FROM order_hold h
        WHERE h.customer_id = a.customer_id AND h.kind = 'STOP' AND h.status = 'OPEN'
            AND (h.segment_id IS NULL OR h.segment_id = a.segment_id))
        THEN 'STOPPED' ELSE 'OPEN' END AS expected
    FROM account a JOIN customer c ON c.customer_id = a.customer_id
    WHERE c.merged_into IS NULL) AS a
WHERE found <> expected
ORDER BY account_id LIMIT 1
"""

_OLDEST: Final = "SELECT decision_id FROM decision ORDER BY decision_id LIMIT 1"

_KEYS: Final = """
SELECT k.client, k.key, k.decision_id FROM request_key k
WHERE k.decision_id >= %(floor)s AND NOT EXISTS (
    SELECT FROM decision d WHERE d.decision_id = k.decision_id)
ORDER BY k.decision_id LIMIT 1
"""

_CLIENTS: Final = """
SELECT k.client AS expected, k.key, d.decision_id, d.account_id, d.client AS found
FROM request_key k JOIN decision d ON d.decision_id = k.decision_id
WHERE d.client <> k.client
ORDER BY d.decision_id LIMIT 1
"""

_ANSWERED: Final = """
SELECT k.client, k.key, k.answer ->> 'order_hold_id' AS hold_id FROM request_key k
WHERE k.answer ->> 'order_hold_id' IS NOT NULL AND NOT EXISTS (
    SELECT FROM order_hold h WHERE h.hold_id::text = k.answer ->> 'order_hold_id')
ORDER BY k.client, k.key LIMIT 1
"""

_ENTRIES: Final = """
SELECT j.account_id, j.seq, j.decision_id FROM journal j
WHERE j.decision_id >= %(floor)s AND NOT EXISTS (
    SELECT FROM decision d WHERE d.decision_id = j.decision_id)
ORDER BY j.account_id, j.seq LIMIT 1
"""


def check_quarantine(snapshot: Snapshot) -> Iterator[Difference]:
    """Count the events that wait for each account."""
    for row in snapshot.rows(_QUARANTINE):
        yield Difference(
            row["account_id"],
            f"quarantined: expected {row['expected']} waiting events, found {row['found']}",
        )


def check_holds(snapshot: Snapshot) -> Iterator[Difference]:
    """Match open holds of orders and the orders that are on hold, one to one."""
    for row in snapshot.rows(_HOLDS):
        if row["expected"] is None:
            text = f"expected no hold or one that is open, found {row['found']}, which is not"
        elif row["found"] is None:
            text = f"expected the open hold {row['expected']}, found another or none"
        else:
            text = f"expected a hold {row['expected_kind']}, found {row['found_kind']}"
        yield Difference(row["account_id"], f"order {row['order_id']}: {text}")


def check_stops(snapshot: Snapshot) -> Iterator[Difference]:
    """Let the status of every account follow from its customer's open stops."""
    for row in snapshot.rows(_STOPS):
        yield Difference(
            row["account_id"], f"status: expected {row['expected']}, found {row['found']}"
        )


def check_decision_ids(snapshot: Snapshot) -> Iterator[Difference]:
    """Look up the decision of every key and journal entry, as far back as decisions are kept.

    A decision is of the client whose key it was asked with, and a hold that was answered exists: a
    forced one may have been placed where no decision ever met it.
    """
    oldest = snapshot.rows(_OLDEST)
    floor = {"floor": month_of(oldest[0]["decision_id"]) if oldest else UUID(int=0)}
    for row in snapshot.rows(_KEYS, floor):
        yield Difference(
            None,
            f"key {row['key']} of client {row['client']}: expected its decision"
            f" {row['decision_id']}, found none",
        )
    for row in snapshot.rows(_ENTRIES, floor):
        yield Difference(
            row["account_id"],
            f"journal entry {row['seq']}: expected its decision {row['decision_id']}, found none",
        )
    for row in snapshot.rows(_CLIENTS):
        text = f"decision {row['decision_id']}: client: expected {row['expected']}, with whose key"
        yield Difference(row["account_id"], f"{text} it was asked, found {row['found']}")
    for row in snapshot.rows(_ANSWERED):
        text = f"key {row['key']} of client {row['client']}: expected the hold {row['hold_id']}"
        yield Difference(None, f"{text} that it was answered, found none")
