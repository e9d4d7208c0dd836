"""The schema: up, down and up again, equal to the tables the code knows, and evidence stays."""

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from types import MappingProxyType

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg import sql

from app.domain.errors import SchemaOldError
from app.store.database import Database
from app.store.migrate import alembic_config, migrate
from app.store.revision import MIGRATIONS, current_revision, head_revision, require_schema

EVIDENCE = (
    "account_input",
    "authority_change",
    "adjustment",
    "decision",
    "financial_statement",
    "fx_rate",
    "journal",
    "ledger_event",
    "limit_policy",
    "limit_review",
    "master_change",
    "order_hold_event",
    "reconciliation",
    "rule_set",
    "rule_set_activation",
    "rule_set_event",
    "score",
)
PARTS = ("decision_p_default", "journal_p00", "journal_p15")
CHANGES = {
    "update": "UPDATE {table} SET {column} = {column}",
    "delete": "DELETE FROM {table}",
    "truncate": "TRUNCATE {table} CASCADE",
}
VALUES = {
    "bigint": "1",
    "boolean": "true",
    "bytea": "'x'",
    "date": "'2026-06-15'",
    "integer": "1",
    "json": "'{}'",
    "jsonb": "'{}'",
    "numeric": "1",
    "smallint": "1",
    "text": "'x'",
    "timestamp with time zone": "now()",
    "uuid": "'019f0000-0000-7000-8000-000000000001'",
}
"""A value of each type; `CHOSEN` has those that a check asks for."""

CHOSEN = {
    ("adjustment", "kind"): "'DRIFT'",
    ("adjustment", "category"): "'OPEN_ITEM'",
    ("adjustment", "drift_id"): VALUES["uuid"],
    ("authority_change", "what"): "'ROLE'",
    ("decision", "kind"): "'CHECK'",
    ("rule_set_event", "action"): "'DRAFT'",
    ("decision", "outcome"): "'APPROVE'",
    ("journal", "kind"): "'FACT'",
    ("master_change", "kind"): "'SEGMENT'",
}


def revision_of(url: str) -> str | None:
    with closing(Database(url)) as database:
        return current_revision(database)


def tables_of(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row[0] for row in rows}


def test_the_newest_is_the_one_alembic_finds() -> None:
    assert head_revision() == ScriptDirectory(str(MIGRATIONS)).get_current_head()


LOOKS = (
    """SELECT proname, pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'""",
    """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        coalesce(a.attstattarget, -1), a.attstorage, a.attidentity, c.reloptions::text,
        pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped""",
    """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    """SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'""",
    """SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled
    FROM pg_trigger WHERE NOT tgisinternal""",
)
"""What makes a schema without its rows, by PostgreSQL's catalogue."""


def look_of(url: str) -> set[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return {
            tuple(row) for query in LOOKS for row in connection.execute(query.encode()).fetchall()
        }


def test_up_down_up_leaves_what_the_code_knows(empty_database_url: str) -> None:
    """Each step down leaves exactly what was before its step up."""
    url = empty_database_url
    steps = [step.revision for step in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]
    looks = []
    for revision in steps:
        migrate(url, revision)
        looks.append(look_of(url))
    assert revision_of(url) == head_revision()
    command.check(alembic_config(url))
    other = {}
    for number in reversed(range(1, len(steps))):
        command.downgrade(alembic_config(url), "-1")
        if difference := look_of(url) ^ looks[number - 1]:
            other[steps[number]] = difference
    assert other == {}
    command.downgrade(alembic_config(url), "base")
    assert tables_of(url) == {"alembic_version", "migration_lock"}
    migrate(url)
    assert look_of(url) == looks[-1]


def test_an_old_schema_is_refused_and_both_revisions_named(empty_database_url: str) -> None:
    old = "20261124_0300"
    migrate(empty_database_url, old)
    with (
        closing(Database(empty_database_url)) as database,
        pytest.raises(SchemaOldError, match=rf"{old}.*{head_revision()}.*aval migrate"),
    ):
        require_schema(database)


def test_an_empty_database_is_refused(empty_database_url: str) -> None:
    with (
        closing(Database(empty_database_url)) as database,
        pytest.raises(SchemaOldError, match=r"none \(empty\)"),
    ):
        require_schema(database)


LATER = '''
"""A step of a later program."""
revision = "{revision}"
down_revision = "{before}"
{says}

def upgrade() -> None:
    """Do nothing."""
'''


@pytest.mark.parametrize(
    ("says", "since"),
    [
        pytest.param(("breaks_older = False", "breaks_older = False"), None, id="neither-breaks"),
        pytest.param(("breaks_older = True", "breaks_older = False"), "later_1", id="first"),
        pytest.param(("breaks_older = False", ""), "later_2", id="silent"),
    ],
)
def test_a_later_schema_says_whether_this_program_works_on_it(
    database_url: str, tmp_path: Path, says: tuple[str, str], since: str | None
) -> None:
    """As a program replaced or rolled back meets it: `aval migrate` leaves it, `serve` starts."""
    scripts = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, scripts)
    before = head_revision()
    for number, line in enumerate(says, 1):
        step = LATER.format(revision=f"later_{number}", before=before, says=line)
        (scripts / "versions" / f"later_{number}.py").write_text(step, encoding="utf-8")
        before = f"later_{number}"
    migrate(database_url, scripts=scripts)
    assert revision_of(database_url) == "later_2"
    with closing(Database(database_url)) as database:
        if since is None:
            require_schema(database)
            migrate(database_url)
        else:
            with pytest.raises(SchemaOldError, match=rf"at revision later_2.* {since}.*later one"):
                require_schema(database)
            with pytest.raises(CommandError):
                migrate(database_url)
    assert revision_of(database_url) == "later_2"


