"""Invoices of which something else was told before, read with all that was ever said of them.

They are few, and looked up one by one; what was known when, `domain.epochs` says.
"""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from app.domain.epochs import DocumentKey, Epoch, Version, epochs
from app.store.database import Tx
from app.store.portfolio_lines import DISPUTE, DISPUTED

InvoiceKey = tuple[str, str]
"""(segment_id, invoice_id)."""

_AT_ONCE: Final = 2_000
_NOTHING: Final = ((None, None),)

# Every branch is a look-up by key, whatever the planner takes the arrays for.
_SAID: Final = text("""
WITH touched AS (
    SELECT DISTINCT segment_id, invoice_id
    FROM unnest(CAST(:segments AS text[]), CAST(:invoices AS text[])) AS t(segment_id, invoice_id)
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
)
SELECT r.segment_id, r.invoice_id, r.kind, r.document_id, v.version, v.told_at,
    CAST(v.told_at AT TIME ZONE s.time_zone AS date) AS day, f.customer_id, v.body
FROM reach r
JOIN segment s ON s.segment_id = r.segment_id
CROSS JOIN LATERAL (
    SELECT v.version, v.told_at, v.account_id, v.body FROM past_version v
    WHERE v.segment_id = r.segment_id AND v.kind = r.kind AND v.document_id = r.document_id
    UNION ALL
    SELECT i.version, i.told_at, i.account_id, jsonb_build_object(
        'amount_minor', i.amount_minor, 'currency', i.currency, 'issue_date', i.issue_date,
        'due_date', i.due_date)
    FROM invoice i WHERE r.kind = 'invoice' AND i.segment_id = r.segment_id
        AND i.invoice_id = r.document_id AND i.version >= 0
    UNION ALL
    SELECT p.version, p.told_at, p.account_id, jsonb_build_object(
        'amount_minor', p.amount_minor, 'currency', p.currency, 'paid_date', p.paid_date,
        'status', p.status, 'note_id', p.note_id, 'allocations', (
            SELECT coalesce(jsonb_agg(jsonb_build_array(l.invoice_id, l.amount_minor,
                l.discount_minor)), '[]') FROM allocation l
            WHERE l.segment_id = p.segment_id AND l.payment_id = p.payment_id))
    FROM payment p WHERE r.kind = 'payment' AND p.segment_id = r.segment_id
        AND p.payment_id = r.document_id
    UNION ALL
    SELECT c.version, c.told_at, c.account_id, jsonb_build_object(
        'amount_minor', c.amount_minor, 'currency', c.currency, 'credit_date', c.credit_date,
        'invoice_id', c.invoice_id)
    FROM credit c WHERE c.segment_id = r.segment_id AND c.kind = r.kind
        AND c.credit_id = r.document_id
) AS v
LEFT JOIN account a ON r.kind = 'invoice' AND a.account_id = v.account_id
LEFT JOIN customer_ref f ON f.ref = a.customer_id
""")

_BILLS: Final = text("""
SELECT t.segment_id, t.note_id, v.version, v.told_at,
    CAST(v.told_at AT TIME ZONE s.time_zone AS date) AS day, v.body
FROM unnest(CAST(:segments AS text[]), CAST(:notes AS text[])) AS t(segment_id, note_id)
JOIN segment s ON s.segment_id = t.segment_id
CROSS JOIN LATERAL (
    SELECT v.version, v.told_at, v.body FROM past_version v
    WHERE v.segment_id = t.segment_id AND v.kind = 'note' AND v.document_id = t.note_id
    UNION ALL
    SELECT n.version, n.told_at, jsonb_build_object('status', n.status) FROM note n
    WHERE n.segment_id = t.segment_id AND n.note_id = t.note_id AND n.version >= 0
) AS v
""")

