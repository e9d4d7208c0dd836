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


NAME: Final = f"""concat({_QUOTED.format("c.customer_id")}, {_QUOTED.format("i.segment_id")},
        {_QUOTED.format("i.invoice_id")}, ',,')"""
"""The first five fields of an invoice `i` of a customer `c` that is known as it is ever since."""

LINE: Final = """concat(i.name, i.issue_date, ',', i.due_date, ',', i.amount_minor, ',',
    i.currency, ',', i.disputed, ',', lowered.day, ',', lowered.minor, chr(10))"""
"""An invoice `i` with a row of `lowered`."""

# A dispute is known since it was first reported open, which only the reports tell: the document is
# of the newest version, be it the end. Any order of the same reports gives the same day; offsets
# that PostgreSQL does not take are left to the document. Reports of quarantine count once applied.
_OPENED: Final = """
    SELECT (CASE WHEN e.payload ->> 'occurred_at' ~* '(z|[+-](0[0-9]|1[0-4]):[0-9]{2})$'
        THEN (e.payload ->> 'occurred_at')::timestamptz END AT TIME ZONE s.time_zone)::date AS day
    FROM ledger_event e JOIN segment s ON s.segment_id = d.segment_id
    WHERE e.type = 'dispute' AND e.payload ->> 'invoice_id' = d.invoice_id
        AND coalesce(e.payload ->> 'segment', 'main') = d.segment_id
        AND e.payload ->> 'open' = 'true'
        AND (e.result <> 'quarantined' OR EXISTS (SELECT FROM quarantine q
            WHERE q.source = e.source AND q.event_id = e.event_id AND q.status = 'APPLIED'))"""

# A dispute reported on the day of the invoice is a flag of an imported file, whose day nobody
# knows: it is known today (wherever that began first), and of a paid invoice since it was paid at
# the latest. One that was only ever reported closed is none.
DISPUTED: Final = f"""CASE WHEN d.since IS NULL THEN ',' ELSE coalesce((
        SELECT concat(CASE WHEN o.reported IS NOT NULL THEN o.reported
            WHEN NOT o.is_flag AND d.since > i.issue_date THEN d.since
            ELSE current_date - 1 END, ',', o.is_flag)
        FROM (SELECT min(day) FILTER (WHERE day > i.issue_date) AS reported,
                coalesce(bool_or(day <= i.issue_date), d.since <= i.issue_date) AS is_flag,
                count(*) AS number
            FROM ({_OPENED}) AS opened) AS o
        WHERE d.open OR o.number > 0), ',') END"""  # noqa: S608 - a constant
"""Two fields of a line: since when a dispute `d` of an invoice `i` is known, and whether it is such
a flag."""

DISPUTE: Final = """LEFT JOIN dispute d
        ON d.segment_id = i.segment_id AND d.invoice_id = i.invoice_id"""
"""What `DISPUTED` speaks of, joined to an invoice `i`."""
