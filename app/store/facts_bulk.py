"""Many rows in one statement with one JSON parameter, for any table."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Table,
    TableValuedAlias,
    Text,
    and_,
    bindparam,
    cast,
    column,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, insert
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlalchemy.types import TypeEngine

from app.store.database import Tx

Row = dict[str, Any]


def insert_new(tx: Tx, table: Table, rows: Sequence[Row]) -> int:
    """Insert rows in order of their key, those that are there left out; returns how many went in.

    The order of keys keeps two transactions from waiting for each other. All rows have the same
    columns. A row that another transaction is inserting is waited for.
    """
    if not rows:
        return 0
    return tx.execute(_insert(table, tuple(rows[0])), _parameter(rows)).rowcount


def upsert(tx: Tx, table: Table, rows: Sequence[Row]) -> None:
    """Insert or replace rows in order of their key."""
    if rows:
        tx.execute(_upsert(table, tuple(rows[0])), _parameter(rows))


def replace_version(tx: Tx, table: Table, rows: Sequence[Row]) -> int:
    """Replace rows by key where `version` still is the row's `was`; returns how many were."""
    if not rows:
        return 0
    return tx.execute(_replace(table, tuple(rows[0])), _parameter(rows)).rowcount


def delete_of(tx: Tx, table: Table, parent: str, segment_id: str, ids: Sequence[str]) -> None:
    """Delete the rows of a segment that belong to parents, such as the lines of invoices."""
    if ids:
        tx.execute(_delete(table, parent), {"segment": segment_id, "ids": list(ids)})


def _parameter(rows: Sequence[Row]) -> dict[str, str]:
    return {"rows": orjson.dumps(rows).decode()}


def recordset(table: Table, names: Sequence[str]) -> TableValuedAlias:
    """Read the parameter `rows` as a table `n` with columns of `table` (or integers)."""
    columns = (column(name, _given_as(table, name)) for name in names)
    given = cast(bindparam("rows", type_=Text), JSONB)
    made = func.jsonb_to_recordset(given).table_valued(*columns)
    return made.render_derived(name="n", with_types=True)


def _given_as(table: Table, name: str) -> TypeEngine[Any]:
    """Documents within a row come as text: taken apart and put together again they cost double."""
    kind = table.c[name].type if name in table.c else BigInteger()
    return Text() if isinstance(kind, JSON) else kind


def _chosen(table: Table, rows: TableValuedAlias, names: Sequence[str]) -> list[ColumnElement[Any]]:
    return [
        cast(rows.c[name], JSON) if isinstance(table.c[name].type, JSON) else rows.c[name]
        for name in names
    ]


def _key(table: Table) -> list[str]:
    return [one.name for one in table.primary_key]


def _matches(table: Table, rows: TableValuedAlias) -> list[ColumnElement[bool]]:
    return [table.c[name] == rows.c[name] for name in _key(table)]


@cache
def _insert(table: Table, names: tuple[str, ...]) -> Insert:
    rows = recordset(table, names)
    ordered = [rows.c[name] for name in _key(table) if name in names]
    chosen = select(*_chosen(table, rows, names)).order_by(*ordered)
    statement = insert(table).from_select(names, chosen).on_conflict_do_nothing()
    return statement.execution_options(preserve_rowcount=True)  # else it is told of updates only


@cache
def _upsert(table: Table, names: tuple[str, ...]) -> Insert:
    rows = recordset(table, names)
    chosen = select(*(rows.c[name] for name in names)).order_by(*(rows.c[n] for n in _key(table)))
    statement = insert(table).from_select(names, chosen)
    given = {name: statement.excluded[name] for name in names if name not in _key(table)}
    return statement.on_conflict_do_update(index_elements=_key(table), set_=given)


@cache
def _replace(table: Table, names: tuple[str, ...]) -> Update:
    rows = recordset(table, names)
    values = {name: rows.c[name] for name in names if name not in {*_key(table), "was"}}
    held = and_(*_matches(table, rows), table.c.version == rows.c.was)
    return update(table).where(held).values(values)


@cache
def _delete(table: Table, parent: str) -> Delete:
    of_parents = table.c[parent] == func.any(bindparam("ids"))
    return delete(table).where(table.c.segment_id == bindparam("segment"), of_parents)
