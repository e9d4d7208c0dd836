"""Stored decisions, with what is needed to judge them again."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    RowMapping,
    Select,
    Table,
    and_,
    any_,
    literal,
    select,
    text,
    true,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from app.store.database import Tx
from app.store.packing import unpack
from app.store.schema.decisions import decision, rule_set
from app.store.schema.documents import credit_order, past_authorization
from app.store.schema.parties import account, account_input, customer_ref, segment

_AT_ONCE = 200
"""Rows that a stream holds in memory: some hundred kilobytes."""

_IN_ORDER = text(
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),"
    " set_config('enable_mergejoin', 'off', true), set_config('enable_bitmapscan', 'off', true)"
)
"""A page follows indexes in their order, whatever the planner believes of the tables."""


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
    tx.execute(_IN_ORDER)
    ids = list(tx.execute(_ids(wanted)).scalars())
    named = decision.c.decision_id == any_(literal(ids, ARRAY(UUID(as_uuid=False))))
    query = select(decision.c.decision_id, decision.c.record).where(named)
    answers = {row.decision_id: unpack(row.record)[1] for row in tx.execute(query)}
    return [(decision_id, answers[decision_id]) for decision_id in ids]


def _ids(wanted: DecisionFilter) -> Select[Any] | CompoundSelect[Any]:
    """Select the ids of a page, newest first.

    What gave an authorization is found by the order that has it, or had it: nearly every decision
    does, and indexes of its own by payer and by order would be a tenth of what it costs to write
    (decision 144). The others are in such indexes.
    """
    own = decision.c
    rules = [] if wanted.outcome is None else [own.outcome == wanted.outcome]
    if wanted.since is not None:
        rules.append(own.evaluated_at >= wanted.since)
    if wanted.segments is not None:
        rules.append(own.segment_id.in_(sorted(wanted.segments)))
    if wanted.customer_id is None and wanted.order_id is None:
        return _newest(wanted, own.decision_id, select(own.decision_id).where(*rules))
    found = [_sought(wanted, decision, own.decision_id, [*rules, ~own.opens])]
    if wanted.outcome in (None, "APPROVE"):
        for table in (credit_order, past_authorization):
            key = table.c.authorization_id
            given = select(own.decision_id).where(own.decision_id == key, *rules).exists()
            found.append(_sought(wanted, table, key, [key.is_not(None), given]))
    both = union(*(select(each.subquery()) for each in found))
    return both.order_by(both.selected_columns[0].desc()).limit(wanted.most)


def _sought(
    wanted: DecisionFilter, table: Table, key: Column[str], rules: Sequence[ColumnElement[bool]]
) -> Select[Any]:
    """Select those ids of a page that one table knows: of an order, or payer by payer."""
    payers = (
        select(account.c.account_id)
        .join(customer_ref, customer_ref.c.ref == account.c.customer_id)
        .where(customer_ref.c.customer_id == wanted.customer_id)
    )
    if wanted.order_id is not None:
        # the index begins with the segment, and a company has few; an order has few decisions
        of_order = table.c.segment_id.in_(select(segment.c.segment_id))
        query = select(key.label("id"), table.c.account_id)
        query = query.where(of_order, table.c.order_id == wanted.order_id, *rules)
        found = query.cte(f"of_{table.name}").prefix_with("MATERIALIZED")
        mine = [] if wanted.customer_id is None else [found.c.account_id.in_(payers)]
        return select(found.c.id).where(*mine, *_before(wanted, found.c.id))
    if wanted.segments is not None:
        payers = payers.where(account.c.segment_id.in_(sorted(wanted.segments)))
    each = payers.subquery()
    of_payer = select(key.label("id")).where(table.c.account_id == each.c.account_id, *rules)
    newest = _newest(wanted, key, of_payer).correlate(each).lateral()
    return select(newest.c.id).select_from(each.join(newest, true()))


def _newest(wanted: DecisionFilter, key: ColumnElement[str], query: Select[Any]) -> Select[Any]:
    query = query.where(*_before(wanted, key))
    return query.order_by(key.desc()).limit(wanted.most)


def _before(wanted: DecisionFilter, key: ColumnElement[str]) -> list[ColumnElement[bool]]:
    return [] if wanted.before is None else [key < wanted.before]


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
