"""Rows by COPY in binary: the cheapest way in for rows that must not be there yet.

A row as an element of JSON costs PostgreSQL three times as much as the same row copied, most of it
for taking the JSON apart.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy import BigInteger, Boolean, Date, DateTime, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSON, JSONB, UUID
from sqlalchemy.types import TypeEngine

from app.store.database import Tx
from app.store.schema.columns import TextDomain

_TYPES: Final[dict[type[TypeEngine[Any]], str]] = {
    ARRAY: "int8[]",  # there are none but of ids
    BigInteger: "int8",
    Boolean: "bool",
    BYTEA: "bytea",
    Date: "date",
    DateTime: "timestamptz",
    Integer: "int4",
    JSON: "text",  # documents are written already, and are sent as text is
    JSONB: "jsonb",
    Text: "text",
    TextDomain: "text",
    UUID: "uuid",
}


class TakenError(Exception):
    """A key is taken; the transaction can do nothing more and is to be begun again."""

    def __init__(self, table: str) -> None:
        """Keep which table."""
        super().__init__(table)


def copy_in(tx: Tx, table: Table, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Insert rows, given as values of the columns `names`; JSON as its text, UUIDs as theirs.

    The caller gives them in order of their key, which keeps two transactions from waiting for each
    other. A row that another transaction is inserting is waited for.

    Raises:
        TakenError: One of the keys is there already.

    """
    command, types, ids = _command(table, tuple(names))
    cursor: psycopg.Cursor[object] = tx.connection.cursor()  # type: ignore[assignment]
    try:
        with cursor, cursor.copy(command) as copy:
            copy.set_types(types)
            write: Callable[[Sequence[object]], None] = copy.write_row
            for row in rows:
                write(_with_ids(row, ids) if ids else row)
    except psycopg.errors.UniqueViolation as taken:
        raise TakenError(table.name) from taken


def _with_ids(row: Sequence[object], ids: set[int]) -> Sequence[object]:
    for at in ids:
        if row[at] is not None:
            row = [*row[:at], uuid.UUID(str(row[at])), *row[at + 1 :]]
    return row


@cache
def _command(table: Table, names: tuple[str, ...]) -> tuple[sql.Composed, list[str], set[int]]:
    """Write the command, the type of each column, and which of them are UUIDs."""
    types = [_TYPES[type(table.c[name].type)] for name in names]
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table.name), columns
    )
    return command, types, {at for at, one in enumerate(types) if one == "uuid"}
