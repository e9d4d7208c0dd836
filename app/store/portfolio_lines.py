"""Invoices as lines of CSV: one for each payment, or one without; an empty field is null."""

from typing import Final

CUSTOMERS_A_ROW: Final = 100
"""Invoices come as lines of text, those of so many customers in one value: a client that takes a
row an invoice, be it by COPY, spends more time on taking rows than the database on finding them."""

COLUMNS: Final = (
    "customer_id",
    "segment_id",
    "invoice_id",
    "known_on",
    "gone_on",
    "issue_date",
    "due_date",
    "amount_minor",
    "currency",
    "disputed_on",
    "undated",
    "paid_date",
    "paid_minor",
)
"""The fields of a line. An invoice of which something else was told before has several ids: one for
each time from `known_on` on (null: ever since), until `gone_on` (exclusive; null: still)."""

_QUOTED: Final = """concat('"', replace({0}, '"', '""'), '",')"""


def name(customer_id: str, segment_id: str, invoice_id: str) -> str:
    """Write the expression of a line's first three fields, which any character may be in."""
    return f"concat({', '.join(map(_QUOTED.format, (customer_id, segment_id, invoice_id)))})"


LINE: Final = """concat(i.name, i.known_on, ',', i.gone_on, ',', i.issue_date, ',', i.due_date,
    ',', i.amount_minor, ',', i.currency, ',', i.disputed_on, ',', i.undated, ',', lowered.day,
    ',', lowered.minor, chr(10))"""
"""An invoice `i` with a row of `lowered`."""

# A dispute is known since it was first reported open, which only the reports tell: the document is
# of the newest version, be it the end. Any order of the same reports gives the same day; offsets
# that PostgreSQL does not take are left to the document. Reports of quarantine count once applied.
_OPENED: Final = """
    SELECT (CASE WHEN e.payload ->> 'occurred_at' ~* '(z|[+-](0[0-9]|1[0-4]):[0-9]{2})$'
        THEN (e.payload ->> 'occurred_at')::timestamptz END AT TIME ZONE s.time_zone)::date AS day
    FROM ledger_event e
    WHERE e.type = 'dispute' AND e.payload ->> 'invoice_id' = d.invoice_id
        AND coalesce(e.payload ->> 'segment', 'main') = d.segment_id
        AND e.payload ->> 'open' = 'true'
        AND (e.result <> 'quarantined' OR EXISTS (SELECT FROM quarantine q
            WHERE q.source = e.source AND q.event_id = e.event_id AND q.status = 'APPLIED'))"""

# A dispute reported on the day of the invoice is a flag of an imported file, whose day nobody
# knows: it is known today (wherever that began first), and of a paid invoice since it was paid at
# the latest. One that was only ever reported closed is none.
DISPUTED: Final = """CASE WHEN d.reported IS NOT NULL THEN d.reported
        WHEN NOT d.is_flag AND d.since > i.issue_date THEN d.since
        WHEN d.since IS NOT NULL THEN current_date - 1 END AS disputed_on, d.is_flag AS undated"""

DISPUTE: Final = f"""LEFT JOIN LATERAL (
        SELECT d.since, opened.reported,
            coalesce(opened.is_flag, d.since <= i.issue_date) AS is_flag
        FROM dispute d
        JOIN segment s ON s.segment_id = d.segment_id
        CROSS JOIN LATERAL (
            SELECT min(day) FILTER (WHERE day > i.issue_date) AS reported,
                bool_or(day <= i.issue_date) AS is_flag, count(*) AS number
            FROM ({_OPENED}) AS o) AS opened
        WHERE d.segment_id = i.segment_id AND d.invoice_id = i.invoice_id
            AND (d.open OR opened.number > 0)) AS d ON true"""  # noqa: S608 - a constant
"""What `DISPUTED` speaks of, joined to an invoice `i`."""
