"""Damages to limits, covers and adjustments, each with the one line that must name it."""

# ruff: noqa: S608 - every statement is made of constants of this file

from tests.faults.damages import both, control, entry, of

ID = "019f0000-0000-7000-8000-000000000001"

LIMITS = [
    control(
        "cover-ended-by-hand",
        ("limits", "C-10", "expected 105.00 CNY from approved limits, found 196.00 CNY"),
        "UPDATE credit_limit SET status = 'ENDED' WHERE cover_kind = 'INSURANCE'",
    ),
    control(
        "cover-of-more",
        ("limits", "C-10", "limit: expected 197.00 CNY from approved limits"),
        "UPDATE credit_limit SET percentage = 46, limit_minor = 9200"
        " WHERE cover_kind = 'INSURANCE'",
    ),
    control(
        "cover-stretched",
        ("limits", "C-10", "expected 191.00 CNY from approved limits, found 196.00 CNY"),
        "UPDATE credit_limit SET valid_to = '2026-06-29' WHERE cover_kind = 'DEPOSIT'",
    ),
    control(
        "limit-never-approved",
        ("limits", "C-10", "expected none from approved limits, found 196.00 CNY"),
        f"UPDATE credit_limit SET status = 'PROPOSED' WHERE account_id = {of('C-10')}"
        " AND kind = 'base'",
    ),
    control(
        "zero-limit-covered",
        ("limits", "C-10", "expected 0.00 CNY from approved limits, found 196.00 CNY"),
        f"UPDATE credit_limit SET limit_minor = 0 WHERE account_id = {of('C-10')}"
        " AND kind = 'base'",
    ),
    control(
        "limit-forgets-its-end",
        ("limits", "C-10", "limit: expected 191.00 CNY from approved limits"),
        "UPDATE account SET limit_changes_on = NULL WHERE customer_id = 'C-10'",
    ),
    control(
        "covered-limit-raised-by-hand",
        ("limits", "C-7", "expected 100.00 CNY from approved limits, found 100.01 CNY"),
        *both("C-7", "limit_minor = limit_minor + 1"),
    ),
    control(
        "account-kept-in-another-currency",
        ("limits", "C-7", "base limit of 100.00 CNY: expected USD, in which its account is kept,"),
        "UPDATE account SET currency = 'USD' WHERE customer_id = 'C-7'",
    ),
    control(
        "cover-in-another-currency",
        ("limits", "C-10", "cover of 9100 JPY: expected CNY, in which its account is kept, found"),
        "UPDATE credit_limit SET currency = 'JPY' WHERE cover_kind = 'INSURANCE'",
    ),
]

ADJUSTMENTS = [
    control(
        "adjustment-edited",
        ("positions", "C-11", "open_item: expected 0.01 CNY from documents, found 0.00 CNY"),
        "UPDATE adjustment SET amount_minor = -2999 WHERE category = 'OPEN_ITEM'"
        " AND kind = 'DRIFT'",
    ),
    control(
        "adjustment-lost",
        ("positions", "C-11", "open_item: expected 30.00 CNY from documents, found 0.00 CNY"),
        "DELETE FROM adjustment WHERE category = 'OPEN_ITEM' AND kind = 'DRIFT'",
    ),
    control(
        "adjustment-of-another",
        ("positions", "C-1", "open_item: expected 184.00 CNY from documents"),
        f"UPDATE adjustment SET account_id = {of('C-1')} WHERE category = 'OPEN_ITEM'"
        " AND kind = 'DRIFT'",
    ),
    control(
        "adjustment-of-another-figure",
        ("positions", "C-11", "open_delivery: expected 10.00 CNY from documents, found 0.00"),
        "UPDATE adjustment SET category = 'OPEN_DELIVERY' WHERE kind = 'GIVEN_WAY'",
    ),
    control(
        "reversal-lost",
        ("positions", "C-11", "prepayment: expected 5.00 CNY from documents, found 0.00 CNY"),
        "DELETE FROM adjustment WHERE kind = 'REVERSAL'",
    ),
    control(
        "both-gone",
        ("adjustments", None, "expected its adjustment, found none"),
        "DELETE FROM adjustment WHERE category = 'PREPAYMENT'",
    ),
    control(
        "drift-edited",
        ("adjustments", "C-11", "expected -29.99 CNY from its drift, found -30.00 CNY"),
        "UPDATE drift SET theirs_minor = theirs_minor + 1 WHERE category = 'OPEN_ITEM'",
    ),
    control(
        "drift-of-another-figure",
        ("adjustments", "C-11", "expected the figure of its drift (PREPAYMENT), found OPEN_ITEM"),
        "UPDATE drift SET category = 'PREPAYMENT' WHERE category = 'OPEN_ITEM'",
    ),
    control(
        "drift-reopened",
        ("adjustments", "C-11", "expected a drift that it answers, found none"),
        "UPDATE drift SET status = 'OPEN' WHERE category = 'OPEN_ITEM'",
    ),
    control(
        "reversal-of-another",
        ("adjustments", "C-11", "expected to take back one of its figure, with the other sign"),
        "UPDATE adjustment SET reverses = (SELECT adjustment_id FROM adjustment"
        " WHERE category = 'OPEN_ITEM' AND kind = 'DRIFT') WHERE kind = 'REVERSAL'",
    ),
    control(
        "reversal-of-nothing",
        ("adjustments", "C-11", "expected to take back one of its figure, with the other sign"),
        "UPDATE adjustment SET reverses = gen_random_uuid() WHERE kind = 'GIVEN_WAY'",
    ),
    control(
        "taken-back-twice",
        ("adjustments", "C-11", "no more than 5.00 CNY, found -6.00 CNY in all"),
        "UPDATE adjustment SET amount_minor = -6 * 100 WHERE kind = 'REVERSAL'",
        "UPDATE payment SET prepayment_minor = 100, amount_minor = 8100 WHERE payment_id = 'P-11'",
    ),
    control(
        "adjustment-not-in-the-journal",
        ("adjustments", "C-11", "expected a journal entry, found none"),
        entry("C-11", "kind = 'FACT'", "kind = 'ADJUSTMENT' AND open_item_minor = 7000"),
    ),
    control(
        "own-figure-below-zero",
        ("adjustments", "TOP", "open_delivery: expected documents and adjustments of at least 0,"),
        f"INSERT INTO drift SELECT '{ID}', reconciliation_id, source, 'TOP', 'main',"
        " 'OPEN_DELIVERY', 'CNY', 100, 0, 1, 'ADJUSTED', compared_at, compared_at FROM drift"
        " LIMIT 1",
        f"INSERT INTO adjustment SELECT '{ID}', {of('TOP')}, 'DRIFT', 'OPEN_DELIVERY', 'CNY', -100,"
        f" 'x', '{ID}', NULL, 'x', NULL, now()",
        *both(
            "TOP",
            "open_delivery_minor = open_delivery_minor - 100, forced_minor = forced_minor - 100",
        ),
        entry("TOP", f"kind = 'ADJUSTMENT', ref = '{ID}'", "seq = 1"),
    ),
]

EXPOSURE = [*LIMITS, *ADJUSTMENTS]
