"""The journal by itself, and the accounts against it and against the groups they belong to."""

from collections.abc import Iterator
from typing import Any, Final

from app.store.checker_ground import CATEGORIES, Difference, Snapshot, money

_PATHS: Final = """
WITH RECURSIVE place AS (
    SELECT c.customer_id, CASE WHEN r.customer_id <> c.customer_id THEN r.customer_id
        ELSE c.parent_id END AS above
    FROM customer c LEFT JOIN customer_ref r ON r.ref = c.customer_id
),
up AS (
    SELECT a.account_id, a.segment_id, p.above, ARRAY[a.account_id] AS path
    FROM account a JOIN place p ON p.customer_id = a.customer_id
    UNION ALL
    SELECT u.account_id, u.segment_id, p.above, u.path || g.account_id
    FROM up u JOIN place p ON p.customer_id = u.above
    LEFT JOIN account g ON g.customer_id = p.customer_id AND g.segment_id = u.segment_id
    WHERE cardinality(u.path) < 32
)
SELECT a.account_id, a.path, u.path AS expected
FROM account a LEFT JOIN up u ON u.account_id = a.account_id AND u.above IS NULL
WHERE u.path IS DISTINCT FROM a.path
ORDER BY a.account_id LIMIT 1
"""
"""Accounts whose path is not their customer's chain; a merged record stands under its heir."""

_RULES: Final = """
SELECT * FROM (
    SELECT account_id, seq, kind, limit_minor, unlimited, forced_minor,
        authorized_minor + open_delivery_minor + open_item_minor + note_receivable_minor
            - prepayment_minor AS used,
        CASE WHEN unlimited THEN 0 ELSE greatest(0, authorized_minor + open_delivery_minor
            + open_item_minor + note_receivable_minor - prepayment_minor
            - coalesce(limit_minor, 0)) END AS excess,
        least(authorized_minor, open_delivery_minor, open_item_minor, note_receivable_minor,
            prepayment_minor, forced_minor, coalesce(limit_minor, 0)) AS least,
        row_number() OVER w AS place, coalesce(lag(forced_minor) OVER w, 0) AS forced_before
    FROM journal WINDOW w AS (PARTITION BY account_id ORDER BY seq)
) AS j
WHERE seq <> place OR least < 0 OR forced_minor <> excess
    OR (kind = 'AUTHORIZE' AND (excess > 0 OR forced_minor > forced_before))
ORDER BY account_id, seq LIMIT 1
"""

_NOBODY: Final = """
SELECT j.account_id, j.seq FROM journal j
WHERE NOT EXISTS (SELECT FROM account a WHERE a.account_id = j.account_id)
ORDER BY j.account_id, j.seq LIMIT 1
"""

_BALANCES: Final = (*(f"{name}_minor" for name in CATEGORIES), "limit_minor", "forced_minor")
_COMPARED: Final = (*_BALANCES, "unlimited", "foreign_use")

_LAST: Final = f"""
WITH ends AS (SELECT account_id, max(seq) AS seq FROM journal GROUP BY account_id)
SELECT a.account_id, a.currency, a.seq, coalesce(j.seq, 0) AS journal_seq,
    {", ".join(f"a.{name} AS account_{name}" for name in _COMPARED)},
    {", ".join(f"j.{name} AS journal_{name}" for name in _COMPARED)}
FROM account a
LEFT JOIN (SELECT j.* FROM journal j JOIN ends e ON e.account_id = j.account_id AND e.seq = j.seq)
    AS j ON j.account_id = a.account_id
WHERE a.seq <> coalesce(j.seq, 0)
    OR a.limit_minor IS DISTINCT FROM j.limit_minor
    OR a.unlimited <> coalesce(j.unlimited, false)
    OR a.foreign_use IS DISTINCT FROM j.foreign_use
    OR ({", ".join(f"a.{name}_minor" for name in (*CATEGORIES, "forced"))})
        <> ({", ".join(f"coalesce(j.{name}_minor, 0)" for name in (*CATEGORIES, "forced"))})
ORDER BY a.account_id LIMIT 1
"""  # noqa: S608 - made of constants


def check_paths(snapshot: Snapshot) -> Iterator[Difference]:
    """Follow every account's customer upwards, to its groups or to who took it over."""
    for row in snapshot.rows(_PATHS):
        expected = row["expected"] or "no group that contains itself"
        yield Difference(
            row["account_id"],
            f"path: expected {expected} from the parents of its customer, found {row['path']}",
        )


def check_entries(snapshot: Snapshot) -> Iterator[Difference]:
    """Hold every entry to what must be true after it, and the entries to 1, 2, 3, …."""
    for row in snapshot.rows(_RULES):
        yield Difference(row["account_id"], f"journal entry {_entry_fault(row)}")
    for row in snapshot.rows(_NOBODY):
        yield Difference(
            row["account_id"], f"journal entry {row['seq']}: expected none, there is no account"
        )


def _entry_fault(row: dict[str, Any]) -> str:
    seq, limit = row["seq"], row["limit_minor"] or 0
    if seq != row["place"]:
        return f"{row['place']}: expected, found {seq} in its place"
    if row["least"] < 0:
        return f"{seq}: expected no amount below 0, found {row['least']} minor units"
    if row["kind"] == "AUTHORIZE" and row["excess"]:
        return f"{seq} (AUTHORIZE): expected a use of at most {limit} minor units (the limit), \
found {row['used']}"
    if row["kind"] == "AUTHORIZE" and row["forced_minor"] > row["forced_before"]:
        return f"{seq} (AUTHORIZE): forced: expected at most {row['forced_before']} minor units as \
before, found {row['forced_minor']}"
    return f"{seq} ({row['kind']}): forced: expected {row['excess']} minor units, what \
{row['used']} is above the limit of {limit}, found {row['forced_minor']}"


def check_last_entries(snapshot: Snapshot) -> Iterator[Difference]:
    """Hold every account to its last journal entry; without one it must be empty."""
    for row in snapshot.rows(_LAST):
        yield Difference(row["account_id"], _row_fault(row))


def _row_fault(row: dict[str, Any]) -> str:
    if row["seq"] != row["journal_seq"]:
        return f"seq: expected {row['journal_seq']}, where its journal ends, found {row['seq']}"
    seen = f"as in its journal entry {row['seq']}" if row["seq"] else "for it has no journal entry"
    for name in _BALANCES:
        expected, found = row[f"journal_{name}"], row[f"account_{name}"]
        if name != "limit_minor":
            expected = expected or 0
        if expected != found:
            texts = money(expected, row["currency"]), money(found, row["currency"])
            return f"{name.removesuffix('_minor')}: expected {texts[0]} {seen}, found {texts[1]}"
    for name in ("unlimited", "foreign_use"):
        expected, found = row[f"journal_{name}"], row[f"account_{name}"]
        if expected != found and (expected or found):
            return f"{name}: expected {expected} {seen}, found {found}"
    return f"expected it {seen}, found another"
