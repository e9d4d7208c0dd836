"""What a file of customers does not speak of stays as it is, whoever else changes it meanwhile."""

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2
import pytest

from app.cli.imports import LedgerPlan, import_ledger, import_rows
from app.cli.ledger_rows import LEDGER_COLUMNS
from app.cli.ledger_totals import Expected
from app.cli.master_rows import CUSTOMER_COLUMNS
from app.cli.tables import open_table
from app.cli.tables_rejects import Reject
from app.composition import compose
from app.domain.callers import Caller
from app.domain.customers import CustomerChange
from app.settings import Settings
from app.store.database import Database
from app.usecases.customers import CustomerView, PutCustomer
from tests.cli.conftest import Commands

TOLD = {
    "name": "甲公司",
    "kind": "sole_trader",
    "country": "CN",
    "uscc": "91350100M000100Y43",
    "lei": "5493001KJTIIGC8Y1R12",
    "industry": "F51",
    "since": "2019-04-01",
    "active": False,
    "size": "MEDIUM",
}
CLEARED = {
    "kind": "company",
    "country": None,
    "uscc": None,
    "lei": None,
    "industry": None,
    "since": None,
    "active": False,
    "size": None,
}


@pytest.fixture
def known(client: httpx2.Client) -> httpx2.Client:
    assert client.put("/v1/customers/C-1", json=TOLD).status_code == 201
    return client


def shown(client: httpx2.Client, customer_id: str = "C-1") -> dict[str, object]:
    told = client.get(f"/v1/customers/{customer_id}").json()
    return {name: told[name] for name in TOLD}


def test_columns_that_a_file_lacks_keep_what_there_is(
    known: httpx2.Client, run_aval: Commands, tmp_path: Path
) -> None:
    file = tmp_path / "c.csv"
    file.write_text("customer_id,name,owner\nC-1,乙公司,li\nC-2,丙公司,\n")
    ran = run_aval("import", "customers", str(file))
    assert (ran.code, ran.out) == (0, "2 rows, 0 rejected, 1 known, 1 new\n")
    assert shown(known) == TOLD | {"name": "乙公司"}
    assert shown(known, "C-2") == CLEARED | {"name": "丙公司", "active": True}


def test_empty_cells_clear_all_but_active(
    known: httpx2.Client, run_aval: Commands, tmp_path: Path
) -> None:
    file = tmp_path / "c.csv"
    file.write_text(f"customer_id,name,{','.join(CLEARED)}\nC-1,甲公司{',' * len(CLEARED)}\n")
    assert run_aval("import", "customers", str(file)).code == 0
    assert shown(known) == TOLD | CLEARED
    file.write_text("customer_id,name,active\nC-1,甲公司,true\n")
    assert run_aval("import", "customers", str(file)).code == 0
    assert shown(known)["active"] is True


@dataclass(frozen=True)
class Overtaken(PutCustomer):
    """Others block the customer just before each of the first changes of an import."""

    others: list[str] = field(default_factory=list)

    def __call__(
        self,
        caller: Caller,
        customer_id: str,
        change: CustomerChange,
        expected: Collection[int] | None = None,
    ) -> CustomerView:
        if self.others:
            blocked = CustomerChange("甲公司", industry=self.others.pop(), active=False)
            PutCustomer.__call__(self, caller, customer_id, blocked)
        return PutCustomer.__call__(self, caller, customer_id, change, expected)


@pytest.mark.parametrize(("times", "taken"), [(2, True), (9, False)])
def test_a_change_meanwhile_is_not_taken_back(
    database: Database, tmp_path: Path, times: int, *, taken: bool
) -> None:
    file = tmp_path / "c.csv"
    file.write_text("customer_id,name\nC-1,乙公司\n")
    parts = compose(Settings(state_dir=tmp_path), database.url)
    parts.prepare()
    plain = parts.desk.parties.put_customer
    rejects: list[Reject] = []
    with closing(parts.database):
        table = open_table(file, CUSTOMER_COLUMNS)
        import_rows(table, rejects.append, lambda run: run.put_customers(table, plain))
        others = [str(number) for number in range(times)]
        put = Overtaken(plain.database, plain.now, plain.requeue, others)
        import_rows(table, rejects.append, lambda run: run.put_customers(table, put))
        held = parts.desk.parties.read_customer(Caller("x", frozenset({"admin"})), "C-1").customer
    assert held.active is False
    assert (held.name == "乙公司", not rejects) == (taken, taken)
    if rejects:
        assert "was changed since it was read" in rejects[0].reason


@dataclass(frozen=True)
class MadeMeanwhile(PutCustomer):
    """Others make the customer, under this id or with it as an alias, before a ledger does."""

    owner: str = "C-1"

    def if_new(self, caller: Caller, customer_id: str, change: CustomerChange) -> CustomerView:
        aliases = () if self.owner == customer_id else (customer_id,)
        theirs = CustomerChange("甲公司", industry="F51", active=False, aliases=aliases)
        PutCustomer.__call__(self, caller, self.owner, theirs)
        return PutCustomer.if_new(self, caller, customer_id, change)


@pytest.mark.parametrize("owner", ["C-1", "C-2"])
def test_a_ledger_leaves_a_customer_that_others_made_meanwhile(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], owner: str
) -> None:
    file = tmp_path / "l.csv"
    file.write_text(
        "customer_id,customer_name,invoice_id,issue_date,due_date,amount,currency,paid_date\n"
        "C-1,乙公司,I-1,2026-01-01,2026-01-31,100.00,CNY,\n"
    )
    parts = compose(Settings(state_dir=tmp_path), database.url)
    parts.prepare()
    parties = parts.desk.parties
    plain = parties.put_customer
    put = MadeMeanwhile(plain.database, plain.now, plain.requeue, owner)
    desk = replace(parts.desk, parties=replace(parties, put_customer=put))
    with closing(parts.database):
        table = open_table(file, LEDGER_COLUMNS)
        import_ledger(replace(parts, desk=desk), table, LedgerPlan("erp", "main", Expected()))
        found = parties.read_customer(Caller("x", frozenset({"admin"})), "C-1").customer
    assert (found.customer_id, found.name, found.industry) == (owner, "甲公司", "F51")
    assert (found.active, found.version) == (False, 1)
    assert "1 rows, 0 rejected, 0 new customers" in capsys.readouterr().out
