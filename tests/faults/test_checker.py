"""The checker finds a whole ledger clean, and names exactly the one thing that was damaged."""

import ast
import os
import re
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import make_url

from app.cli.check import check
from app.cli.failures import RefusedError, explain
from app.cli.replay import replay
from app.settings import Settings
from app.store.checker import check_ledger, check_within
from app.store.checker_ground import Snapshot
from app.store.checker_holds import check_hold_decisions
from app.store.database import Database
from tests.conftest import Server
from tests.faults.damages import CONTROLS, Control, plain, told
from tests.faults.damages_decisions import DECISIONS
from tests.faults.damages_exposure import EXPOSURE
from tests.faults.damages_holds import HOLDS
from tests.faults.damages_inputs import INPUTS
from tests.faults.damages_reports import REPORTS
from tests.faults.damages_retold import RETOLD
from tests.faults.ledgers import NOW, build, open_desk, random_events, report

STORE = Path(__file__).parents[2] / "app" / "store"
_numbers = count()


@pytest.fixture(scope="module")
def whole(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Make a whole ledger and leave it; yields the name of its database."""
    name = f"aval_ledger_{os.getpid()}"
    try:
        with open_desk(server.create(name, server.template), tmp_path_factory.mktemp("desk")) as at:
            build(at)
        plain(server.at(name))
        yield name
    finally:
        server.drop(name)


@pytest.fixture
def ledger(server: Server, whole: str) -> Iterator[str]:
    """Copy the whole ledger; yields its address."""
    name = f"{whole}_{next(_numbers)}"
    try:
        yield server.create(name, whole)
    finally:
        server.drop(name)


def test_a_whole_ledger_is_clean(ledger: str) -> None:
    steps: list[str] = []
    found = check_ledger(ledger, steps.append)
    assert found.clean, str(found)
    assert re.fullmatch(
        r"16 accounts, \d+ journal entries, 33 documents, 35 decisions: all exact", str(found)
    )
    assert (steps[0], steps[-1]) == ("groups", "hold decisions")


def test_an_empty_ledger_is_clean(database_url: str) -> None:
    expected = "0 accounts, 0 journal entries, 0 documents, 0 decisions: all exact"
    assert str(check_ledger(database_url)) == expected


@pytest.mark.parametrize("seed", range(3))
def test_a_ledger_of_random_facts_is_clean(ledger: str, seed: int) -> None:
    events = random_events(seed, 150)
    with closing(Database(ledger)) as database:
        results = [*report(database, events[:60])]
        for first in range(60, 150, 5):
            results += report(database, events[first : first + 5])
    assert sum(one.result == "applied" for one in results) > 70
    found = check_ledger(ledger)
    assert found.clean, str(found)


def test_decisions_of_dropped_months_are_not_missed(ledger: str) -> None:
    dropped, kept = "01000000-0000-7000-8000-000000000000", "02ff0000-0000-7000-8000-000000000000"
    add = "INSERT INTO request_key (client, key, hash, decision_id) VALUES ('erp', %s, '', %s)"
    with psycopg.connect(ledger) as connection:
        connection.execute(add, ("old", dropped))
    assert check_ledger(ledger).clean
    with psycopg.connect(ledger) as connection:
        connection.execute(add, ("new", kept))
    assert check_ledger(ledger).difference == (
        f"keys: key new of client erp: expected its decision {kept}, found none"
    )


def test_the_command_prints_totals_or_the_first_difference(
    ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(database_url=ledger)
    check(settings)
    assert capsys.readouterr().out.endswith(": all exact\n")
    with psycopg.connect(ledger) as connection:
        connection.execute("UPDATE account SET seq = seq + 1 WHERE customer_id = 'C-7'")
    with pytest.raises(RefusedError, match=r"^balances: account \d+ \(customer C-7,") as refused:
        check(settings)
    assert explain(refused.value)[0] == 1


def test_replay_judges_every_stored_decision_again(
    ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(database_url=ledger)
    replay(settings, NOW)
    assert capsys.readouterr().out == "35 decisions since 2026-06-15: all judged the same\n"
    with psycopg.connect(ledger) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(told("inputs", "question,amount,0", "10000", "SO-24"))
    with pytest.raises(RefusedError, match=r"^1 of 35 decisions since 2026-06-15 ") as refused:
        replay(settings, NOW)
    assert explain(refused.value)[0] == 1
    assert 'outcome: stored "HOLD", judged again "APPROVE"' in capsys.readouterr().out


def test_it_only_reads(ledger: str) -> None:
    with psycopg.connect(ledger, autocommit=True) as connection:
        connection.execute("CREATE ROLE aval_reader LOGIN")
        try:
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO aval_reader")
            url = make_url(ledger).set(username="aval_reader")
            assert check_ledger(url.render_as_string(hide_password=False)).clean
        finally:
            connection.execute("DROP OWNED BY aval_reader")
            connection.execute("DROP ROLE aval_reader")


def test_it_shares_nothing_with_what_it_checks() -> None:
    for path in STORE.glob("checker*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        plain = [one for one in ast.walk(tree) if isinstance(one, ast.Import)]
        names = {alias.name for one in plain for alias in one.names}
        names |= {one.module or "" for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)}
        ours = {name for name in names if name.partition(".")[0] == "app"}
        assert all(name.startswith("app.store.checker_") for name in ours), path.name
        assert "sqlalchemy" not in names, path.name


@pytest.mark.parametrize(
    "control", [*CONTROLS, *DECISIONS, *EXPOSURE, *HOLDS, *RETOLD, *REPORTS, *INPUTS]
)
def test_one_damaged_thing_is_named(server: Server, whole: str, control: Control) -> None:
    with psycopg.connect(server.at(whole), row_factory=dict_row) as connection:
        # triggers and foreign keys sleep: this is what nothing in the service could do
        connection.execute("SET LOCAL session_replication_role = replica")
        for statement in control.statements:
            assert connection.execute(statement).rowcount != 0, statement
        found = check_within(connection).difference
        connection.rollback()
    assert found is not None
    assert found.startswith(f"{control.step}: "), found
    assert control.says in found
    assert "\n" not in found
    if control.customer is not None:
        assert f"(customer {control.customer}, segment main): " in found


@pytest.mark.parametrize(
    ("record", "damage"),
    [
        (b"\x02\x28\xb5\x2f\xfd\x24", "a packed decision is damaged"),
        (b"\x63\x00", "packed in a way that is not known here (63)"),
        (b"\x00{}\n{", "unexpected end of data: line 1 column 2 (char 1)"),
    ],
    ids=["cut-off", "packed-by-nobody", "no-json"],
)
def test_a_hold_whose_decision_cannot_be_read_is_named_by_its_order(
    server: Server, whole: str, record: bytes, damage: str
) -> None:
    """By the step of holds itself: the one of all decisions comes first, and stops there."""
    with psycopg.connect(server.at(whole), row_factory=dict_row) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        change = "UPDATE decision SET record = %s WHERE order_id = 'SO-61'"
        assert connection.execute(change, (record,)).rowcount > 0
        found = check_within(connection).difference
        (held,) = check_hold_decisions(Snapshot(connection))
        connection.rollback()
    assert found is not None
    assert re.match(r"decisions: account \d+ \(customer C-12, .*cannot be read: ", found)
    assert held.account_id is not None
    told = f"hold of order SO-61: its decision cannot be read: {damage}"
    assert held.text.startswith(told)
