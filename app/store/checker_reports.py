"""The newest version of every document against the report that brought it, and the other way round.

Reports are evidence, which nothing changes: a document says what a report of its version said that
was applied, and none is gone, or older than what was applied. Both sides are put in the same words.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.store.checker_ground import (
    NO_DIGITS,
    THREE_DIGITS,
    Difference,
    Snapshot,
    digits_of,
    money,
)

_NO_DIGITS: Final = ",".join(NO_DIGITS.split())
_THREE_DIGITS: Final = ",".join(THREE_DIGITS.split())

# What waited is in the quarantine as it was applied, and nowhere else if its id had been used.
# A customer's own id is its own or its heir's for good, but may have been another's alias before;
# aliases come and go, and tell nothing.
_REPORT: Final = """
report AS MATERIALIZED (
    SELECT p.type AS kind, coalesce(p.segment, 'main') AS segment_id,
        CASE p.type WHEN 'order' THEN p.order_id WHEN 'delivery' THEN p.delivery_id
            WHEN 'payment' THEN p.payment_id WHEN 'note' THEN p.note_id
            WHEN 'credit_note' THEN p.credit_note_id WHEN 'write_off' THEN p.write_off_id
            ELSE p.invoice_id END AS document_id,
        CASE p.type WHEN 'delivery' THEN coalesce(p.order_id, '') ELSE '' END AS order_id,
        p.version, c.heir_id AS customer_id, coalesce(p.amount ->> 'currency', '') AS currency,
        coalesce((p.amount ->> 'amount')::numeric, 0) AS amount,
        CASE p.type WHEN 'delivery' THEN '' WHEN 'order' THEN p.status
            WHEN 'invoice' THEN p.issue_date || ' to ' || p.due_date
            WHEN 'payment' THEN coalesce(p.status, 'FINAL') || ' ' || p.paid_date
                || coalesce(' by note ' || (p.note ->> 'note_id'), '')
            WHEN 'note' THEN p.status
                || CASE WHEN p.recourse IS FALSE THEN ' without recourse' ELSE '' END
            WHEN 'dispute' THEN CASE WHEN p.open THEN 'open' ELSE 'closed' END
            ELSE coalesce('of invoice ' || p.invoice_id, '') END AS words
    FROM (
        SELECT payload, received_at AS at FROM ledger_event WHERE result IN ('applied', 'duplicate')
        UNION ALL
        SELECT payload, closed_at FROM quarantine WHERE status = 'APPLIED') AS e
    CROSS JOIN LATERAL json_to_record(e.payload) AS p(type text, segment text, customer_id text,
        version bigint, amount json, order_id text, delivery_id text, invoice_id text,
        payment_id text, note_id text, credit_note_id text, write_off_id text, status text,
        issue_date text, due_date text, paid_date text, note json, recourse boolean, open boolean)
    LEFT JOIN (SELECT c.customer_id, c.created_at, r.customer_id AS heir_id
        FROM customer c JOIN customer_ref r ON r.ref = c.customer_id) AS c
        ON c.customer_id = p.customer_id AND c.created_at <= e.at
)"""

_DOCUMENT: Final = f"""
document AS NOT MATERIALIZED (
    SELECT d.*, amount_minor * CASE WHEN currency = ANY ('{{{_NO_DIGITS}}}') THEN 1
        WHEN currency = ANY ('{{{_THREE_DIGITS}}}') THEN 0.001 ELSE 0.01 END AS amount
    FROM (
        SELECT 'order' AS kind, segment_id, order_id AS document_id, '' AS order_id, version,
            account_id, currency, amount_minor, status AS words
        FROM order_fact
        UNION ALL
        SELECT 'delivery', segment_id, delivery_id, order_id, version,
            account_id, currency, amount_minor, ''
        FROM delivery
        UNION ALL
        SELECT 'invoice', segment_id, invoice_id, '', version,
            account_id, currency, amount_minor,
            to_char(issue_date, 'YYYY-MM-DD') || ' to ' || to_char(due_date, 'YYYY-MM-DD')
        FROM invoice WHERE version >= 0
        UNION ALL
        SELECT 'payment', segment_id, payment_id, '', version,
            account_id, currency, amount_minor, status || ' '
                || to_char(paid_date, 'YYYY-MM-DD') || coalesce(' by note ' || note_id, '')
        FROM payment
        UNION ALL
        SELECT kind, segment_id, credit_id, '', version,
            account_id, currency, amount_minor, coalesce('of invoice ' || invoice_id, '')
        FROM credit
        UNION ALL
        SELECT 'note', segment_id, note_id, '', version,
            account_id, '', 0, status || CASE WHEN recourse THEN '' ELSE ' without recourse' END
        FROM note WHERE version >= 0
        UNION ALL
        SELECT 'dispute', segment_id, invoice_id, '', version,
            account_id, '', 0, CASE WHEN open THEN 'open' ELSE 'closed' END
        FROM dispute) AS d
)"""  # noqa: S608 - made of constants

_ALIKE: Final = """r.kind = d.kind AND r.segment_id = d.segment_id
    AND r.document_id = d.document_id AND r.order_id = d.order_id"""

_FAULTS: Final = f"""
WITH {_REPORT}, {_DOCUMENT},
otherwise AS MATERIALIZED (
    SELECT d.*, o.customer_id FROM document d
    LEFT JOIN account a ON a.account_id = d.account_id AND a.segment_id = d.segment_id
    LEFT JOIN customer_ref o ON o.ref = a.customer_id
    WHERE NOT EXISTS (SELECT FROM report r WHERE {_ALIKE} AND r.version = d.version
        AND r.currency = d.currency AND r.amount = d.amount AND r.words = d.words
        AND (r.customer_id IS NULL OR r.customer_id = o.customer_id))
),
gone AS MATERIALIZED (
    SELECT r.* FROM report r
    WHERE NOT EXISTS (SELECT FROM document d WHERE {_ALIKE} AND d.version >= r.version)
)
(SELECT d.kind, d.document_id, d.order_id, d.account_id, d.version, r.version AS told_version,
    d.currency, d.amount, d.words, d.customer_id, r.currency AS told_currency,
    r.amount AS told_amount, r.words AS told_words, r.customer_id AS told_customer_id
FROM otherwise d LEFT JOIN report r ON {_ALIKE} AND r.version = d.version
ORDER BY d.segment_id, d.kind, d.document_id, d.order_id LIMIT 1)
UNION ALL
(SELECT r.kind, r.document_id, r.order_id, d.account_id, d.version, r.version,
    d.currency, d.amount, d.words, r.customer_id, r.currency, r.amount, r.words, r.customer_id
FROM gone r LEFT JOIN document d ON {_ALIKE}
ORDER BY r.segment_id, r.kind, r.document_id, r.order_id, r.version DESC LIMIT 1)
"""  # noqa: S608 - made of constants

Row = Mapping[str, Any]


def check_reports(snapshot: Snapshot) -> Iterator[Difference]:
    """Hold documents to the reports that were applied, and look for what these told last."""
    for row in snapshot.hashed_rows(_FAULTS):
        name = f"{row['kind']} {row['document_id']}"
        if row["order_id"]:
            name += f" of order {row['order_id']}"
        yield Difference(row["account_id"], f"{name}: {_fault(row)}")


def _fault(row: Row) -> str:
    found, told = row["version"], row["told_version"]
    if told is None:
        return f"version {found}: expected a report of it that was applied, found none"
    if found != told:
        held = "none" if found is None else f"version {found}"
        return f"expected version {told}, as it was reported, found {held}"
    return f"expected {_said(row, 'told_')}, as it was reported, found {_said(row)}"


def _said(row: Row, side: str = "") -> str:
    currency, words = row[f"{side}currency"], row[f"{side}words"]
    amount = ""
    if currency:
        minor = row[f"{side}amount"].scaleb(digits_of(currency))
        amount = money(int(minor), currency)
    payer = f"by {row[f'{side}customer_id'] or 'nobody'}" if row["told_customer_id"] else ""
    return " ".join(part for part in (amount, words, payer) if part)
