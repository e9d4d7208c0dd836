"""What decisions rest on besides the ledger: inputs, policies in force, and releases of orders."""

from collections.abc import Iterator
from typing import Final

from app.store.checker_ground import Difference, Snapshot, money

_VERSIONS: Final = """
SELECT a.account_id, a.input_version AS found, coalesce(i.newest, 0) AS expected,
    coalesce(i.many, 0) AS many
FROM account a LEFT JOIN (
    SELECT account_id, max(version) AS newest, count(*) AS many FROM account_input
    GROUP BY account_id) AS i ON i.account_id = a.account_id
WHERE a.input_version <> coalesce(i.newest, 0) OR coalesce(i.many, 0) <> coalesce(i.newest, 0)
ORDER BY a.account_id LIMIT 1
"""

_POLICIES: Final = """
SELECT s.segment_id, n.version, l.status
FROM segment s CROSS JOIN LATERAL (
    VALUES (s.rule_set_version), (s.next_rule_set_version)) AS n(version)
LEFT JOIN rule_set_life l ON l.version = n.version
WHERE n.version IS NOT NULL AND l.status IS DISTINCT FROM 'APPROVED'
ORDER BY s.segment_id LIMIT 1
"""

_RELEASES: Final = """
SELECT o.account_id, o.order_id, o.currency, o.released_max_minor FROM credit_order o
WHERE o.released_max_minor IS NOT NULL AND NOT EXISTS (
    SELECT FROM order_hold h WHERE h.segment_id = o.segment_id AND h.order_id = o.order_id
        AND h.status = 'RELEASED')
ORDER BY o.account_id, o.order_id LIMIT 1
"""


def check_inputs(snapshot: Snapshot) -> Iterator[Difference]:
    """Let every account point to the newest of its inputs, of which none is missing."""
    for row in snapshot.rows(_VERSIONS):
        if row["found"] != row["expected"]:
            text = f"input_version: expected {row['expected']}, the newest, found {row['found']}"
        else:
            text = f"inputs: expected {row['expected']} versions, found {row['many']}"
        yield Difference(row["account_id"], text)


def check_policies(snapshot: Snapshot) -> Iterator[Difference]:
    """Let nothing judge a segment, now or later, that nobody approved."""
    for row in snapshot.rows(_POLICIES):
        found = row["status"] or "one without a life"
        text = f"segment {row['segment_id']}: version {row['version']} of the rules"
        yield Difference(None, f"{text}: expected APPROVED, found {found}")


def check_releases(snapshot: Snapshot) -> Iterator[Difference]:
    """Let no order be let pass up to an amount unless a person released a hold of it."""
    for row in snapshot.rows(_RELEASES):
        most = money(row["released_max_minor"], row["currency"])
        text = f"order {row['order_id']}: released up to {most}: expected a hold that was released"
        yield Difference(row["account_id"], f"{text}, found none")
