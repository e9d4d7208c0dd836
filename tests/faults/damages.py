"""Damages to the ledger of `ledgers.build`, each with the one line that must name it."""

# ruff: noqa: S608 - every statement is made of constants of this file

from dataclasses import dataclass

import psycopg
import pytest

from app.store.checker_ground import unpacked

_RECORD = "convert_from(substr(record, 2), 'UTF8')"


@dataclass(frozen=True)
class Control:
    """What is damaged, and the one line that must say so."""

    statements: tuple[str, ...]
    step: str
    customer: str | None
    says: str


def control(name: str, said: tuple[str, str | None, str], *statements: str) -> object:
    """Name a control; `said` is the step, the customer and a part of the line."""
    return pytest.param(Control(statements, *said), id=name)


def of(customer: str) -> str:
    """Write the id of a customer's account."""
    return f"(SELECT account_id FROM account WHERE customer_id = '{customer}')"


def both(customer: str, change: str) -> tuple[str, str]:
    """Change an account and its last journal entry alike."""
    newest = f"(SELECT max(seq) FROM journal WHERE account_id = {of(customer)})"
    return (
        f"UPDATE journal SET {change} WHERE account_id = {of(customer)} AND seq = {newest}",
        f"UPDATE account SET {change} WHERE customer_id = '{customer}'",
    )


def entry(customer: str, change: str, which: str) -> str:
    """Change journal entries of one account, and nothing else."""
    return f"UPDATE journal SET {change} WHERE account_id = {of(customer)} AND {which}"


def told(column: str, path: str, value: str, order_id: str) -> str:
    """Change what a decision stored; `column` is inputs or answer. They are plain, see `plain`."""
    parts = [f"split_part({_RECORD}, E'\\n', {place})" for place in (1, 2)]
    place = ("inputs", "answer").index(column)
    parts[place] = f"jsonb_set({parts[place]}::jsonb, '{{{path}}}', '{value}')::text"
    packed = f"'\\x00'::bytea || convert_to({parts[0]} || E'\\n' || {parts[1]}, 'UTF8')"
    return f"UPDATE decision SET record = {packed} WHERE order_id = '{order_id}'"


def plain(url: str) -> None:
    """Store every decision as it could be stored as well, so that SQL can damage it."""
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        for decision_id, record in connection.execute("SELECT decision_id, record FROM decision"):
            whole = b"\x00" + b"\n".join(unpacked(record))
            change = "UPDATE decision SET record = %s WHERE decision_id = %s"
            connection.execute(change, (whole, decision_id))


def foreign(customer: str, path: str, value: str) -> tuple[str, str]:
    """Change a foreign position in an account and its last journal entry alike."""
    return both(customer, f"foreign_use = jsonb_set(foreign_use, '{{{path}}}', '{value}')")


GROUPS = [
    control(
        "path-cut",
        ("groups", "C-1", "from the parents of its customer, found ["),
        "UPDATE account SET path = path[1:1] WHERE customer_id = 'C-1'",
    ),
    control(
        "parent-lost",
        ("groups", "C-2", "path: expected ["),
        "UPDATE customer SET parent_id = NULL WHERE customer_id = 'C-2'",
    ),
    control(
        "own-grandchild",
        ("groups", "TOP", "path: expected no group that contains itself"),
        "UPDATE customer SET parent_id = 'C-1' WHERE customer_id = 'TOP'",
    ),
]

