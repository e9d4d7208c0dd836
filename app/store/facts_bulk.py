"""Many rows at once, for any table: new ones by COPY, others as one JSON parameter."""

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
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.sql.dml import Delete, Insert, Update

from app.store.copies import copy_in
from app.store.database import Tx

Row = dict[str, Any]


def insert_new(tx: Tx, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows that must not be there, in order of their key; all have the same columns.

    Raises:
        TakenError: One of them is there.

    """
    if rows:
        copy_in(tx, table, tuple(rows[0]), [tuple(row.values()) for row in rows])


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
    return {"rows": orjson.dumps(rows, default=_bytes).decode()}


def _bytes(value: object) -> str:
    """Write bytes as PostgreSQL reads them out of JSON."""
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    raise TypeError(type(value).__name__)


def recordset(table: Table, names: Sequence[str]) -> TableValuedAlias:
    """Read the parameter `rows` as a table `n` with columns of `table` (or integers)."""
    columns = (
        column(name, table.c[name].type if name in table.c else BigInteger()) for name in names
    )
    given = cast(bindparam("rows", type_=Text), JSONB)
    made = func.jsonb_to_recordset(given).table_valued(*columns)
    return made.render_derived(name="n", with_types=True)


def _key(table: Table) -> list[str]:
    return [one.name for one in table.primary_key]


def _matches(table: Table, rows: TableValuedAlias) -> list[ColumnElement[bool]]:
    return [table.c[name] == rows.c[name] for name in _key(table)]


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
