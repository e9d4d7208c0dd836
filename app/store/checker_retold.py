"""What documents said before their newest version, against the documents and the reports.

A mark too many costs only time; one that is missing lets a day forget what it knew.
"""

from collections.abc import Iterator
from typing import Final

from app.store.checker_ground import Difference, Snapshot

_SAID: Final = """
current AS (
    SELECT segment_id, 'invoice' AS kind, invoice_id AS document_id, version, account_id,
        jsonb_build_object('amount_minor', amount_minor, 'currency', currency,
            'issue_date', issue_date, 'due_date', due_date) AS body
    FROM invoice
    UNION ALL
    SELECT p.segment_id, 'payment', p.payment_id, p.version, p.account_id,
        jsonb_build_object('amount_minor', p.amount_minor, 'currency', p.currency,
            'paid_date', p.paid_date, 'status', p.status, 'note_id', p.note_id,
            'allocations', coalesce(l.parts, '[]'))
    FROM payment p LEFT JOIN (
        SELECT segment_id, payment_id, jsonb_agg(
            jsonb_build_array(invoice_id, amount_minor, discount_minor) ORDER BY line_no) AS parts
        FROM allocation GROUP BY segment_id, payment_id) AS l
        ON l.segment_id = p.segment_id AND l.payment_id = p.payment_id
    UNION ALL
    SELECT segment_id, kind, credit_id, version, account_id,
        jsonb_build_object('amount_minor', amount_minor, 'currency', currency,
            'credit_date', credit_date, 'invoice_id', invoice_id)
    FROM credit
    UNION ALL
    SELECT segment_id, 'note', note_id, version, account_id, jsonb_build_object('status', status)
    FROM note
)"""
"""All documents with what features look at, as it is written of past versions."""

_BELOW: Final = f"""
WITH {_SAID}
SELECT v.account_id, v.kind, v.document_id, v.version, c.version AS newest
FROM past_version v
LEFT JOIN current c ON c.segment_id = v.segment_id AND c.kind = v.kind
    AND c.document_id = v.document_id
WHERE c.version IS NULL OR c.version <= v.version
ORDER BY v.segment_id, v.kind, v.document_id, v.version LIMIT 1
"""  # noqa: S608 - made of constants

# Whose it is counts of an invoice alone; records that became one since are one.
_TOLD_OTHERWISE: Final = f"""
WITH {_SAID},
past AS (SELECT DISTINCT segment_id, kind, document_id FROM past_version),
said AS (
    SELECT segment_id, kind, document_id, account_id, body FROM past_version
    UNION ALL
    SELECT c.segment_id, c.kind, c.document_id, c.account_id, c.body
    FROM current c JOIN past p ON p.segment_id = c.segment_id AND p.kind = c.kind
        AND p.document_id = c.document_id
),
otherwise AS (
    SELECT s.segment_id, s.kind, s.document_id FROM said s
    LEFT JOIN account a ON a.account_id = s.account_id
    LEFT JOIN customer_ref r ON r.ref = a.customer_id
    WHERE s.kind <> 'note'
    GROUP BY s.segment_id, s.kind, s.document_id
    HAVING count(DISTINCT s.body) > 1
        OR s.kind = 'invoice' AND count(DISTINCT r.customer_id) > 1
),
dishonoured AS (
    SELECT segment_id, document_id AS note_id FROM past_version
    WHERE kind = 'note' AND body ->> 'status' = 'DISHONOURED'
    UNION
    SELECT segment_id, note_id FROM note WHERE status = 'DISHONOURED' AND told_at IS NOT NULL
),
reached AS (
    SELECT s.segment_id, s.kind, s.document_id, s.account_id, s.document_id AS invoice_id
    FROM said s WHERE s.kind = 'invoice'
    UNION
    SELECT s.segment_id, s.kind, s.document_id, 0, part ->> 0
    FROM said s CROSS JOIN LATERAL jsonb_array_elements(s.body -> 'allocations') AS part
    WHERE s.kind = 'payment'
    UNION
    SELECT s.segment_id, s.kind, s.document_id, 0, s.body ->> 'invoice_id'
    FROM said s WHERE s.body ->> 'invoice_id' IS NOT NULL
),
expected AS (
    SELECT r.segment_id, r.kind, r.document_id, r.account_id, r.invoice_id FROM reached r
    JOIN otherwise o ON o.segment_id = r.segment_id AND o.kind = r.kind
        AND o.document_id = r.document_id
    UNION
    SELECT l.segment_id, 'payment', l.payment_id, 0, l.invoice_id FROM allocation l
    JOIN payment p ON p.segment_id = l.segment_id AND p.payment_id = l.payment_id
    JOIN dishonoured d ON d.segment_id = p.segment_id AND d.note_id = p.note_id
)
"""  # noqa: S608 - made of constants

