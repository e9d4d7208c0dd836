"""Adjustments: each follows from its drift or from what it takes back, and is in the journal."""

from collections.abc import Iterator
from typing import Any, Final

from app.store.checker_ground import CATEGORIES, Difference, Snapshot, money
from app.store.checker_positions import OWN

_DRIFTS: Final = """
SELECT a.account_id, coalesce(a.adjustment_id, d.drift_id) AS name, a.adjustment_id, d.drift_id,
    coalesce(a.currency, d.currency) AS currency, a.amount_minor AS found,
    d.theirs_minor - d.ours_minor AS expected, a.category AS found_category, d.category
FROM (SELECT * FROM adjustment WHERE kind = 'DRIFT') AS a
FULL JOIN (SELECT * FROM drift WHERE status = 'ADJUSTED') AS d ON d.drift_id = a.drift_id
WHERE a.adjustment_id IS NULL OR d.drift_id IS NULL
    OR a.amount_minor <> d.theirs_minor - d.ours_minor
    OR a.category <> d.category OR a.currency <> d.currency
ORDER BY 2 LIMIT 1
"""

_BACK: Final = """
SELECT r.account_id, r.adjustment_id, d.adjustment_id IS NOT NULL AS known,
    r.currency, d.amount_minor, sum(r.amount_minor) OVER (PARTITION BY r.reverses) AS back_minor,
    (r.account_id, r.category, r.currency) = (d.account_id, d.category, d.currency)
        AND d.kind = 'DRIFT' AND sign(r.amount_minor) = -sign(d.amount_minor) AS alike
FROM adjustment r LEFT JOIN adjustment d ON d.adjustment_id = r.reverses
WHERE r.kind <> 'DRIFT'
"""

_FAULTS: Final = f"""
SELECT * FROM ({_BACK}) AS b
WHERE NOT known OR alike IS NOT TRUE OR abs(back_minor) > abs(amount_minor)
ORDER BY adjustment_id LIMIT 1
"""  # noqa: S608 - made of constants

_ENTRIES: Final = """
SELECT a.account_id, a.adjustment_id
FROM adjustment a
LEFT JOIN (SELECT DISTINCT ref FROM journal WHERE kind = 'ADJUSTMENT') AS j
    ON j.ref = a.adjustment_id::text
WHERE j.ref IS NULL AND a.kind <> 'GIVEN_WAY'
ORDER BY a.adjustment_id LIMIT 1
"""

_BELOW: Final = f"""
WITH {OWN}
SELECT * FROM own
WHERE least(authorized, open_delivery, open_item, note_receivable, prepayment) < 0
ORDER BY account_id, currency LIMIT 1
"""  # noqa: S608 - made of constants


def check_adjustments(snapshot: Snapshot) -> Iterator[Difference]:
    """Hold adjustments to drifts, to each other and to the journal; no own figure is below 0."""
    for row in snapshot.rows(_DRIFTS):
        yield Difference(row["account_id"], _drift_fault(row))
    for row in snapshot.rows(_FAULTS):
        text = f"adjustment {row['adjustment_id']}: expected to take back"
        if not row["known"] or not row["alike"]:
            yield Difference(row["account_id"], f"{text} one of its figure, with the other sign")
            continue
        most, back = (money(row[name], row["currency"]) for name in ("amount_minor", "back_minor"))
        yield Difference(row["account_id"], f"{text} no more than {most}, found {back} in all")
    for row in snapshot.rows(_ENTRIES):
        yield Difference(
            row["account_id"],
            f"adjustment {row['adjustment_id']}: expected a journal entry, found none",
        )
    for row in snapshot.rows(_BELOW):
        name = next(name for name in CATEGORIES if row[name] < 0)
        yield Difference(
            row["account_id"],
            f"{name}: expected documents and adjustments of at least 0,"
            f" found {money(row[name], row['currency'])}",
        )


def _drift_fault(row: dict[str, Any]) -> str:
    if row["adjustment_id"] is None:
        return f"drift {row['drift_id']}: expected its adjustment, found none"
    text = f"adjustment {row['adjustment_id']}: expected"
    if row["drift_id"] is None:
        return f"{text} a drift that it answers, found none"
    if row["found"] != row["expected"]:
        amounts = [money(row[name], row["currency"]) for name in ("expected", "found")]
        return f"{text} {amounts[0]} from its drift, found {amounts[1]}"
    return f"{text} the figure of its drift ({row['category']}), found {row['found_category']}"
