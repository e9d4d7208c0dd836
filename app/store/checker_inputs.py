"""What decisions rest on besides the ledger: inputs of accounts, and policies in force."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from app.store.checker_ground import Difference, Snapshot

_VERSIONS: Final = """
SELECT a.account_id, a.input_version AS found, coalesce(i.newest, 0) AS expected,
    coalesce(i.many, 0) AS many
FROM account a LEFT JOIN (
    SELECT account_id, max(version) AS newest, count(*) AS many FROM account_input
    GROUP BY account_id) AS i ON i.account_id = a.account_id
WHERE a.input_version <> coalesce(i.newest, 0) OR coalesce(i.many, 0) <> coalesce(i.newest, 0)
ORDER BY a.account_id LIMIT 1
"""

_SAID: Final = """
SELECT a.account_id, i.data -> 'active' AS found, c.active AS expected
FROM account a
JOIN account_input i ON i.account_id = a.account_id AND i.version = a.input_version
JOIN customer c ON c.customer_id = a.customer_id
WHERE i.data -> 'active' IS DISTINCT FROM to_jsonb(c.active) AND i.data -> 'active' IS NOT NULL
ORDER BY a.account_id LIMIT 1
"""

_SNOOZED: Final = """
SELECT a.account_id, i.data -> 'snoozed' AS told, (
    SELECT json_agg(json_build_array(s.rule_id, s.expires_at)) FROM rule_snooze s
    WHERE s.customer_id = a.customer_id AND s.segment_id = a.segment_id AND s.ended_at IS NULL
) AS said
FROM account a
JOIN account_input i ON i.account_id = a.account_id AND i.version = a.input_version
WHERE jsonb_typeof(i.data -> 'snoozed') = 'object' AND i.data -> 'snoozed' <> '{}'
ORDER BY a.account_id
"""

_FOR_RULES: Final = """
SELECT a.account_id
FROM account a
JOIN account_input i ON i.account_id = a.account_id AND i.version = a.input_version
WHERE CAST(i.for_rules AS jsonb) <> i.data #- '{score,reasons}'
ORDER BY a.account_id LIMIT 1
"""

_POLICIES: Final = """
WITH n AS (
    SELECT segment_id, rule_set_version AS version, NULL AS from_then FROM segment
    UNION ALL SELECT segment_id, next_rule_set_version, next_rule_set_at FROM segment
    UNION ALL SELECT NULL, rule_set_version, NULL FROM rule_set_default
    UNION ALL SELECT NULL, next_rule_set_version, next_rule_set_at FROM rule_set_default)
SELECT n.segment_id, n.version, l.status
FROM n LEFT JOIN rule_set_life l ON l.version = n.version
WHERE n.version IS NOT NULL AND EXISTS (SELECT FROM rule_set)
    AND (l.status IS DISTINCT FROM 'APPROVED'
    OR (l.decided_by IS NOT NULL AND NOT EXISTS (
        SELECT FROM rule_set_activation a
        WHERE a.version = n.version AND NOT a.follows
            AND (a.segment_id IS NULL OR a.segment_id = n.segment_id)
            AND CASE WHEN n.from_then IS NOT NULL THEN a.effective_at = n.from_then
                ELSE a.effective_at = a.at OR EXISTS (
                    SELECT FROM rule_set_activation b
                    WHERE b.activation_id > a.activation_id AND b.at >= a.effective_at) END)))
ORDER BY n.segment_id, n.version LIMIT 1
"""
"""A version that nobody decided on ships with the program, or judged before versions had a life.

What was scheduled is the version in force once an activation after its moment has made it so; until
then it waits. A database that no service has begun with has no version at all. No clock is asked:
that of the service is another one.
"""


def check_inputs(snapshot: Snapshot) -> Iterator[Difference]:
    """Let every account point to the newest of its inputs, of which none is missing.

    The newest says of the customer what is said elsewhere: whether it is active, what is snoozed.
    What lanes read is what is stored.
    """
    for row in snapshot.rows(_VERSIONS):
        if row["found"] != row["expected"]:
            text = f"input_version: expected {row['expected']}, the newest, found {row['found']}"
        else:
            text = f"inputs: expected {row['expected']} versions, found {row['many']}"
        yield Difference(row["account_id"], text)
    for row in snapshot.rows(_SAID):
        text = f"active: expected {row['expected']} as its customer, found {row['found']}"
        yield Difference(row["account_id"], f"inputs: {text}")
    for row in snapshot.rows(_FOR_RULES):
        text = "for_rules: expected data without the score's reasons, found something else"
        yield Difference(row["account_id"], f"inputs: {text}")
    for row in snapshot.stream(_SNOOZED):
        said = {(rule_id, datetime.fromisoformat(at)) for rule_id, at in row["said"] or ()}
        for rule_id, until in row["told"].items():
            if (rule_id, _moment(until)) not in said:
                text = f"inputs: rule {rule_id} snoozed until {until}: expected one who said so"
                yield Difference(row["account_id"], f"{text}, found nobody")


def _moment(told: str) -> datetime | None:
    try:
        return datetime.fromisoformat(told)
    except ValueError:
        return None


def check_policies(snapshot: Snapshot) -> Iterator[Difference]:
    """Let nothing judge a segment, now or later, that nobody approved and put in force there."""
    for row in snapshot.rows(_POLICIES):
        where = "the default" if row["segment_id"] is None else f"segment {row['segment_id']}"
        text = f"{where}: version {row['version']} of the rules: expected"
        if row["status"] == "APPROVED":
            yield Difference(None, f"{text} an activation that puts it in force, found none")
            continue
        yield Difference(None, f"{text} APPROVED, found {row['status'] or 'one without a life'}")
