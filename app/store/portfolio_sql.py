"""What is read out of the database for features, in the column order of `portfolio.COLUMNS`.

Every statement takes `ids`, an array of customers. Amounts of a customer are those in the currency
of its account in `main`, or else of its first account. What was known of a customer under an id
that was merged into it is known of it.
"""

from collections.abc import Sequence
from typing import Final

from app.store.behaviour import LOWERED
from app.store.portfolio_lines import CUSTOMERS_A_ROW, DISPUTE, DISPUTED, LINE, NAME

_TEXTS: Final = frozenset(
    {"customer_id", "currency", "parent_id", "kind", "role", "figures", "ratios"}
)
"""Columns that are quoted; the others are numbers and days, in which no comma can be."""


def lines(query: str, columns: Sequence[str]) -> str:
    """Let the database write all rows of a statement as one value: lines of CSV, null is empty."""
    written = ", ',', ".join(_field(f'q."{name}"', quoted=name in _TEXTS) for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    rows = f"({query}) AS q({names})"
    return f"SELECT string_agg(concat({written}, chr(10)), '') FROM {rows}"  # noqa: S608 - as below


def _field(column: str, *, quoted: bool) -> str:
    if not quoted:
        return column
    return f"""'"' || replace({column}::text, '"', '""') || '"'"""


_ACCOUNT = """
SELECT DISTINCT ON (a.customer_id) a.customer_id, a.account_id, a.currency, s.time_zone
FROM account a JOIN segment s ON s.segment_id = a.segment_id
WHERE a.customer_id = any(%(ids)s)
ORDER BY a.customer_id, a.segment_id <> 'main', a.account_id
"""

# Of what was told otherwise before, only the ids come: `portfolio_retold` writes its lines.
INVOICES: Final = f"""
SELECT string_agg({LINE}, '') FILTER (WHERE NOT i.retold),
    array_agg(ARRAY[i.segment_id, i.invoice_id]) FILTER (WHERE i.retold)
FROM (
    SELECT c.place, {NAME} AS name, i.segment_id, i.invoice_id, i.issue_date, i.due_date,
        i.amount_minor, i.currency, {DISPUTED} AS disputed, EXISTS (SELECT FROM retold r
            WHERE r.segment_id = i.segment_id AND r.invoice_id = i.invoice_id) AS retold
    FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS c(customer_id, place)
    JOIN account a ON a.customer_id = c.customer_id
    JOIN invoice i ON i.account_id = a.account_id
    {DISPUTE}
    WHERE i.amount_minor > 0
) AS i
LEFT JOIN LATERAL ({LOWERED}) AS lowered ON true
GROUP BY i.place / {CUSTOMERS_A_ROW}
UNION ALL
SELECT NULL, array_agg(ARRAY[r.segment_id, r.invoice_id])
FROM customer_ref c
JOIN account a ON a.customer_id = c.ref
JOIN retold r ON r.account_id = a.account_id AND r.account_id > 0
WHERE c.customer_id = any(%(ids)s)
"""  # noqa: S608 - made of statements of this package

CUSTOMERS: Final = f"""
SELECT c.customer_id, a.currency, c.since, c.parent_id
FROM customer c LEFT JOIN ({_ACCOUNT}) AS a ON a.customer_id = c.customer_id
WHERE c.customer_id = any(%(ids)s)
"""  # noqa: S608 - made of statements of this package

LIMITS: Final = f"""
SELECT a.customer_id, l.kind, (l.decided_at AT TIME ZONE a.time_zone)::date,
    (l.ended_at AT TIME ZONE a.time_zone)::date, l.valid_from, l.valid_to, l.limit_minor,
    row_number() OVER (ORDER BY l.decided_at, l.created_at, l.limit_id)
FROM ({_ACCOUNT}) AS a JOIN credit_limit l ON l.account_id = a.account_id
WHERE l.status IN ('APPROVED', 'ENDED') AND l.decided_at IS NOT NULL
    AND (l.currency = a.currency OR l.limit_minor IS NULL)
"""  # noqa: S608 - made of statements of this package

STATEMENTS: Final = """
SELECT r.customer_id, f.period_end, f.known_on, f.currency, f.figures, f.ratios
FROM customer_ref r JOIN financial_statement f ON f.customer_id = r.ref
WHERE r.customer_id = any(%(ids)s) ORDER BY f.statement_id
"""

SIGNALS: Final = """
SELECT r.customer_id, g.known_on, g.kind, g.role, g.ended_on
FROM customer_ref r JOIN registry_signal g ON g.customer_id = r.ref
WHERE r.customer_id = any(%(ids)s)
"""

SIBLINGS_AT_MOST: Final = 100
"""Of a larger family each customer sees the first so many by id, besides itself."""

RELATIVES: Final = f"""
SELECT DISTINCT unnest(ARRAY[c.parent_id] || s.ids) AS customer_id
FROM customer c CROSS JOIN LATERAL (
    SELECT array(SELECT o.customer_id FROM customer o WHERE o.parent_id = c.parent_id
    AND o.merged_into IS NULL ORDER BY o.customer_id LIMIT {SIBLINGS_AT_MOST}) AS ids) AS s
WHERE c.customer_id = any(%(ids)s) AND c.parent_id IS NOT NULL
"""  # noqa: S608 - a number of this file

# All invoices at once: joined as a whole, not looked up one by one as `LOWERED` is. Those of which
# something else was told before are not among them.
BACKGROUND: Final = """
SELECT count(*) FILTER (WHERE by_day >= amount OR due < :day),
    count(*) FILTER (WHERE due < :day AND by_due < amount),
    count(*) FILTER (WHERE by_day >= amount OR due + 30 < :day),
    count(*) FILTER (WHERE due + 30 < :day AND by_30 < amount)
FROM (
    SELECT i.due_date AS due, i.amount_minor AS amount,
        coalesce(sum(lowered.minor) FILTER (WHERE lowered.day <= :day), 0) AS by_day,
        coalesce(sum(lowered.minor) FILTER (WHERE lowered.day <= i.due_date), 0) AS by_due,
        coalesce(sum(lowered.minor) FILTER (WHERE lowered.day <= i.due_date + 30), 0) AS by_30
    FROM invoice i LEFT JOIN (
        SELECT l.segment_id, l.invoice_id, p.currency, p.paid_date AS day,
            l.amount_minor + l.discount_minor AS minor
        FROM allocation l
        JOIN payment p ON p.segment_id = l.segment_id AND p.payment_id = l.payment_id
        LEFT JOIN note n ON n.segment_id = p.segment_id AND n.note_id = p.note_id
        WHERE p.amount_minor > 0 AND p.status = 'FINAL' AND n.status IS DISTINCT FROM 'DISHONOURED'
        UNION ALL
        SELECT c.segment_id, c.invoice_id, c.currency, c.credit_date, c.amount_minor FROM credit c
        WHERE c.invoice_id IS NOT NULL AND c.amount_minor > 0
    ) AS lowered ON lowered.segment_id = i.segment_id AND lowered.invoice_id = i.invoice_id
        AND lowered.currency = i.currency
    WHERE i.amount_minor > 0 AND i.issue_date <= :day AND NOT EXISTS (SELECT FROM retold r
        WHERE r.segment_id = i.segment_id AND r.invoice_id = i.invoice_id)
    GROUP BY i.segment_id, i.invoice_id
) AS seen
"""

SIZES: Final = """
SELECT c.customer_id, (SELECT count(*) FROM account a JOIN invoice i ON i.account_id = a.account_id
    WHERE a.customer_id = c.customer_id)
FROM customer c WHERE c.customer_id > %(after)s AND c.merged_into IS NULL
ORDER BY c.customer_id LIMIT %(most)s
"""