JOURNAL = [
    control(
        "entry-deleted",
        ("journal", "C-1", "journal entry 3: expected, found 4 in its place"),
        f"DELETE FROM journal WHERE account_id = {of('C-1')} AND seq = 3",
    ),
    control(
        "seq-changed",
        ("journal", "C-7", "journal entry 1: expected, found 7 in its place"),
        entry("C-7", "seq = 7", "seq = 1"),
    ),
    control(
        "forced-wrong",
        ("journal", "C-4", "(RELEASE): forced: expected 5000 minor units, what 15000 is above"),
        entry("C-4", "forced_minor = forced_minor + 1", "kind = 'RELEASE'"),
    ),
    control(
        "grant-above-limit",
        ("journal", "C-1", "(AUTHORIZE): expected a use of at most 99999 minor units"),
        entry("C-1", "limit_minor = 99999, forced_minor = 1", "seq = 2"),
    ),
    control(
        "grant-forces",
        ("journal", "C-1", "(AUTHORIZE): forced: expected at most 0 minor units"),
        entry("C-1", "forced_minor = 1", "seq = 2"),
    ),
    control(
        "below-zero",
        ("journal", "C-1", "expected no amount below 0, found -1"),
        entry("C-1", "note_receivable_minor = -1", "seq = 2"),
    ),
    control(
        "entry-of-nobody",
        ("journal", None, "account 999: journal entry 1: expected none, there is no account"),
        "INSERT INTO journal SELECT 999, seq, kind, ref, decision_id, at, authorized_minor,"
        " open_delivery_minor, open_item_minor, note_receivable_minor, prepayment_minor,"
        f" limit_minor, unlimited, forced_minor FROM journal WHERE account_id = {of('C-7')}",
    ),
]

CATEGORIES = ["authorized", "open_delivery", "open_item", "note_receivable", "prepayment"]

BALANCES = [
    *(
        control(
            f"{name}-one-cent-off",
            ("balances", "C-1", f"{name}: expected "),
            f"UPDATE account SET {name}_minor = {name}_minor + 1 WHERE customer_id = 'C-1'",
        )
        for name in [*CATEGORIES, "limit", "forced"]
    ),
    control(
        "last-entry-deleted",
        ("balances", "C-7", "seq: expected 0, where its journal ends, found 1"),
        f"DELETE FROM journal WHERE account_id = {of('C-7')} AND seq = 1",
    ),
    control(
        "account-behind",
        ("balances", "C-7", "seq: expected 1, where its journal ends, found 0"),
        "UPDATE account SET seq = 0 WHERE customer_id = 'C-7'",
    ),
    control(
        "unlimited-by-hand",
        ("balances", "C-7", "unlimited: expected False as in its journal entry 1, found True"),
        "UPDATE account SET unlimited = true WHERE customer_id = 'C-7'",
    ),
    control(
        "foreign-lost",
        ("balances", "G", "foreign_use: expected {"),
        "UPDATE account SET foreign_use = NULL WHERE customer_id = 'G'",
    ),
    control(
        "limit-without-a-history",
        ("balances", "C-3", "limit: expected none for it has no journal entry, found 0.05 CNY"),
        "UPDATE account SET limit_minor = 5 WHERE customer_id = 'C-3'",
    ),
]

LIMITS = [
    control(
        "limit-raised-by-hand",
        ("limits", "C-7", "limit: expected 100.00 CNY from approved limits, found 100.01 CNY"),
        *both("C-7", "limit_minor = 10001"),
    ),
    control(
        "unlimited-by-nobody",
        ("limits", "C-7", "limit: expected 100.00 CNY from approved limits, found unlimited"),
        *both("C-7", "limit_minor = NULL, unlimited = true"),
    ),
    control(
        "approval-lost",
        ("limits", "C-7", "limit: expected none from approved limits, found 100.00 CNY"),
        f"UPDATE credit_limit SET status = 'REJECTED' WHERE account_id = {of('C-7')}",
    ),
    control(
        "lapses-unseen",
        (
            "limits",
            "C-7",
            "expired False, withheld False until 2026-06-02 from approved limits, found",
        ),
        "UPDATE credit_limit SET valid_from = '2026-05-01', valid_to = '2026-06-01'"
        f" WHERE account_id = {of('C-7')}",
        "UPDATE account SET limit_changes_on = '2026-06-01' WHERE customer_id = 'C-7'",
    ),
    control(
        "expired-by-hand",
        ("limits", "C-3", "limit: expected none, expired False, withheld False until None from"),
        "UPDATE account SET limit_expired = true WHERE customer_id = 'C-3'",
    ),
    control(
        "withheld-by-hand",
        ("limits", "C-3", "none, expired False, withheld False until None from approved limits"),
        "UPDATE account SET limit_withheld = true WHERE customer_id = 'C-3'",
    ),
]

