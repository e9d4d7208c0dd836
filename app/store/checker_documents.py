"""What documents carry, computed again from the documents alone, against what is stored of it.

Every formula is plain SQL over the whole ledger at once; the write path computes the same one
document at a time.
"""

from collections.abc import Iterator
from typing import Final

from app.store.checker_ground import Difference, Snapshot, money

NO_ORDER: Final = "\x1fD:"
"""Starts the stand-in order of a delivery without one."""

CARRIED: Final = f"""
line AS (
    SELECT v.segment_id, v.account_id, v.currency, l.order_id, l.delivery_id, l.amount_minor,
        l.final
    FROM invoice_line l
    JOIN invoice v ON v.segment_id = l.segment_id AND v.invoice_id = l.invoice_id
    WHERE v.amount_minor > 0 AND (l.order_id IS NOT NULL OR l.delivery_id IS NOT NULL)
),
home AS (
    SELECT DISTINCT ON (segment_id, delivery_id, account_id, currency)
        segment_id, delivery_id, account_id, currency, order_id
    FROM delivery
    ORDER BY segment_id, delivery_id, account_id, currency,
        amount_minor = 0, order_id = '', order_id COLLATE "C"
),
billed AS (
    SELECT l.segment_id, l.account_id, l.currency, l.delivery_id, l.amount_minor, l.final,
        l.order_id IS NULL AS alone,
        coalesce(l.order_id, nullif(h.order_id, ''), '{NO_ORDER}' || l.delivery_id) AS order_id
    FROM line l
    LEFT JOIN home h ON l.order_id IS NULL AND h.segment_id = l.segment_id
        AND h.delivery_id = l.delivery_id AND h.account_id = l.account_id
        AND h.currency = l.currency
),
shipped AS (
    SELECT segment_id, account_id, currency, delivery_id, amount_minor,
        coalesce(nullif(order_id, ''), '{NO_ORDER}' || delivery_id) AS order_id
    FROM delivery WHERE amount_minor > 0
),
of_delivery AS (
    SELECT segment_id, order_id, account_id, currency, delivery_id,
        sum(amount_minor) AS billed_minor, bool_or(final AND NOT alone) AS final
    FROM billed WHERE delivery_id IS NOT NULL
    GROUP BY segment_id, order_id, account_id, currency, delivery_id
),
final_alone AS (
    SELECT DISTINCT segment_id, delivery_id, account_id, currency FROM line
    WHERE final AND order_id IS NULL
),
left_house AS (
    SELECT s.segment_id, s.order_id, s.account_id, s.currency,
        sum(CASE WHEN coalesce(b.final, false) OR f.delivery_id IS NOT NULL
            THEN coalesce(b.billed_minor, 0) ELSE s.amount_minor END) AS delivered_minor,
        sum(s.amount_minor) AS left_minor
    FROM shipped s
    LEFT JOIN of_delivery b USING (segment_id, order_id, account_id, currency, delivery_id)
    LEFT JOIN final_alone f USING (segment_id, delivery_id, account_id, currency)
    GROUP BY s.segment_id, s.order_id, s.account_id, s.currency
),
of_order AS (
    SELECT segment_id, order_id, account_id, currency, sum(amount_minor) AS invoiced_minor,
        bool_or(final AND delivery_id IS NULL) AS final
    FROM billed GROUP BY segment_id, order_id, account_id, currency
),
carried AS (
    SELECT segment_id, order_id, account_id, currency,
        CASE WHEN o.final THEN least(coalesce(s.left_minor, 0), o.invoiced_minor)
            ELSE coalesce(s.delivered_minor, 0) END AS delivered_minor,
        coalesce(o.invoiced_minor, 0) AS invoiced_minor
    FROM left_house s
    FULL JOIN of_order o USING (segment_id, order_id, account_id, currency)
)"""  # noqa: S608 - made of constants
"""Per order, payer and currency: what was delivered and what was invoiced (CTE `carried`)."""

