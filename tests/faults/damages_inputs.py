"""Damages to what decisions of `ledgers.build` rest on besides the ledger, or are found by."""

# ruff: noqa: S608 - every statement is made of constants of this file

from tests.faults.damages import control, of


def decision(change: str) -> str:
    """Change the columns of one decision, and nothing of what it says."""
    return f"UPDATE decision SET {change} WHERE order_id = 'SO-1'"


INPUTS = [
    control(
        "let-pass-by-nobody",
        (
            "releases",
            "C-1",
            "order SO-1: released up to 1.00 CNY: expected a hold that was released",
        ),
        "UPDATE credit_order SET released_max_minor = 100 WHERE order_id = 'SO-1'",
    ),
    control(
        "older-inputs",
        ("inputs", "C-1", "input_version: expected 1, the newest, found 0"),
        f"UPDATE account SET input_version = 0 WHERE account_id = {of('C-1')}",
    ),
    control(
        "inputs-lost",
        ("inputs", "C-1", "input_version: expected 0, the newest, found 1"),
        f"DELETE FROM account_input WHERE account_id = {of('C-1')}",
    ),
    control(
        "inputs-lost-between",
        ("inputs", "C-1", "inputs: expected 3 versions, found 2"),
        f"INSERT INTO account_input SELECT account_id, 3, data FROM account_input"
        f" WHERE account_id = {of('C-1')}",
        f"UPDATE account SET input_version = 3 WHERE account_id = {of('C-1')}",
    ),
    control(
        "policy-of-nobody",
        ("policies", None, "version 1 of the rules: expected APPROVED, found DRAFT"),
        "UPDATE rule_set_life SET status = 'DRAFT', decided_by = NULL, decided_at = NULL",
    ),
    control(
        "found-by-another-order",
        ("decisions", "C-1", "order_id: expected SO-1 as answered, found SO-1x"),
        decision("order_id = 'SO-1x'"),
    ),
    control(
        "found-in-another-segment",
        ("decisions", "C-1", "segment_id: expected main as answered, found east"),
        decision("segment_id = 'east'"),
    ),
    control(
        "found-for-another-customer",
        ("decisions", "C-1", "customer_id: expected C-1 as answered, found C-2"),
        decision("customer_id = 'C-2'"),
    ),
    control(
        "judged-otherwise-by-its-column",
        ("decisions", "C-1", "judged: expected APPROVE as answered, found HOLD"),
        decision("judged = 'HOLD'"),
    ),
    control(
        "of-another-day",
        ("decisions", "C-1", "evaluated_at: expected"),
        decision("evaluated_at = evaluated_at - interval '1 day'"),
    ),
    control(
        "on-inputs-that-are-not-there",
        ("decisions", "C-1", "inputs: expected version 9 of the account's, found none"),
        decision("input_version = 9"),
    ),
]