def test_every_migration_since_says_whether_it_breaks_older_programs() -> None:
    """By silence it does, and such a release is an outage: nobody is to say so by forgetting."""
    steps = ScriptDirectory(str(MIGRATIONS)).iterate_revisions("head", "20261208_0200")
    silent = [step.revision for step in steps if not hasattr(step.module, "breaks_older")]
    assert silent == []


def test_a_schema_that_says_nothing_is_refused(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'elsewhere'")
        connection.execute("DROP TABLE schema_terms")
    with (
        closing(Database(database_url)) as database,
        pytest.raises(SchemaOldError, match=r"elsewhere.*none that it tells of"),
    ):
        require_schema(database)


def test_several_migrations_at_once_are_one(empty_database_url: str) -> None:
    count = 4
    start = Barrier(count)

    def race(_: int) -> None:
        start.wait()
        migrate(empty_database_url)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(race, range(count)))
    assert revision_of(empty_database_url) == head_revision()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("table", EVIDENCE)
def test_evidence_cannot_be_rewritten(database_url: str, table: str, change: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        column = add_row(connection, table)
        statement = sql.SQL(CHANGES[change]).format(
            table=sql.Identifier(table), column=sql.Identifier(column)
        )
        with pytest.raises(psycopg.errors.RestrictViolation, match=f"never {change}d?"):
            connection.execute(statement)


@pytest.mark.parametrize("part", PARTS)
def test_a_partition_cannot_be_emptied(database_url: str, part: str) -> None:
    with (
        psycopg.connect(database_url) as connection,
        pytest.raises(psycopg.errors.RestrictViolation),
    ):
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(part)))


@pytest.mark.parametrize("change", CHANGES)
def test_without_its_triggers_evidence_would_be_lost(database_url: str, change: str) -> None:
    """The control: the rows above are such that only the trigger keeps them."""
    with psycopg.connect(database_url) as connection:
        column = add_row(connection, "fx_rate")
        connection.execute("ALTER TABLE fx_rate DISABLE TRIGGER USER")
        statement = sql.SQL(CHANGES[change]).format(
            table=sql.Identifier("fx_rate"), column=sql.Identifier(column)
        )
        connection.execute(statement)


@pytest.mark.parametrize(
    ("table", "column"), [("journal", "kind"), ("decision", "kind"), ("decision", "outcome")]
)
def test_what_is_none_of_its_kinds_is_refused(database_url: str, table: str, column: str) -> None:
    with (
        psycopg.connect(database_url) as connection,
        pytest.raises(psycopg.errors.CheckViolation, match=f"{table}_{column}_check"),
    ):
        add_row(connection, table, {column: "'ODD'"})


def add_row(
    connection: psycopg.Connection, table: str, chosen: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Put a row in, whatever it refers to; returns the name of one of its columns."""
    columns = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s"
        " AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'"
        " AND table_schema = 'public'",
        [table],
    ).fetchall()
    names = [name for name, _ in columns]
    values = [chosen.get(name) or CHOSEN.get((table, name), VALUES[kind]) for name, kind in columns]
    more = {name: value for (of, name), value in CHOSEN.items() if of == table}
    more = {name: value for name, value in more.items() if name not in names}
    names, values = [*more, *names], [*more.values(), *values]
    connection.execute("SET session_replication_role = replica")  # no foreign keys, no triggers
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join(map(sql.SQL, values)),
        )
    )
    connection.execute("SET session_replication_role = origin")
    return str(names[-1])


def test_decisions_have_partitions_of_their_months(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT aval_make_decision_partitions('2031-11-30', 3)")
        connection.execute("SELECT aval_make_decision_partitions('2031-12-01', 3)")
    assert {
        f"decision_p{month}" for month in ("203111", "203112", "203201", "203202")
    } <= tables_of(database_url)


TARGETS = """
SELECT attname, coalesce(attstattarget, -1) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""


@pytest.mark.parametrize("target", [-1, 0, 25])
def test_partitions_take_over_what_an_operator_set(database_url: str, target: int) -> None:
    """-1, the server's default, is what they are born with: there is nothing to take over."""
    with psycopg.connect(database_url) as connection:
        columns = connection.execute(TARGETS, ["decision"]).fetchall()
        for column, _ in columns:
            connection.execute(
                sql.SQL("ALTER TABLE ONLY decision ALTER COLUMN {} SET STATISTICS {}").format(
                    sql.Identifier(column), sql.Literal(target)
                )
            )
        connection.execute("SELECT aval_make_decision_partitions('2033-11-30', 1)")
        found = connection.execute(TARGETS, ["decision_p203311"]).fetchall()
    assert sorted(found) == sorted((column, target) for column, _ in columns)


SAMPLED = {
    "account": "account",
    "credit_order": "credit_order",
    "decision": "decision_p203211",
    "journal": "journal_p15",
    "request_key": "request_key_p07",
}
"""What ANALYZE samples little of, with the last of its parts."""


@pytest.mark.parametrize(("table", "part"), SAMPLED.items())
def test_analyze_samples_little_of_what_answers_write(
    database_url: str, table: str, part: str
) -> None:
    query = (
        "SELECT c.relname, a.attname, a.attstattarget"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE (c.relname = %(table)s OR c.relispartition AND c.relname ^@ (%(table)s || '_p'))"
        " AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped"
    )
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT aval_make_decision_partitions('2032-11-30', 1)")
        rows = connection.execute(query, {"table": table}).fetchall()
    assert {table, part} <= {name for name, _, _ in rows}
    assert {row for row in rows if row[2] != 10} == set()
