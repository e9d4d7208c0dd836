"""What the tables share: metadata, naming of constraints, and the types of recurring columns."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    MetaData,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA, DOMAIN
from sqlalchemy.types import OperatorClass

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

MAX_TOTAL = 10**18
"""The largest total of an account, in minor units: far above any sum of documents, below bigint."""


class TextDomain(DOMAIN):
    """A domain over text, which is compared as text is."""

    operator_classes = OperatorClass.STRING


def minor(name: str, *, default: bool = False) -> Column[int]:
    """Make a required column of minor units; `default` gives it 0."""
    return Column(name, BigInteger, nullable=False, server_default=text("0") if default else None)


def instant(name: str, *, nullable: bool = False, now: bool = False) -> Column[object]:
    """Make a column of a moment with time zone; `now` defaults it to the transaction's start."""
    return Column(
        name,
        DateTime(timezone=True),
        nullable=nullable,
        server_default=text("now()") if now else None,
    )


def flag(name: str, comment: str | None = None) -> Column[bool]:
    """Make a required column of true or false that is false by default."""
    return Column(name, Boolean, nullable=False, server_default=text("false"), comment=comment)


def one_of(column: str, *values: str) -> CheckConstraint:
    """Make the check that a text column holds one of `values`."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def kind_of(table: str, column: str, *values: str) -> Column[str]:
    """Make a required column of a domain of its own that allows `values`.

    A table's check is prepared anew for every partition that a statement writes to.
    """
    domain, listed = f"{table}_{column}", ", ".join(f"'{value}'" for value in values)
    kind = TextDomain(
        domain, Text(), constraint_name=f"{domain}_check", check=f"VALUE IN ({listed})"
    )
    return Column(column, kind, nullable=False)


def content() -> Column[bytes]:
    """Make the column with the first 16 bytes of the sha256 of a document's canonical JSON."""
    return Column("content", BYTEA, nullable=False)


def required(name: str, default: str | None = None) -> Column[str]:
    """Make a required text column, with a constant default where one is given."""
    return Column(
        name, Text, nullable=False, server_default=None if default is None else text(f"'{default}'")
    )
