"""Invoices of which something else was told before: each cut into what was known of it, and when.

A document stands at the end of a day as the highest version told by then says. What was told first
counts from its own date on, however late it came; but a bill is OPEN until it is told otherwise. A
version told no earlier than a higher one never stood. Days are those of the document's segment.
"""

from typing import Final

from app.store.portfolio_lines import CUSTOMERS_A_ROW, DISPUTE, DISPUTED, LINE, name

_CURRENT: Final = """
    SELECT i.segment_id, 'invoice', i.invoice_id, i.version, i.told_at, i.account_id,
        jsonb_build_object('amount_minor', i.amount_minor, 'currency', i.currency,
        'issue_date', i.issue_date, 'due_date', i.due_date)
    FROM about a
    JOIN invoice i ON i.segment_id = a.segment_id AND i.invoice_id = a.document_id
    WHERE a.kind = 'invoice' AND i.version >= 0
    UNION ALL
    SELECT p.segment_id, 'payment', p.payment_id, p.version, p.told_at, p.account_id,
        jsonb_build_object('amount_minor', p.amount_minor, 'currency', p.currency,
        'paid_date', p.paid_date, 'status', p.status, 'note_id', p.note_id, 'allocations',
        coalesce((SELECT jsonb_agg(jsonb_build_array(l.invoice_id, l.amount_minor,
            l.discount_minor)) FROM allocation l
            WHERE l.segment_id = p.segment_id AND l.payment_id = p.payment_id), '[]'))
    FROM about a
    JOIN payment p ON p.segment_id = a.segment_id AND p.payment_id = a.document_id
    WHERE a.kind = 'payment'
    UNION ALL
    SELECT c.segment_id, c.kind, c.credit_id, c.version, c.told_at, c.account_id,
        jsonb_build_object('amount_minor', c.amount_minor, 'currency', c.currency,
        'credit_date', c.credit_date, 'invoice_id', c.invoice_id)
    FROM about a
    JOIN credit c ON c.segment_id = a.segment_id AND c.kind = a.kind
        AND c.credit_id = a.document_id
"""
"""The newest versions, written as past ones are."""

_HELD: Final = f"""said AS (
    SELECT v.segment_id, v.kind, v.document_id, v.version, v.told_at, v.account_id, v.body
    FROM about a
    JOIN past_version v ON v.segment_id = a.segment_id AND v.kind = a.kind
        AND v.document_id = a.document_id
    UNION ALL {_CURRENT}
),
bill AS (
    SELECT DISTINCT segment_id, body ->> 'note_id' AS note_id FROM said
    WHERE kind = 'payment' AND body ->> 'note_id' IS NOT NULL
),
told AS (
    SELECT *, coalesce(told_at, '-infinity') AS told FROM (
        SELECT * FROM said
        UNION ALL
        SELECT v.segment_id, v.kind, v.document_id, v.version, v.told_at, v.account_id, v.body
        FROM bill b
        JOIN past_version v ON v.segment_id = b.segment_id AND v.kind = 'note'
            AND v.document_id = b.note_id
        UNION ALL
        SELECT n.segment_id, 'note', n.note_id, n.version, n.told_at, n.account_id,
            jsonb_build_object('status', n.status)
        FROM bill b JOIN note n ON n.segment_id = b.segment_id AND n.note_id = b.note_id
        WHERE n.version >= 0) AS every
),
stood AS (
    SELECT t.*, (t.told AT TIME ZONE s.time_zone)::date AS day
    FROM (SELECT *, min(told) OVER (PARTITION BY segment_id, kind, document_id
            ORDER BY version DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS later
        FROM told) AS t
    JOIN segment s ON s.segment_id = t.segment_id
    WHERE t.later IS NULL OR t.told < t.later
),
held AS MATERIALIZED (
    SELECT * FROM (
        SELECT segment_id, kind, document_id, account_id, body,
            CASE WHEN kind <> 'note' AND lag(version) OVER up IS NULL THEN '-infinity'
            ELSE day END AS known_on, coalesce(lead(day) OVER up, 'infinity') AS gone_on
        FROM stood
        WINDOW up AS (PARTITION BY segment_id, kind, document_id ORDER BY version)) AS every
    WHERE known_on < gone_on
)"""  # noqa: S608 - a constant
"""Of documents `about`, and of the bills they were paid by: what they said from day to day."""