ITEMS: Final = """
live AS (
    SELECT p.segment_id, p.payment_id, p.currency, p.note_id IS NOT NULL AND (
        coalesce(n.status, 'OPEN') = 'OPEN'
        OR (n.status IN ('DISCOUNTED', 'ENDORSED') AND n.recourse)) AS receivable
    FROM payment p
    LEFT JOIN note n ON n.segment_id = p.segment_id AND n.note_id = p.note_id
    WHERE p.amount_minor > 0 AND p.status = 'FINAL'
        AND coalesce(n.status, 'OPEN') <> 'DISHONOURED'
),
settled AS (
    SELECT p.segment_id, p.payment_id, v.invoice_id, x.amount_minor, x.discount_minor
    FROM live p
    JOIN allocation x ON x.segment_id = p.segment_id AND x.payment_id = p.payment_id
    JOIN invoice v ON v.segment_id = x.segment_id AND v.invoice_id = x.invoice_id
        AND v.currency = p.currency AND v.amount_minor > 0
),
credited AS (
    SELECT c.segment_id, c.credit_id, c.kind, c.amount_minor, v.invoice_id
    FROM credit c
    JOIN invoice v ON v.segment_id = c.segment_id AND v.invoice_id = c.invoice_id
        AND v.currency = c.currency AND v.amount_minor > 0
),
lowered AS (
    SELECT segment_id, invoice_id, sum(cash) AS cash, sum(reductions) AS reductions FROM (
        SELECT segment_id, invoice_id, amount_minor AS cash, discount_minor AS reductions
        FROM settled
        UNION ALL
        SELECT segment_id, invoice_id, CASE kind WHEN 'credit_note' THEN amount_minor ELSE 0 END,
            CASE kind WHEN 'write_off' THEN amount_minor ELSE 0 END
        FROM credited) AS each_one
    GROUP BY segment_id, invoice_id
),
item AS (
    SELECT v.segment_id, v.invoice_id, v.account_id, v.currency,
        greatest(0, v.amount_minor - coalesce(l.cash + l.reductions, 0)) AS open_minor,
        coalesce(least(l.cash, greatest(0, l.cash + l.reductions - v.amount_minor)), 0)
            AS excess_minor
    FROM invoice v
    LEFT JOIN lowered l ON l.segment_id = v.segment_id AND l.invoice_id = v.invoice_id
),
money AS (
    SELECT p.segment_id, p.payment_id, p.account_id, p.currency,
        CASE WHEN l.payment_id IS NOT NULL THEN p.amount_minor - coalesce(s.settled_minor, 0)
            WHEN p.status = 'PROVISIONAL' AND p.note_id IS NULL AND p.lapsed_at IS NULL
            THEN floor(p.amount_minor * (100 - p.haircut_percent)::numeric / 100)::bigint
            ELSE 0 END AS prepayment_minor,
        CASE WHEN l.receivable THEN p.amount_minor ELSE 0 END AS note_receivable_minor
    FROM payment p
    LEFT JOIN live l ON l.segment_id = p.segment_id AND l.payment_id = p.payment_id
    LEFT JOIN (SELECT segment_id, payment_id, sum(amount_minor) AS settled_minor
        FROM settled GROUP BY segment_id, payment_id) AS s
        ON s.segment_id = p.segment_id AND s.payment_id = p.payment_id
),
giving AS (
    SELECT c.segment_id, c.credit_id, c.kind, c.account_id, c.currency,
        CASE WHEN d.credit_id IS NOT NULL OR (c.kind = 'write_off' AND c.invoice_id IS NOT NULL)
            THEN 0 ELSE c.amount_minor END AS prepayment_minor
    FROM credit c
    LEFT JOIN credited d ON d.segment_id = c.segment_id AND d.credit_id = c.credit_id
        AND d.kind = c.kind
)"""
"""Per invoice, payment and credit: what it adds to its account (CTEs `item`, `money`, `giving`)."""