DOCUMENTS = [
    control(
        "order-delivered-off",
        (
            "documents",
            "C-1",
            "order SO-1: delivered: expected 600.00 CNY from its documents, found",
        ),
        "UPDATE order_use SET delivered_minor = 60001 WHERE order_id = 'SO-1'",
    ),
    control(
        "order-invoiced-off",
        ("documents", "C-1", "order SO-1: invoiced: expected 200.00 CNY"),
        "UPDATE order_use SET invoiced_minor = 0 WHERE order_id = 'SO-1'",
    ),
    control(
        "final-line-forgotten",
        ("documents", "C-1", "order SO-4: delivered: expected 110.00 CNY"),
        "UPDATE order_use SET delivered_minor = 12000 WHERE order_id = 'SO-4'",
    ),
    control(
        "stand-in-lost",
        ("documents", "C-1", "order of delivery D-2: delivered: expected 40.00 CNY"),
        "DELETE FROM order_use WHERE order_id LIKE '%D-2'",
    ),
    control(
        "reserved-off",
        ("documents", "C-1", "order SO-1: reserved: expected 400.00 CNY"),
        "UPDATE credit_order SET reserved_minor = 39999 WHERE order_id = 'SO-1'",
    ),
    control(
        "reserved-without-need",
        ("documents", "C-1", "order SO-4: reserved: expected 0.00 CNY"),
        "UPDATE credit_order SET reserved_minor = 0, state = 'EXPIRED' WHERE order_id = 'SO-1'",
        "UPDATE credit_order SET reserved_minor = 1, state = 'LIVE', authorized_minor = 1"
        " WHERE order_id = 'SO-4'",
    ),
    control(
        "invoice-open-off",
        ("documents", "C-1", "invoice I-1: open: expected 115.00 CNY from its documents, found"),
        "UPDATE invoice SET open_minor = open_minor - 1 WHERE invoice_id = 'I-1'",
    ),
    control(
        "invoice-excess-off",
        ("documents", "C-1", "invoice I-2: excess: expected 5.00 CNY"),
        "UPDATE invoice SET excess_minor = 0 WHERE invoice_id = 'I-2'",
    ),
    control(
        "allocation-lost",
        ("documents", "C-1", "invoice I-2: open: expected 30.00 CNY"),
        "DELETE FROM allocation WHERE invoice_id = 'I-2'",
    ),
    control(
        "credit-note-lost",
        ("documents", "C-1", "invoice I-4: open: expected 109.00 CNY"),
        "DELETE FROM credit WHERE credit_id = 'R-1'",
    ),
    control(
        "money-unallocated-off",
        ("documents", "C-1", "payment P-1: prepayment: expected 25.00 CNY"),
        "UPDATE payment SET prepayment_minor = 0 WHERE payment_id = 'P-1'",
    ),
    control(
        "haircut-changed",
        ("documents", "C-P", "payment P-5: prepayment: expected 10.00 CNY"),
        "UPDATE payment SET haircut_percent = 0 WHERE payment_id = 'P-5'",
    ),
    control(
        "lapsed-and-counted",
        ("documents", "C-P", "payment P-5: prepayment: expected 0.00 CNY"),
        "UPDATE payment SET lapsed_at = expires_at WHERE payment_id = 'P-5'",
    ),
    control(
        "lapse-forgotten",
        ("documents", "C-P", "payment P-6: prepayment: expected 2.40 CNY"),
        "UPDATE payment SET lapsed_at = NULL WHERE payment_id = 'P-6'",
    ),
    control(
        "provisional-counted",
        ("documents", "C-1", "payment P-3: prepayment: expected 0.00 CNY"),
        "UPDATE payment SET prepayment_minor = 700 WHERE payment_id = 'P-3'",
    ),
    control(
        "note-paid",
        ("documents", "C-1", "payment P-2: note_receivable: expected 0.00 CNY"),
        "UPDATE note SET status = 'PAID' WHERE note_id = 'N-1'",
    ),
    control(
        "note-dishonoured",
        ("documents", "C-1", "invoice I-1: open: expected 159.00 CNY"),
        "UPDATE note SET status = 'DISHONOURED' WHERE note_id = 'N-1'",
    ),
    control(
        "credit-off",
        ("documents", "C-1", "credit R-2: prepayment: expected 3.00 CNY"),
        "UPDATE credit SET prepayment_minor = 0 WHERE credit_id = 'R-2'",
    ),
]

