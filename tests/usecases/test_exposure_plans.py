"""A page of a figure looks up what its documents are made of by index, on whatever tables."""

import re
from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest
from sqlalchemy import text

from app.domain.exposure import Document, Figure
from app.store import exposure, exposure_deliveries
from app.store.database import Database, Tx
from tests.server import Clock
from tests.usecases.plans import GROWN, grow, sample
from tests.usecases.town import Town

FEW: Final = 500
"""More rows than are read for the few documents of a page, far fewer than there are."""

MORE: Final = f"""
INSERT INTO order_use (segment_id, order_id, account_id, currency, delivered_minor, invoiced_minor)
SELECT 'main', 'own' || n, :own, 'CNY', 2, 2 FROM generate_series(1, {GROWN}) AS n;
INSERT INTO delivery (segment_id, delivery_id, order_id, version, account_id, currency,
    amount_minor, content)
SELECT 'main', 'gd' || n, 'go' || n, 1, 1000 + n, 'CNY', 1, '' FROM generate_series(1, {GROWN}) n;
INSERT INTO delivery (segment_id, delivery_id, order_id, version, account_id, currency,
    amount_minor, content)
SELECT 'main', 'own' || n, CASE WHEN n % 2 = 0 THEN '' ELSE 'own' || n END, 1, :own, 'CNY', 2, ''
FROM generate_series(1, {GROWN}) AS n;
INSERT INTO invoice (segment_id, invoice_id, version, account_id, currency, amount_minor,
    issue_date, due_date, open_minor, content)
SELECT 'main', 'own' || n, 1, :own, 'CNY', 2, '2026-06-01', '2026-07-01', 0, ''
FROM generate_series(1, {GROWN}) AS n;
INSERT INTO invoice_line (segment_id, invoice_id, line_no, delivery_id, amount_minor, final)
SELECT 'main', 'own' || n, 0, 'own' || n, 2, false FROM generate_series(1, {GROWN}) AS n;
INSERT INTO invoice_line (segment_id, invoice_id, line_no, order_id, delivery_id, amount_minor,
    final)
SELECT 'main', 'gi' || n, 0, 'go' || n, 'gd' || n, 1, false FROM generate_series(1, {GROWN}) n;
INSERT INTO note (segment_id, note_id, version, account_id, status, content)
SELECT 'main', 'own' || n, 1, :own, 'PAID', '' FROM generate_series(1, {GROWN}) AS n;
INSERT INTO dispute (segment_id, invoice_id, version, account_id, open, since, content)
SELECT 'main', 'own' || n, 1, :own, n % 2 = 0, '2026-06-01', ''
FROM generate_series(1, {GROWN}) AS n
"""  # noqa: S608 - made of constants
"""Rows of the very customer that is asked about, and of 30,000 others."""

WATCHED: Final = ("delivery", "dispute", "invoice", "invoice_line", "note", "order_use", "payment")
READ: Final = text("""
SELECT sum(seq_scan) AS whole, sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) AS rows
FROM pg_stat_xact_user_tables WHERE relname = ANY(:names)
""")
INDEXES: Final = {
    ("delivery", "delivery_segment_id_order_id_idx"),
    ("delivery", "delivery_pkey"),
    ("invoice", "invoice_pkey"),
    ("invoice_line", "invoice_line_segment_id_delivery_id_idx"),
}
FIGURES: Final[tuple[Figure, ...]] = (
    "OPEN_DELIVERY", "OPEN_ITEM", "NOTE_RECEIVABLE", "PREPAYMENT", "OVERDUE",
)  # fmt: skip


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    """Let a customer have a few documents of each kind with something open."""
    town = Town.found(database, clock)
    town.put("C-3", currency="CNY")
    bill = {"kind": "BANK", "due_date": "2026-09-01"}
    dates = {"issue_date": "2026-05-01", "due_date": "2026-06-01"}
    for number in range(5):
        invoice_id, order_id = f"I-{number}", f"SO-{number % 2}"
        named = {"delivery_id": f"D-{number}", "order_id": order_id}
        town.fact("delivery", "C-3", **named, amount=100)
        town.fact("delivery", "C-3", delivery_id=f"L-{number}", amount=100)
        lines = [{**named, "amount": 5}, {"delivery_id": f"L-{number}", "amount": 5}]
        town.fact("invoice", "C-3", invoice_id=invoice_id, amount=100, lines=lines, **dates)
        town.fact("dispute", "C-3", invoice_id=invoice_id, open=True)
        note = {**bill, "note_id": f"N-{number}"}
        paid = {"amount": 7, "note": note, "paid_date": "2026-06-01"}
        town.fact("payment", "C-3", payment_id=f"P-{number}", **paid)
    return town


def fill(town: Town) -> None:
    """Let the tables grow, without the planner knowing of it."""
    grow(town.database.url)
    own = str(town.account("C-3").account_id)
    with psycopg.connect(town.database.url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in MORE.replace(":own", own).split(";"):
            connection.execute(statement.encode())


def read(tx: Tx, town: Town, figure: Figure) -> list[Document]:
    found = exposure.documents(tx, [town.account("C-3").account_id], figure, town.today, (None, 20))
    return exposure_deliveries.detailed(tx, "main", found)


def check(town: Town) -> None:
    """Read each figure; watch what was read of the tables, and ask how it is done."""
    for figure in FIGURES:
        with town.database.read() as tx:
            before = tx.execute(READ, {"names": [*WATCHED]}).one()
            assert len(read(tx, town, figure)) >= 5
            whole, rows = tx.execute(READ, {"names": [*WATCHED]}).one()
        assert (figure, whole - before[0]) == (figure, 0)
        assert rows - before[1] < FEW, figure
    assert scans(town) <= INDEXES


def scans(town: Town) -> set[tuple[str, str]]:
    """Name the tables that the query of deliveries reads, each with the index."""
    values = {
        "segment": "main",
        "orders": ["SO-1", ""],
        "names": ["SO-1", "L-1"],
        "account_ids": [town.account("C-3").account_id] * 2,
        "currencies": ["CNY", "CNY"],
        "most": 100,
    }
    explain = text(f"EXPLAIN (FORMAT JSON) {exposure_deliveries.DELIVERIES.text}")
    with town.database.read() as tx:
        read(tx, town, "OPEN_DELIVERY")  # which tells the planner what to leave
        plan = tx.execute(explain, values).scalar_one()[0]["Plan"]
    found = list(nodes(plan))
    assert not [one for one in found if re.search("Seq Scan|Hash|Merge J", one["Node Type"])]
    return {(one["Relation Name"], one["Index Name"]) for one in found if "Relation Name" in one}


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from nodes(inner)


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "sampled"])
def test_small_tables(town: Town, *, known: bool) -> None:
    if known:
        sample(town.database.url)
    check(town)


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known-to-be-small"])
def test_tables_just_filled(town: Town, *, known: bool) -> None:
    if known:
        sample(town.database.url)
    fill(town)
    check(town)


def test_tables_with_30000_rows(town: Town) -> None:
    fill(town)
    sample(town.database.url)
    check(town)