_MISSING: Final = f"""{_TOLD_OTHERWISE}
SELECT e.kind, e.document_id, e.invoice_id FROM expected e
LEFT JOIN retold r ON r.segment_id = e.segment_id AND r.invoice_id = e.invoice_id
    AND r.kind = e.kind AND r.document_id = e.document_id
    AND (r.kind <> 'invoice') = (r.account_id = 0)
WHERE r.invoice_id IS NULL
ORDER BY e.segment_id, e.kind, e.document_id, e.invoice_id LIMIT 1
"""  # noqa: S608 - made of constants

_UNFOUNDED: Final = """
SELECT r.kind, r.document_id, r.invoice_id FROM retold r
LEFT JOIN (SELECT DISTINCT segment_id, kind, document_id FROM past_version) AS v
    ON v.segment_id = r.segment_id AND v.kind = r.kind AND v.document_id = r.document_id
LEFT JOIN payment p ON r.kind = 'payment' AND p.segment_id = r.segment_id
    AND p.payment_id = r.document_id
WHERE v.document_id IS NULL AND p.note_id IS NULL
ORDER BY r.segment_id, r.kind, r.document_id, r.invoice_id LIMIT 1
"""

_SOME: Final = "SELECT EXISTS (SELECT FROM past_version) AS found"

_REPORTED: Final = """
SELECT v.account_id, v.kind, v.document_id, v.version FROM past_version v
LEFT JOIN (
    SELECT coalesce(payload ->> 'segment', 'main') AS segment_id, type AS kind,
        payload ->> (type || '_id') AS document_id, (payload ->> 'version')::bigint AS version,
        payload ->> 'paid_date' AS paid_date, payload ->> 'issue_date' AS issue_date,
        payload ->> 'due_date' AS due_date, payload ->> 'status' AS status
    FROM (
        SELECT type, payload FROM ledger_event
        UNION ALL -- what came under a used id, whatever it waited for after it was tried by hand
        SELECT payload ->> 'type', payload FROM quarantine
        WHERE status IN ('APPLIED', 'SUPERSEDED')) AS told
    WHERE type IN ('invoice', 'payment', 'note', 'credit_note', 'write_off')
) AS e ON e.segment_id = v.segment_id AND e.kind = v.kind AND e.document_id = v.document_id
    AND e.version = v.version AND CASE v.kind
        WHEN 'payment' THEN e.paid_date = v.body ->> 'paid_date'
            AND coalesce(e.status, 'FINAL') = v.body ->> 'status'
        WHEN 'invoice' THEN e.issue_date = v.body ->> 'issue_date'
            AND e.due_date = v.body ->> 'due_date'
        WHEN 'note' THEN e.status = v.body ->> 'status' ELSE true END
WHERE e.version IS NULL
ORDER BY v.segment_id, v.kind, v.document_id, v.version LIMIT 1
"""


def check_retold(snapshot: Snapshot) -> Iterator[Difference]:
    """Hold past versions to documents and reports, and the marks to what was told otherwise."""
    for row in snapshot.rows(_BELOW):
        found = "none" if row["newest"] is None else f"version {row['newest']}"
        text = f"{_name(row)}: past version {row['version']}: expected a newer one, found {found}"
        yield Difference(row["account_id"], text)
    for row in snapshot.rows(_MISSING):
        text = f"{_name(row)}: expected invoice {row['invoice_id']} to be marked, found it is not"
        yield Difference(None, text)
    for row in snapshot.rows(_UNFOUNDED):
        text = f"{_name(row)}: invoice {row['invoice_id']} is marked: expected a past version"
        yield Difference(None, f"{text}, found none")
    if snapshot.rows(_SOME)[0]["found"]:
        for row in snapshot.rows(_REPORTED):
            text = f"{_name(row)}: past version {row['version']}: expected a report of it"
            yield Difference(row["account_id"], f"{text} that says so, found none")


def _name(row: dict[str, str]) -> str:
    return f"{row['kind']} {row['document_id']}"