POSITIONS = [
    *(
        control(
            f"{name}-booked-wrong",
            ("positions", "C-1", f"{name}: expected "),
            *both("C-1", f"{name}_minor = {name}_minor + 1"),
        )
        for name in CATEGORIES
    ),
    control(
        "group-off",
        ("positions", "TOP", "open_item: expected "),
        *both("TOP", "open_item_minor = open_item_minor + 1, forced_minor = forced_minor + 1"),
    ),
    control(
        "foreign-position-off",
        ("positions", "C-2", "open_item in USD: expected 99.99 USD from documents, found 99.98"),
        *foreign("C-2", "USD,open_item", "9998"),
    ),
    control(
        "nothing-in-a-currency",
        ("positions", "C-2", "position in EUR: expected none, for nothing is in it"),
        *foreign("C-2", "EUR", '{"rate": ["EUR", "CNY", "8", "2026-06-15", "test"]}'),
    ),
    control(
        "valued-a-cent-too-low",
        ("positions", "C-6", "authorized: expected 218.41 USD from documents (JPY valued by its"),
        *both("C-6", "authorized_minor = authorized_minor - 1"),
    ),
    control(
        "another-rate",
        ("positions", "C-2", "authorized: expected "),
        *foreign("C-2", "USD,rate,2", '"7.3"'),
    ),
    control(
        "rate-of-another-pair",
        ("positions", "C-2", "position in USD: USD/JPY 7.2 does not value USD in CNY"),
        *foreign("C-2", "USD,rate,1", '"JPY"'),
    ),
    control(
        "rate-never-stored",
        ("positions", "C-6", "position in JPY: expected a stored rate"),
        "DELETE FROM fx_rate WHERE base = 'USD' AND quote = 'JPY'",
    ),
    control(
        "documents-of-nobody",
        ("positions", None, "account 999: expected an account: documents are booked on it"),
        "UPDATE credit SET account_id = 999 WHERE credit_id = 'R-2'",
    ),
    control(
        "documents-of-another",
        ("positions", "C-1", "prepayment: expected "),
        f"UPDATE credit SET account_id = {of('C-7')} WHERE credit_id = 'R-2'",
    ),
]

LINKS = [
    control(
        "quarantine-forgotten",
        ("quarantine", "C-1", "quarantined: expected 1 waiting events, found 0"),
        "UPDATE account SET quarantined = 0 WHERE customer_id = 'C-1'",
    ),
    control(
        "hold-pointing-nowhere",
        ("holds", "C-4", "order SO-21: expected"),
        "UPDATE credit_order SET hold_id = gen_random_uuid() WHERE order_id = 'SO-21'",
    ),
    control(
        "hold-closed-by-hand",
        ("holds", "C-1", "order SO-23: expected no hold or one that is open, found"),
        "UPDATE order_hold SET status = 'CANCELLED' WHERE order_id = 'SO-23'",
    ),
    control(
        "hold-forgotten",
        ("holds", "C-4", "order SO-21: expected the open hold"),
        "UPDATE credit_order SET hold_id = NULL WHERE order_id = 'SO-21'",
    ),
    control(
        "hold-of-another-kind",
        ("holds", "C-1", "order SO-23: expected a hold FORCED, found AUTOMATIC"),
        "UPDATE credit_order SET hold_kind = 'AUTOMATIC' WHERE order_id = 'SO-23'",
    ),
    control(
        "stop-ignored",
        ("stops", "C-5", "status: expected STOPPED, found OPEN"),
        "UPDATE account SET status = 'OPEN' WHERE customer_id = 'C-5'",
    ),
    control(
        "decision-of-a-key-lost",
        ("keys", None, "expected its decision"),
        "DELETE FROM decision WHERE order_id = 'SO-7'",
    ),
    control(
        "decision-of-an-entry-lost",
        ("keys", "C-6", "journal entry 4: expected its decision"),
        "DELETE FROM request_key USING decision d WHERE d.decision_id = request_key.decision_id"
        " AND d.order_id = 'SO-7'",
        "DELETE FROM decision WHERE order_id = 'SO-7'",
    ),
]

CONTROLS = [*GROUPS, *JOURNAL, *BALANCES, *LIMITS, *DOCUMENTS, *POSITIONS, *LINKS]