_USES: Final = f"""
WITH {CARRIED}
SELECT segment_id, order_id AS name, account_id, currency,
    coalesce(e.delivered_minor, 0) AS expected_delivered, coalesce(f.delivered_minor, 0)
        AS found_delivered,
    coalesce(e.invoiced_minor, 0) AS expected_invoiced, coalesce(f.invoiced_minor, 0)
        AS found_invoiced
FROM carried e FULL JOIN order_use f USING (segment_id, order_id, account_id, currency)
WHERE coalesce(e.delivered_minor, 0) <> coalesce(f.delivered_minor, 0)
    OR coalesce(e.invoiced_minor, 0) <> coalesce(f.invoiced_minor, 0)
ORDER BY segment_id, order_id, account_id LIMIT 1
"""  # noqa: S608 - made of constants

_RESERVED: Final = f"""
WITH {CARRIED}
SELECT * FROM (
    SELECT o.segment_id, o.order_id AS name, o.account_id, o.currency,
        o.reserved_minor AS found_reserved,
        CASE WHEN o.state = 'LIVE' AND o.counts_from IS NULL THEN greatest(0, o.authorized_minor
            - greatest(coalesce(c.delivered_minor, 0), coalesce(c.invoiced_minor, 0)))
            ELSE 0 END AS expected_reserved
    FROM credit_order o
    LEFT JOIN carried c ON c.segment_id = o.segment_id AND c.order_id = o.order_id
        AND c.account_id = o.account_id AND c.currency = o.currency) AS o
WHERE found_reserved <> expected_reserved
ORDER BY segment_id, name LIMIT 1
"""  # noqa: S608 - made of constants

_INVOICES: Final = f"""
WITH {ITEMS}
SELECT v.segment_id, v.invoice_id AS name, v.account_id, v.currency,
    e.open_minor AS expected_open, v.open_minor AS found_open,
    e.excess_minor AS expected_excess, v.excess_minor AS found_excess
FROM invoice v
JOIN item e ON e.segment_id = v.segment_id AND e.invoice_id = v.invoice_id
WHERE e.open_minor <> v.open_minor OR e.excess_minor <> v.excess_minor
ORDER BY v.segment_id, v.invoice_id LIMIT 1
"""  # noqa: S608 - made of constants

_PAYMENTS: Final = f"""
WITH {ITEMS}
SELECT p.segment_id, p.payment_id AS name, p.account_id, p.currency,
    e.prepayment_minor AS expected_prepayment, p.prepayment_minor AS found_prepayment,
    e.note_receivable_minor AS expected_note_receivable,
    p.note_receivable_minor AS found_note_receivable
FROM payment p
JOIN money e ON e.segment_id = p.segment_id AND e.payment_id = p.payment_id
WHERE e.prepayment_minor <> p.prepayment_minor
    OR e.note_receivable_minor <> p.note_receivable_minor
ORDER BY p.segment_id, p.payment_id LIMIT 1
"""  # noqa: S608 - made of constants

_CREDITS: Final = f"""
WITH {ITEMS}
SELECT c.segment_id, c.credit_id AS name, c.account_id, c.currency,
    e.prepayment_minor AS expected_prepayment, c.prepayment_minor AS found_prepayment
FROM credit c
JOIN giving e ON e.segment_id = c.segment_id AND e.credit_id = c.credit_id AND e.kind = c.kind
WHERE e.prepayment_minor <> c.prepayment_minor
ORDER BY c.segment_id, c.credit_id LIMIT 1
"""  # noqa: S608 - made of constants

_STORED: Final = (
    ("order", _USES, ("delivered", "invoiced")),
    ("order", _RESERVED, ("reserved",)),
    ("invoice", _INVOICES, ("open", "excess")),
    ("payment", _PAYMENTS, ("prepayment", "note_receivable")),
    ("credit", _CREDITS, ("prepayment",)),
)


def check_documents(snapshot: Snapshot) -> Iterator[Difference]:
    """Hold what is stored with orders, invoices, payments and credits to what documents say."""
    for kind, query, names in _STORED:
        for row in snapshot.rows(query):
            name = row["name"].replace(NO_ORDER, "of delivery ")
            for column in names:
                expected, found = row[f"expected_{column}"], row[f"found_{column}"]
                if expected != found:
                    texts = money(expected, row["currency"]), money(found, row["currency"])
                    yield Difference(
                        row["account_id"],
                        f"{kind} {name}: {column}: expected {texts[0]} from its documents,"
                        f" found {texts[1]}",
                    )
