"""Damages to documents of `ledgers.build` whose figures all agree: only a report says otherwise."""

# ruff: noqa: S608 - every statement is made of constants of this file

from tests.faults.damages import both, control, of

_DAYS = "2026-06-15 to 2026-06-15"
_PAID = "0.00 CNY FINAL 2026-06-15"
_AGAIN = (
    "INSERT INTO ledger_event SELECT source, 'again', content, type, result,"
    " jsonb_set(payload::jsonb, '{version}', '2')::json, received_at FROM ledger_event"
    " WHERE type = 'dispute'"
)

# the clock of the desk lies months before the one by which customers came to be
_KNOWN_BEFORE = "UPDATE customer SET created_at = '2026-01-01Z'"

REPORTS = [
    control(
        "invoice-of-less",
        (
            "reports",
            "C-13",
            f"invoice I-13: expected 9.00 CNY {_DAYS}, as it was reported, found 8.00 CNY {_DAYS}",
        ),
        "UPDATE invoice SET amount_minor = 800, open_minor = 800 WHERE invoice_id = 'I-13'",
        *both("C-13", "open_item_minor = open_item_minor - 100, forced_minor = forced_minor - 100"),
    ),
    control(
        "invoice-due-later",
        ("reports", "C-13", "invoice I-13: expected 9.00 CNY 2026-06-15 to 2026-06-15, as it was"),
        "UPDATE invoice SET due_date = '2026-12-31' WHERE invoice_id = 'I-13'",
    ),
    control(
        "delivery-of-more",
        ("reports", "C-1", "delivery D-4 of order SO-4: expected 120.00 CNY, as it was reported"),
        "UPDATE delivery SET amount_minor = 13000 WHERE delivery_id = 'D-4'",
    ),
    control(
        "credit-note-for-a-write-off",
        ("reports", "C-1", "credit_note R-1: expected 10.00 CNY of invoice I-4, as it was"),
        "UPDATE credit SET amount_minor = CASE kind WHEN 'write_off' THEN 200 ELSE 900 END"
        " WHERE invoice_id = 'I-4'",
    ),
    control(
        "payment-in-another-currency",
        ("reports", "C-13", "payment P-13: expected 0.00 CNY FINAL 2026-06-15, as it was reported"),
        "UPDATE payment SET currency = 'JPY' WHERE payment_id = 'P-13'",
    ),
    control(
        "payment-taken-for-provisional",
        ("reports", "C-13", "payment P-13: expected 0.00 CNY FINAL 2026-06-15, as it was reported"),
        "UPDATE payment SET status = 'PROVISIONAL', haircut_percent = 0 WHERE payment_id = 'P-13'",
    ),
    control(
        "payment-by-another",
        (
            "reports",
            "C-7",
            f"expected {_PAID} by C-13, as it was reported, found {_PAID} by C-7",
        ),
        _KNOWN_BEFORE,
        f"UPDATE payment SET account_id = {of('C-7')} WHERE payment_id = 'P-13'",
    ),
    control(
        "payment-by-nobody",
        ("reports", None, "account 999: payment P-13: expected 0.00 CNY FINAL 2026-06-15 by C-13"),
        _KNOWN_BEFORE,
        "UPDATE payment SET account_id = 999 WHERE payment_id = 'P-13'",
    ),
    control(
        "version-nobody-reported",
        ("reports", "C-13", "payment P-13: version 3: expected a report of it that was applied,"),
        "UPDATE payment SET version = 3 WHERE payment_id = 'P-13'",
    ),
    control(
        "note-without-recourse",
        ("reports", "C-13", "note N-14: expected DISHONOURED, as it was reported, found DISHON"),
        "UPDATE note SET recourse = false WHERE note_id = 'N-14'",
    ),
    control(
        "order-closed",
        ("reports", "C-2", "order SO-30: expected 12.00 CNY OPEN, as it was reported, found 12.00"),
        "UPDATE order_fact SET status = 'CLOSED' WHERE order_id = 'SO-30'",
    ),
    control(
        "dispute-settled",
        ("reports", "C-1", "dispute I-2: expected open, as it was reported, found closed"),
        "UPDATE dispute SET open = false WHERE invoice_id = 'I-2'",
    ),
    control(
        "dispute-gone",
        ("reports", None, "dispute I-2: expected version 1, as it was reported, found none"),
        "DELETE FROM dispute WHERE invoice_id = 'I-2'",
    ),
    control(
        "dispute-of-before",
        ("reports", "C-1", "dispute I-2: expected version 2, as it was reported, found version 1"),
        _AGAIN,
    ),
    control(
        "told-by-what-was-never-applied",
        ("reports", "C-1", "dispute I-2: version 1: expected a report of it that was applied"),
        "UPDATE ledger_event SET result = 'quarantined' WHERE type = 'dispute'",
    ),
]