def _lowered(columns: str, source: str, day: str, match: str = "true") -> str:
    """Write what lowers invoices on a day: `columns`, currency, day and amount.

    `source` gives documents `p` as they are held on `day`; in `columns` and `match`, `{invoice}`
    stands for the invoice that is lowered.
    """
    part, credited = "part ->> 0", "p.body ->> 'invoice_id'"
    return f"""
    SELECT {columns.format(invoice=part)}, p.body ->> 'currency' AS currency,
        (p.body ->> 'paid_date')::date AS day, (part ->> 1)::bigint + (part ->> 2)::bigint AS minor
    FROM {source}
    CROSS JOIN LATERAL jsonb_array_elements(p.body -> 'allocations') AS part
    WHERE p.kind = 'payment' AND (p.body ->> 'amount_minor')::bigint > 0
        AND p.body ->> 'status' = 'FINAL' AND {match.format(invoice=part)}
        AND NOT EXISTS (SELECT FROM held n
            WHERE n.segment_id = p.segment_id AND n.kind = 'note'
                AND n.document_id = p.body ->> 'note_id' AND n.body ->> 'status' = 'DISHONOURED'
                AND n.known_on <= {day} AND {day} < n.gone_on)
    UNION ALL
    SELECT {columns.format(invoice=credited)}, p.body ->> 'currency',
        (p.body ->> 'credit_date')::date, (p.body ->> 'amount_minor')::bigint
    FROM {source}
    WHERE p.kind IN ('credit_note', 'write_off') AND (p.body ->> 'amount_minor')::bigint > 0
        AND {match.format(invoice=credited)}"""  # noqa: S608 - made of constants of this file


_ON: Final = "p.known_on <= {day} AND {day} < p.gone_on"

_INVOICE: Final = """(p.body ->> 'issue_date')::date AS issue_date,
            (p.body ->> 'due_date')::date AS due_date,
            (p.body ->> 'amount_minor')::bigint AS amount_minor,
            p.body ->> 'currency' AS currency"""

_SPOKEN: Final = f"""epoch e JOIN spoken p ON p.segment_id = e.segment_id
        AND p.invoice_id = e.invoice_id AND {_ON.format(day="e.known_on")}"""

EPOCHS: Final = f"""
WITH touched AS (
    SELECT DISTINCT segment_id, invoice_id
    FROM unnest(%(segments)s::text[], %(invoices)s::text[]) AS t(segment_id, invoice_id)
),
reach AS (
    SELECT segment_id, invoice_id, 'invoice' AS kind, invoice_id AS document_id FROM touched
    UNION
    SELECT t.segment_id, t.invoice_id, 'payment', l.payment_id FROM touched t
    JOIN allocation l ON l.segment_id = t.segment_id AND l.invoice_id = t.invoice_id
    UNION
    SELECT t.segment_id, t.invoice_id, c.kind, c.credit_id FROM touched t
    JOIN credit c ON c.segment_id = t.segment_id AND c.invoice_id = t.invoice_id
    UNION
    SELECT t.segment_id, t.invoice_id, r.kind, r.document_id FROM touched t
    JOIN retold r ON r.segment_id = t.segment_id AND r.invoice_id = t.invoice_id
),
about AS (SELECT DISTINCT segment_id, kind, document_id FROM reach),
{_HELD},
spoken AS (
    SELECT r.invoice_id, h.* FROM reach r
    JOIN held h ON h.segment_id = r.segment_id AND h.kind = r.kind
        AND h.document_id = r.document_id
),
epoch AS (
    SELECT segment_id, invoice_id, day AS known_on, coalesce(lead(day)
        OVER (PARTITION BY segment_id, invoice_id ORDER BY day), 'infinity') AS gone_on
    FROM (
        SELECT segment_id, invoice_id, known_on AS day FROM spoken
        UNION
        SELECT s.segment_id, s.invoice_id, n.known_on FROM spoken s
        JOIN held n ON n.segment_id = s.segment_id AND n.kind = 'note'
            AND n.document_id = s.body ->> 'note_id'
        WHERE s.kind = 'payment') AS border
),
lowered AS ({
    _lowered(
        "e.segment_id, e.invoice_id, e.known_on", _SPOKEN, "e.known_on", "{invoice} = e.invoice_id"
    )
})
SELECT string_agg({LINE}, '')
FROM (
    SELECT c.place, {
    name("c.customer_id", "i.segment_id", "i.invoice_id || chr(31) || i.since")
} AS name, i.*, {DISPUTED}
    FROM (
        SELECT e.segment_id, e.invoice_id, e.known_on AS since, p.account_id,
            nullif(e.known_on, '-infinity') AS known_on, nullif(e.gone_on, 'infinity') AS gone_on,
            {_INVOICE}
        FROM {_SPOKEN}
        WHERE p.kind = 'invoice' AND (p.body ->> 'amount_minor')::bigint > 0) AS i
    JOIN account a ON a.account_id = i.account_id
    JOIN customer_ref r ON r.ref = a.customer_id
    JOIN unnest(%(ids)s::text[]) WITH ORDINALITY AS c(customer_id, place)
        ON c.customer_id = r.customer_id
    {DISPUTE}
) AS i
LEFT JOIN lowered ON lowered.segment_id = i.segment_id AND lowered.invoice_id = i.invoice_id
    AND lowered.known_on = i.since AND lowered.currency = i.currency
GROUP BY i.place / {CUSTOMERS_A_ROW}
"""  # noqa: S608 - made of statements of this package

