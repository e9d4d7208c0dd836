"""Stored decisions, with what is needed to judge them again."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, RowMapping, Select, and_, select

from app.store.database import Tx
from app.store.packing import unpack
from app.store.schema.decisions import decision, rule_set
from app.store.schema.parties import account, account_input, customer_ref, segment

_AT_ONCE = 200
"""Rows that a stream holds in memory: some hundred kilobytes."""


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision as it was stored: `answer` byte for byte as it was sent.

    `inputs` holds question and situation (see `domain/snapshots`), `slow` the inputs of
    `input_version` as they were (empty for version 0).
    """

    decision_id: str
    kind: str
    segment_id: str
    client: str
    actor: str | None
    evaluated_at: datetime
    rule_set_version: int
    input_version: int
    inputs: Mapping[str, Any]
    slow: Mapping[str, Any]
    answer: bytes


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Which are asked for; None: any. `before` is the id of the last one seen, newest first.

    `since` is inclusive; `segments` are those within sight.
    """

    most: int
    before: str | None = None
    customer_id: str | None = None
    order_id: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    segments: frozenset[str] | None = None


_PLAIN = (
    decision.c.decision_id,
    decision.c.kind,
    decision.c.segment_id,
    decision.c.client,
    decision.c.actor,
    decision.c.evaluated_at,
    decision.c.rule_set_version,
    decision.c.input_version,
    decision.c.record,
)


def _query() -> Select[Any]:
    version = and_(
        account_input.c.account_id == decision.c.account_id,
        account_input.c.version == decision.c.input_version,
    )
    return select(*_PLAIN, account_input.c.data.label("slow")).select_from(
        decision.outerjoin(account_input, version)
    )


def _from_row(row: RowMapping) -> StoredDecision:
    data = dict(row)
    inputs, answer = unpack(data.pop("record"))
    slow = data["slow"] or {}
    return StoredDecision(
        **{**data, "slow": slow, "inputs": orjson.loads(inputs), "answer": answer}
    )


def get(tx: Tx, decision_id: str) -> StoredDecision | None:
    """Read a decision with what it rested on."""
    query = _query().where(decision.c.decision_id == decision_id)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else _from_row(row)


def page(tx: Tx, wanted: DecisionFilter) -> list[tuple[str, bytes]]:
    """List ids and answers, newest first."""
    query = select(decision.c.decision_id, decision.c.record).where(*_conditions(wanted))
    query = query.order_by(decision.c.decision_id.desc()).limit(wanted.most)
    return [(row.decision_id, unpack(row.record)[1]) for row in tx.execute(query)]


def _conditions(wanted: DecisionFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.customer_id is not None:
        payers = (
            select(account.c.account_id)
            .join(customer_ref, customer_ref.c.ref == account.c.customer_id)
            .where(customer_ref.c.customer_id == wanted.customer_id)
        )
        found.append(decision.c.account_id.in_(payers))
    if wanted.order_id is not None:
        # the index begins with the segment, and a company has few
        found.append(decision.c.segment_id.in_(select(segment.c.segment_id)))
        found.append(decision.c.order_id == wanted.order_id)
    if wanted.outcome is not None:
        found.append(decision.c.outcome == wanted.outcome)
    if wanted.since is not None:
        found.append(decision.c.evaluated_at >= wanted.since)
    if wanted.segments is not None:
        found.append(decision.c.segment_id.in_(sorted(wanted.segments)))
    if wanted.before is not None:
        found.append(decision.c.decision_id < wanted.before)
    return found


def stream(
    tx: Tx,
    since: datetime,
    until: datetime | None = None,
    segments: Collection[str] | None = None,
) -> Iterator[StoredDecision]:
    """Read decisions in the order of their ids, a few hundred in memory at a time.

    `since` is inclusive, `until` exclusive; None: no bound, all segments.
    """
    query = _query().where(decision.c.evaluated_at >= since).order_by(decision.c.decision_id)
    if until is not None:
        query = query.where(decision.c.evaluated_at < until)
    if segments is not None:
        query = query.where(decision.c.segment_id.in_(sorted(segments)))
    options = {"stream_results": True, "yield_per": _AT_ONCE}
    for row in tx.execute(query, execution_options=options).mappings():
        yield _from_row(row)


def rule_set_of(tx: Tx, version: int) -> Mapping[str, Any]:
    """Read a version of the rules; whatever a decision names is there."""
    query = select(rule_set.c.data).where(rule_set.c.version == version)
    data: Mapping[str, Any] = tx.execute(query).scalar_one()
    return data
