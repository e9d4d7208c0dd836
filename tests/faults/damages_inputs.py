"""Damages to what decisions of `ledgers.build` rest on besides the ledger, or are found by."""

# ruff: noqa: S608 - every statement is made of constants of this file

from tests.faults.damages import control, of, told


def decision(change: str) -> str:
    """Change the columns of one decision, and nothing of what it says."""
    return f"UPDATE decision SET {change} WHERE order_id = 'SO-1'"


def activated(segment: str, effective_at: str) -> str:
    """Add an activation of version 9, made on the day of the ledger; `segment` is SQL."""
    return (
        "INSERT INTO rule_set_activation (version, segment_id, effective_at, client, at)"
        f" VALUES (9, {segment}, '{effective_at}', 'tests', '2026-06-15Z')"
    )


_LATER = "2100-01-01T00:00:00+00:00"
_SNOOZED = f"""'{{"snoozed": {{"overdue-days": "{_LATER}"}}}}'"""
_APPROVED = (
    "INSERT INTO rule_set (version, data) SELECT 9, data FROM rule_set WHERE version = 1",
    "INSERT INTO rule_set_life VALUES (9, 'APPROVED', 'one', 'one', now(), 'other', now())",
)

INPUTS = [
    control(
        "let-pass-by-nobody",
        (
            "releases",
            "C-1",
            "order SO-1: released up to 1.00 CNY: expected a hold that a person released",
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
        told("inputs", "situation,accounts,0,input_version", "9", "SO-1"),
        decision("input_version = 9"),
    ),
    control(
        "on-other-inputs-by-its-column",
        ("decisions", "C-1", "input_version: expected 1 as judged, found 0"),
        decision("input_version = 0"),
    ),
    control(
        "judged-for-another-account",
        ("decisions", "C-7", "account_id: expected"),
        decision(f"account_id = {of('C-7')}"),
    ),
    control(
        "a-check-that-is-a-release",
        ("decisions", "C-1", "kind: expected RELEASE where a person releases, and only there"),
        "UPDATE decision SET kind = 'RELEASE' WHERE order_id = 'SO-8'",
    ),
    control(
        "asked-by-another-client",
        ("keys", "C-1", "client: expected tests, with whose key it was asked, found mallory"),
        decision("client = 'mallory'"),
    ),
    control(
        "placed-and-gone",
        ("keys", None, "that it was answered, found none"),
        "DELETE FROM order_hold_event WHERE hold_id ="
        " (SELECT hold_id FROM order_hold WHERE kind = 'STOP')",
        "DELETE FROM order_hold WHERE kind = 'STOP'",
        "UPDATE account SET status = 'OPEN' WHERE status = 'STOPPED'",
    ),
    control(
        "let-pass-by-itself",
        ("releases", "C-12", "order SO-60: released up to 1.00 CNY: expected a hold that a person"),
        "UPDATE credit_order SET released_max_minor = 100 WHERE order_id = 'SO-60'",
    ),
    control(
        "let-pass-further",
        ("releases", "C-4", "order SO-20: released up to 999.99 CNY, until None: expected 150.00"),
        "UPDATE credit_order SET released_max_minor = 99999 WHERE order_id = 'SO-20'",
    ),
    control(
        "let-pass-longer",
        ("releases", "C-4", "until 2100-01-01 00:00:00+00:00: expected 150.00 CNY, until None"),
        "UPDATE credit_order SET released_until = '2100-01-01Z' WHERE order_id = 'SO-20'",
    ),
    control(
        "released-by-no-release",
        ("releases", "C-4", "released up to 150.00 CNY: expected a RELEASE, found AUTHORIZATION"),
        "UPDATE order_hold SET decision_id = (SELECT max(decision_id::text)::uuid FROM decision"
        " WHERE order_id = 'SO-20') WHERE order_id = 'SO-20'",
    ),
    control(
        "lasts-longer",
        ("expiries", "C-1", "order SO-1: expires_at: expected what an approval of"),
        "UPDATE credit_order SET expires_at = '2100-01-01Z' WHERE order_id = 'SO-1'",
    ),
    control(
        "still-active-by-its-inputs",
        ("inputs", "C-9", "inputs: active: expected False as its customer, found True"),
        "UPDATE account_input SET data = data || '{\"active\": true}'",
    ),
    control(
        "rules-read-something-else",
        ("inputs", "C-1", "inputs: for_rules: expected data without the score's reasons, found"),
        "ALTER TABLE account_input DISABLE TRIGGER for_rules",
        f"UPDATE account_input SET for_rules = '{{}}' WHERE account_id = {of('C-1')}",
    ),
    control(
        "snoozed-by-nobody",
        ("inputs", "C-1", "rule overdue-days snoozed until 2100-01-01T00:00:00+00:00: expected"),
        f"UPDATE account_input SET data = data || {_SNOOZED} WHERE account_id = {of('C-1')}",
    ),
    control(
        "snoozed-until-no-moment",
        ("inputs", "C-1", "rule overdue-days snoozed until ever: expected one who said so"),
        f"UPDATE account_input SET data = data || {_SNOOZED.replace(_LATER, 'ever')}"
        f" WHERE account_id = {of('C-1')}",
    ),
    control(
        "policy-never-activated",
        ("policies", None, "segment main: version 9 of the rules: expected an activation that"),
        *_APPROVED,
        "UPDATE segment SET rule_set_version = 9",
    ),
    control(
        "policy-in-force-before-its-day",
        ("policies", None, "segment main: version 9 of the rules: expected an activation that"),
        *_APPROVED,
        activated("NULL", "2030-01-01Z"),
        "UPDATE segment SET rule_set_version = 9",
    ),
    control(
        "policy-of-another-segment",
        ("policies", None, "segment main: version 9 of the rules: expected an activation that"),
        *_APPROVED,
        activated("'east'", "2026-06-15Z"),
        "UPDATE segment SET rule_set_version = 9",
    ),
    control(
        "policy-scheduled-by-nobody",
        ("policies", None, "the default: version 9 of the rules: expected an activation that"),
        *_APPROVED,
        activated("NULL", "2030-01-01Z"),
        "UPDATE rule_set_default SET next_rule_set_version = 9, next_rule_set_at = '2029-01-01Z'",
    ),
    control(
        "judged-by-a-draft",
        ("decisions", "C-1", "expected an approved rule set 9, found none"),
        *_APPROVED,
        "UPDATE rule_set_life SET status = 'DRAFT' WHERE version = 9",
        decision("rule_set_version = 9"),
    ),
]
