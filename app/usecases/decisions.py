"""Stored decisions: read them, and judge them again on what they rested on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson

from app.domain.callers import Caller
from app.domain.decision_diff import Change, Told, compare
from app.domain.errors import CreditError, NotFoundError
from app.domain.ids import need_id
from app.domain.judging import judge
from app.domain.rules import RuleSet, read_rule_set
from app.domain.snapshots import question_from_json, situation_from_json
from app.store import decisions
from app.store.database import Database, Tx
from app.store.decisions import DecisionFilter, StoredDecision
from app.usecases.answers import Decided, render
from app.usecases.batches import read_inputs
from app.usecases.score_reads import find_customer

NOT_COMPARED: Final = frozenset({"decision_id", "order_hold_id", "unblock"})
"""Fields that do not follow from what is stored: ids of their own, and advice, which names
invoices as they were open then."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is judged otherwise today; `stored` and `replayed` are JSON values."""

    field: str
    stored: object
    replayed: object


@dataclass(frozen=True, slots=True)
class ListDecisions:
    """Read a page of decisions."""

    database: Database

    def __call__(self, caller: Caller, wanted: DecisionFilter) -> list[tuple[str, bytes]]:
        """Return ids and answers as they were sent, newest first; `customer_id` may be an alias.

        Raises:
            CustomerUnknownError: Nobody has this id.

        """
        with self.database.read() as tx:
            customer_id = wanted.customer_id and find_customer(tx, caller, wanted.customer_id)
            seen = replace(wanted, customer_id=customer_id, segments=caller.segments)
            return decisions.page(tx, seen)


@dataclass(frozen=True, slots=True)
class ReadDecision:
    """Read one decision."""

    database: Database

    def __call__(self, caller: Caller, decision_id: str) -> bytes:
        """Return the answer as it was sent; who may audit gets `snapshot` with it.

        Raises:
            NotFoundError: There is none within sight.

        """
        with self.database.read() as tx:
            row = _need(tx, caller, decision_id)
        if not caller.may("audit:read"):
            return row.answer
        return orjson.dumps({**orjson.loads(row.answer), "snapshot": _snapshot(row)})


def _need(tx: Tx, caller: Caller, decision_id: str) -> StoredDecision:
    found = decisions.get(tx, need_id(decision_id, "decision"))
    if found is None or not caller.sees(found.segment_id):
        raise NotFoundError(f"no decision has the id {decision_id[:64]!r}")
    return found


def _snapshot(row: StoredDecision) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "client": row.client,
        "actor": row.actor,
        "rule_set_version": row.rule_set_version,
        "question": row.inputs["question"],
        "situation": row.inputs["situation"],
        "inputs": {"version": row.input_version, **row.slow},
    }


@dataclass(frozen=True, slots=True)
class ReplayDecision:
    """Judge one stored decision again."""

    database: Database

    def __call__(self, caller: Caller, decision_id: str) -> list[Difference]:
        """Return what is judged otherwise today; empty where it is the same.

        Raises:
            NotFoundError: There is none within sight.

        """
        with self.database.read() as tx:
            row = _need(tx, caller, decision_id)
            rules = _rules(tx, row.rule_set_version)
        return replay_one(row, rules)


@dataclass(frozen=True, slots=True)
class CompareDecisions:
    """Lay two stored decisions side by side."""

    database: Database

    def __call__(self, caller: Caller, a: str, b: str) -> list[Change]:
        """Return what is another in `b` than in `a`; of one order or of two.

        Raises:
            NotFoundError: One of them is not there, or not within sight.

        """
        with self.database.read() as tx:
            return compare(*(_told(tx, _need(tx, caller, one)) for one in (a, b)))


def _told(tx: Tx, row: StoredDecision) -> Told:
    return Told(
        question=row.inputs["question"],
        situation=row.inputs["situation"],
        slow=row.slow,
        answer=orjson.loads(row.answer),
        rule_set_version=row.rule_set_version,
        rules=decisions.rule_set_of(tx, row.rule_set_version),
    )


@dataclass(frozen=True, slots=True)
class ReplayDecisions:
    """Judge every stored decision from a moment on again, a few hundred in memory at a time."""

    database: Database

    def __call__(self, since: datetime) -> Iterator[tuple[str, list[Difference]]]:
        """Yield each decision's id and what is judged otherwise today; `since` is inclusive.

        Raises:
            BusyError: The database was out of reach.

        """
        rule_sets: dict[int, RuleSet] = {}
        with self.database.read() as tx:
            for row in decisions.stream(tx, since):
                version = row.rule_set_version
                if version not in rule_sets:
                    rule_sets[version] = _rules(tx, version)
                yield row.decision_id, replay_one(row, rule_sets[version])


def _rules(tx: Tx, version: int) -> RuleSet:
    return read_rule_set(version, decisions.rule_set_of(tx, version))


def replay_one(row: StoredDecision, rules: RuleSet) -> list[Difference]:
    """Judge a decision's stored question in its stored situation, and compare the answers.

    Fields that answers gained since are no difference; inputs that are not there any more are.
    """
    stored: dict[str, Any] = orjson.loads(row.answer)
    # a new authorization gets the number it got then
    new_id = stored["authorization_id"] or row.decision_id
    if row.input_version and not row.slow:
        return [Difference("inputs", row.input_version, None)]
    try:
        replayed = _judged_again(row, rules, new_id)
    except CreditError as refusal:
        return [Difference("outcome", stored["outcome"], refusal.code)]
    pairs = [
        (name, _bare(was), _bare(replayed.get(name)))
        for name, was in stored.items()
        if name not in NOT_COMPARED
    ]
    return [Difference(name, was, now) for name, was, now in pairs if was != now]


def _judged_again(row: StoredDecision, rules: RuleSet, new_id: str) -> dict[str, Any]:
    inputs = read_inputs(row.input_version, row.slow, row.evaluated_at)
    question = question_from_json(row.inputs["question"])
    situation = situation_from_json(row.inputs["situation"], inputs)
    judgement = judge(question, situation, rules, new_id)
    decided = Decided(row.decision_id, rules.version, None, row.kind != "CHECK", ())
    answer = render(question, situation, judgement, decided)
    told: dict[str, Any] = orjson.loads(orjson.dumps(answer))  # as the stored one went
    return told


def _bare(value: object) -> object:
    """Take the sentences out of reasons: their wording may change, what they say may not."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    return [
        {name: part for name, part in one.items() if name not in {"zh", "en"}}
        if isinstance(one, Mapping)
        else one
        for one in value
    ]