_USUAL: Final = """NOT EXISTS (SELECT FROM retold r WHERE r.segment_id = {0}.segment_id
            AND r.invoice_id = {0}.invoice_id AND r.kind = {1} AND r.document_id = {0}.{2})"""

# All invoices at once: joined as a whole, not looked up one by one as `LOWERED` is.
BACKGROUND: Final = f"""
WITH about AS (SELECT DISTINCT segment_id, kind, document_id FROM retold),
{_HELD}
SELECT count(*) FILTER (WHERE by_day >= amount OR due < :day),
    count(*) FILTER (WHERE due < :day AND by_due < amount),
    count(*) FILTER (WHERE by_day >= amount OR due + 30 < :day),
    count(*) FILTER (WHERE due + 30 < :day AND by_30 < amount)
FROM (
    SELECT i.due_date AS due, i.amount_minor AS amount,
        coalesce(sum(lowered.minor) FILTER (WHERE lowered.day <= :day), 0) AS by_day,
        coalesce(sum(lowered.minor) FILTER (WHERE lowered.day <= i.due_date), 0) AS by_due,
        coalesce(sum(lowered.minor) FILTER (WHERE lowered.day <= i.due_date + 30), 0) AS by_30
    FROM (
        SELECT i.segment_id, i.invoice_id, i.issue_date, i.due_date, i.amount_minor, i.currency
        FROM invoice i WHERE {_USUAL.format("i", "'invoice'", "invoice_id")}
        UNION ALL
        SELECT p.segment_id, p.document_id, {_INVOICE}
        FROM held p WHERE p.kind = 'invoice' AND {_ON.format(day=":day")}
    ) AS i LEFT JOIN (
        SELECT l.segment_id, l.invoice_id, p.currency, p.paid_date AS day,
            l.amount_minor + l.discount_minor AS minor
        FROM allocation l
        JOIN payment p ON p.segment_id = l.segment_id AND p.payment_id = l.payment_id
        LEFT JOIN note n ON n.segment_id = p.segment_id AND n.note_id = p.note_id
        WHERE p.amount_minor > 0 AND p.status = 'FINAL' AND n.status IS DISTINCT FROM 'DISHONOURED'
            AND {_USUAL.format("l", "'payment'", "payment_id")}
        UNION ALL
        SELECT c.segment_id, c.invoice_id, c.currency, c.credit_date, c.amount_minor FROM credit c
        WHERE c.invoice_id IS NOT NULL AND c.amount_minor > 0
            AND {_USUAL.format("c", "c.kind", "credit_id")}
        UNION ALL
        SELECT * FROM ({
    _lowered("p.segment_id, {invoice} AS invoice_id", "held p", ":day", _ON.format(day=":day"))
}) AS p
    ) AS lowered ON lowered.segment_id = i.segment_id AND lowered.invoice_id = i.invoice_id
        AND lowered.currency = i.currency
    WHERE i.amount_minor > 0 AND i.issue_date <= :day
    GROUP BY i.segment_id, i.invoice_id, i.due_date, i.amount_minor
) AS seen
"""  # noqa: S608 - made of statements of this package