_DISPUTES: Final = text(f"""
SELECT i.place, {DISPUTED} AS disputed
FROM unnest(CAST(:segments AS text[]), CAST(:invoices AS text[]), CAST(:issued AS date[]))
    WITH ORDINALITY AS i(segment_id, invoice_id, issue_date, place)
{DISPUTE}
WHERE d.since IS NOT NULL
""")  # noqa: S608 - made of statements of this package

_NEXT: Final = text("""
SELECT DISTINCT segment_id, invoice_id FROM retold
WHERE (segment_id, invoice_id) > (:segment, :invoice)
ORDER BY segment_id, invoice_id LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Known:
    """An invoice's key, and what was known of it for a time."""

    key: InvoiceKey
    epoch: Epoch


def known(tx: Tx, keys: Collection[InvoiceKey]) -> Iterator[Known]:
    """Read what was known of invoices when, whoever paid them."""
    said: dict[InvoiceKey, dict[DocumentKey, list[Version]]] = {}
    for row in tx.execute(_SAID, _pairs("invoices", keys)):
        one = Version(row.version, row.told_at, row.day, row.customer_id, row.body)
        of_invoice = said.setdefault((row.segment_id, row.invoice_id), {})
        of_invoice.setdefault((row.kind, row.document_id), []).append(one)
    bills = _bills(tx, said)
    for key, documents in said.items():
        for epoch in epochs(key[1], documents, bills.get(key[0], {})):
            yield Known(key, epoch)


def _bills(
    tx: Tx, said: Mapping[InvoiceKey, Mapping[DocumentKey, Iterable[Version]]]
) -> dict[str, dict[str, list[Version]]]:
    named = {
        (segment_id, one.body["note_id"])
        for (segment_id, _), documents in said.items()
        for (kind, _), versions in documents.items()
        if kind == "payment"
        for one in versions
        if one.body["note_id"] is not None
    }
    found: dict[str, dict[str, list[Version]]] = {}
    for row in tx.execute(_BILLS, _pairs("notes", named)) if named else ():
        one = Version(row.version, row.told_at, row.day, None, row.body)
        found.setdefault(row.segment_id, {}).setdefault(row.note_id, []).append(one)
    return found


def _pairs(name: str, keys: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    ordered = sorted({*keys})
    return {"segments": [one for one, _ in ordered], name: [one for _, one in ordered]}


def lines(tx: Tx, keys: Collection[InvoiceKey], customer_ids: Collection[str]) -> str:
    """Write what was known of invoices, while they were these customers', as `portfolio_lines`."""
    wanted = {*customer_ids}
    found = [one for one in known(tx, keys) if one.epoch.payer in wanted]
    disputed = _disputed(tx, found)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    for place, one in enumerate(found, 1):
        epoch = one.epoch
        name = f"{one.key[1]}\x1f{epoch.known_on}"
        head = epoch.payer, one.key[0], name, epoch.known_on, epoch.gone_on
        bill = epoch.issue_date, epoch.due_date, epoch.amount_minor, epoch.currency
        row = *head, *bill, *disputed.get(place, ("", ""))
        writer.writerows((*row, *lowered) for lowered in epoch.lowered or _NOTHING)
    return out.getvalue()


def _disputed(tx: Tx, found: Sequence[Known]) -> dict[int, list[str]]:
    """Look up both fields of disputes, by the place of what is known, from 1 on."""
    asked: dict[str, list[Any]] = {
        "segments": [one.key[0] for one in found],
        "invoices": [one.key[1] for one in found],
        "issued": [one.epoch.issue_date for one in found],
    }
    rows = tx.execute(_DISPUTES, asked) if found else ()
    return {row.place: row.disputed.split(",") for row in rows}


def everything(tx: Tx) -> Iterator[Known]:
    """Read what was known of all invoices of which something else was told before."""
    last: InvoiceKey = ("", "")
    while True:
        asked = {"segment": last[0], "invoice": last[1], "most": _AT_ONCE}
        keys = [(row.segment_id, row.invoice_id) for row in tx.execute(_NEXT, asked)]
        if not keys:
            return
        yield from known(tx, keys)
        last = keys[-1]
