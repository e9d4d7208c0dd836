"""Every account's counters against the sum of documents and reservations it pools."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.store.checker_documents import CARRIED, ITEMS
from app.store.checker_ground import (
    CATEGORIES,
    NOTHING,
    Amounts,
    Difference,
    Snapshot,
    amounts,
    columns,
    money,
    plus,
    worth,
)

OWN: Final = f"""{CARRIED}, {ITEMS},
share AS (
    SELECT o.account_id, o.currency, CASE WHEN o.state = 'LIVE' AND o.counts_from IS NULL
            THEN greatest(0, o.authorized_minor
            - greatest(coalesce(c.delivered_minor, 0), coalesce(c.invoiced_minor, 0)))
            ELSE 0 END AS authorized,
        0 AS open_delivery, 0 AS open_item, 0 AS note_receivable, 0 AS prepayment
    FROM credit_order o
    LEFT JOIN carried c ON c.segment_id = o.segment_id AND c.order_id = o.order_id
        AND c.account_id = o.account_id AND c.currency = o.currency
    UNION ALL
    SELECT account_id, currency, 0, greatest(0, delivered_minor - invoiced_minor), 0, 0, 0
    FROM carried
    UNION ALL
    SELECT account_id, currency, 0, 0, open_minor, 0, excess_minor FROM item
    UNION ALL
    SELECT account_id, currency, 0, 0, 0, note_receivable_minor, prepayment_minor FROM money
    UNION ALL
    SELECT account_id, currency, 0, 0, 0, 0, prepayment_minor FROM giving
    UNION ALL
    SELECT account_id, currency, 0,
        CASE category WHEN 'OPEN_DELIVERY' THEN amount_minor ELSE 0 END,
        CASE category WHEN 'OPEN_ITEM' THEN amount_minor ELSE 0 END,
        CASE category WHEN 'NOTE_RECEIVABLE' THEN amount_minor ELSE 0 END,
        CASE category WHEN 'PREPAYMENT' THEN amount_minor ELSE 0 END
    FROM adjustment
),
own AS (
    SELECT account_id, currency, sum(authorized) AS authorized,
        sum(open_delivery) AS open_delivery, sum(open_item) AS open_item,
        sum(note_receivable) AS note_receivable, sum(prepayment) AS prepayment
    FROM share GROUP BY account_id, currency
)"""  # noqa: S608 - made of constants
"""Per account and currency: what its own documents, not its members', sum up to (CTE `own`)."""

_POOLED: Final = f"""
WITH {OWN},
pooled AS (
    SELECT coalesce(g.group_id, o.account_id) AS account_id, o.currency,
        sum(authorized) AS authorized,
        sum(open_delivery) AS open_delivery, sum(open_item) AS open_item,
        sum(note_receivable) AS note_receivable, sum(prepayment) AS prepayment
    FROM own o
    LEFT JOIN account a ON a.account_id = o.account_id
    LEFT JOIN LATERAL unnest(a.path) AS g(group_id) ON true
    GROUP BY 1, 2
),
by_account AS (
    SELECT account_id, jsonb_object_agg(currency, jsonb_build_array(
        authorized, open_delivery, open_item, note_receivable, prepayment)) AS positions
    FROM pooled
    WHERE (authorized, open_delivery, open_item, note_receivable, prepayment) <> (0, 0, 0, 0, 0)
    GROUP BY account_id
)
SELECT account_id, a.account_id IS NOT NULL AS known, a.currency, a.foreign_use, b.positions,
    {", ".join(f"a.{name}_minor" for name in CATEGORIES)}
FROM account a FULL JOIN by_account b USING (account_id)
ORDER BY cardinality(a.path) DESC NULLS FIRST, account_id
"""  # noqa: S608 - made of constants
"""Members come before their groups, so that a difference is named where it arose."""

_RATES: Final = """
SELECT a.account_id, f.currency, f.held -> 'rate' AS rate
FROM account a CROSS JOIN LATERAL jsonb_each(a.foreign_use) AS f(currency, held)
WHERE a.foreign_use IS NOT NULL AND NOT EXISTS (
    SELECT FROM fx_rate r
    WHERE r.base = f.held -> 'rate' ->> 0 AND r.quote = f.held -> 'rate' ->> 1
        AND r.rate = (f.held -> 'rate' ->> 2)::numeric
        AND r.rate_date = (f.held -> 'rate' ->> 3)::date)
ORDER BY a.account_id LIMIT 1
"""


def check_positions(snapshot: Snapshot) -> Iterator[Difference]:
    """Sum documents per account and currency over it and its members, and value the sums."""
    for row in snapshot.stream(_POOLED):
        if not row["known"]:
            yield Difference(row["account_id"], "expected an account: documents are booked on it")
            continue
        positions = {
            currency: tuple(int(amount) for amount in held)
            for currency, held in (row["positions"] or {}).items()
        }
        fault = _foreign_fault(row, positions) or _total_fault(row, positions)
        if fault:
            yield Difference(row["account_id"], fault)
    for row in snapshot.rows(_RATES):
        yield Difference(
            row["account_id"],
            f"position in {row['currency']}: expected a stored rate, found {row['rate']}",
        )


def _foreign_fault(row: Mapping[str, Any], positions: Mapping[str, Amounts]) -> str | None:
    stored = {code: amounts(held) for code, held in (row["foreign_use"] or {}).items()}
    expected = {code: held for code, held in positions.items() if code != row["currency"]}
    for code in sorted({*stored, *expected}):
        one, other = expected.get(code, NOTHING), stored.get(code, NOTHING)
        for name, wanted, found in zip(CATEGORIES, one, other, strict=True):
            if wanted != found:
                texts = money(wanted, code), money(found, code)
                return f"{name} in {code}: expected {texts[0]} from documents, found {texts[1]}"
        if code not in expected:
            return f"position in {code}: expected none, for nothing is in it, found one"
    return None


def _total_fault(row: Mapping[str, Any], positions: Mapping[str, Amounts]) -> str | None:
    own = row["currency"]
    total = positions.get(own, NOTHING)
    for code, held in (row["foreign_use"] or {}).items():
        try:
            total = plus(total, worth(positions[code], code, own, held["rate"]))
        except ValueError as error:
            return f"position in {code}: {error}"
    for name, wanted, found in zip(CATEGORIES, total, columns(row), strict=True):
        if wanted != found:
            texts = money(wanted, own), money(found, own)
            return f"{name}: expected {texts[0]} from documents{_mixed(row)}, found {texts[1]}"
    return None


def _mixed(row: Mapping[str, Any]) -> str:
    codes = ", ".join(sorted(row["foreign_use"] or {}))
    return f" ({codes} valued by its rate)" if codes else ""
