"""What a new database starts with, and the partitions that decisions go to."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import structlog
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from app.store.database import Tx
from app.store.schema.decisions import rule_set, scorecard
from app.store.schema.parties import segment
from app.store.schema.rules import rule_set_life

_SHIPPED = "aval"
"""The author of what ships with the program."""

_log = structlog.get_logger(__name__)


def wait_for_others(tx: Tx) -> None:
    """Let one instance at a time seed or migrate, until `tx` ends."""
    tx.execute(text("LOCK TABLE migration_lock IN ACCESS EXCLUSIVE MODE"))


def add_segment(tx: Tx, segment_id: str, name: str) -> None:
    """Add a segment with the defaults of the table, unless it is there."""
    tx.execute(insert(segment).values(segment_id=segment_id, name=name).on_conflict_do_nothing())


def add_rule_set(tx: Tx, version: int, data: Mapping[str, Any]) -> None:
    """Add a version of the rules as approved, unless it is there."""
    tx.execute(insert(rule_set).values(version=version, data=data).on_conflict_do_nothing())
    life = {"version": version, "status": "APPROVED", "author": _SHIPPED}
    tx.execute(insert(rule_set_life).values(life).on_conflict_do_nothing())


def add_first_scorecard(tx: Tx, data: Mapping[str, Any]) -> None:
    """Add a scorecard as version 1, in use, unless there is any."""
    if tx.execute(select(scorecard.c.version).limit(1)).first() is None:
        tx.execute(insert(scorecard).values(version=1, name=data["name"], data=data, active=True))


def make_partitions(tx: Tx, first: date, months: int) -> None:
    """Make the partitions of decisions for the month of `first` (UTC) and those after it.

    Where decisions of such a month already lie in the default partition, they stay there: a
    service that ran past its last partition must still start.
    """
    try:
        with tx.begin_nested():
            tx.execute(
                text("SELECT aval_make_decision_partitions(:first, :months)"),
                {"first": first, "months": months},
            )
    except IntegrityError as refused:
        _log.warning("decision partitions not made", reason=str(refused.orig).splitlines()[0])
