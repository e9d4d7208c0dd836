"""Keep what documents said in versions that are not their newest, and which invoices they reach.

Whoever writes holds the locks of the documents' accounts, so nobody else writes the same rows.
"""

from typing import Any, Final

import orjson
from sqlalchemy import text

from app.domain.facts_retold import Retold, kind_of, shown
from app.store.database import Tx
from app.store.facts_queries import split, values

# Of equal reports the earliest stays, whichever came first.
_KEEP: Final = text("""
INSERT INTO past_version AS p (segment_id, kind, document_id, version, account_id, told_at, body)
SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n(segment_id text, kind text,
    document_id text, version bigint, account_id bigint, told_at timestamptz, body jsonb)
ON CONFLICT (segment_id, kind, document_id, version) DO UPDATE
SET account_id = excluded.account_id, told_at = excluded.told_at, body = excluded.body
WHERE (coalesce(excluded.told_at, '-infinity'), excluded.body::text)
    < (coalesce(p.told_at, '-infinity'), p.body::text)
""")

_MARK: Final = text("""
INSERT INTO retold (segment_id, invoice_id, kind, document_id, account_id)
SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n(segment_id text, invoice_id text,
    kind text, document_id text, account_id bigint)
ON CONFLICT DO NOTHING
""")

_NOTED: Final = text(f"""
INSERT INTO retold (segment_id, invoice_id, kind, document_id, account_id)
SELECT DISTINCT l.segment_id, l.invoice_id, 'payment', l.payment_id, 0
FROM payment p
JOIN allocation l ON l.segment_id = p.segment_id AND l.payment_id = p.payment_id
JOIN note n ON n.segment_id = p.segment_id AND n.note_id = p.note_id
WHERE p.segment_id = :segment AND p.payment_id = ANY({split("joined_ids")})
    AND (n.status = 'DISHONOURED' OR EXISTS (
        SELECT FROM past_version v WHERE v.segment_id = n.segment_id AND v.kind = 'note'
            AND v.document_id = n.note_id AND v.body ->> 'status' = 'DISHONOURED'))
ORDER BY l.invoice_id, l.payment_id
ON CONFLICT DO NOTHING
""")  # noqa: S608 - a constant

_MOVED: Final = text(f"""
INSERT INTO retold (segment_id, invoice_id, kind, document_id, account_id)
SELECT DISTINCT c.segment_id, c.invoice_id, c.kind, c.credit_id, 0
FROM credit c
WHERE c.segment_id = :segment AND c.credit_id = ANY({split("joined_ids")})
    AND c.invoice_id IS NOT NULL AND EXISTS (
        SELECT FROM past_version v WHERE v.segment_id = c.segment_id AND v.kind = c.kind
            AND v.document_id = c.credit_id)
ORDER BY c.invoice_id, c.kind, c.credit_id
ON CONFLICT DO NOTHING
""")  # noqa: S608 - a constant


def save_retold(tx: Tx, segment_id: str, found: Retold) -> None:
    """Keep versions and marks; the documents themselves are written already."""
    if found.versions:
        rows = [
            {
                "segment_id": segment_id,
                "kind": kind_of(place),
                "document_id": place[1][0],
                "version": version,
                "account_id": held.account_id,
                "told_at": held.told_at,
                "body": shown(held.body),
            }
            for (place, version), held in sorted(found.versions.items(), key=lambda one: one[0])
        ]
        tx.execute(_KEEP, _parameter(rows))
    if found.marks:
        names = ("segment_id", "invoice_id", "kind", "document_id", "account_id")
        marks = [dict(zip(names, (segment_id, *mark), strict=True)) for mark in sorted(found.marks)]
        tx.execute(_MARK, _parameter(marks))
    if found.noted:
        tx.execute(_NOTED, values(segment_id, sorted(found.noted)))
    if found.moved:
        tx.execute(_MOVED, values(segment_id, sorted(found.moved)))


def _parameter(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {"rows": orjson.dumps(rows).decode()}
