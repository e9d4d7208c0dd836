"""Try a policy on decisions that were taken: nothing is changed, nobody is asked."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from app.domain.callers import Caller
from app.domain.errors import CreditError, FieldError
from app.domain.judging import judge
from app.domain.money import parse_money
from app.domain.rules import Outcome, RuleSet, read_rule_set
from app.domain.snapshots import question_from_json, situation_from_json
from app.domain.trials import Later, OrderKey, Trial, Verdict
from app.store import decisions, trials
from app.store import rules as rule_sets
from app.store.database import Database
from app.store.decisions import StoredDecision
from app.store.trials import Period
from app.usecases.batches import read_inputs

MOST_AT_ONCE: Final = 20_000
"""The most decisions that are judged again while somebody waits: about ten seconds."""

_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Tried:
    """What came out, and what became since of the orders that would differ."""

    trial: Trial
    later: Mapping[OrderKey, Later]


@dataclass(frozen=True, slots=True)
class TryRuleSet:
    """Judge stored decisions by another version of the policy."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, version: int, period: Period) -> Tried:
        """Return what would differ from what the policy in force then said.

        Raises:
            ForbiddenError: The caller may not read what decisions rest on.
            NotFoundError: No such version, or the segment lies out of sight.
            FieldError: The period is empty, or has more than `MOST_AT_ONCE` decisions.
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            data = rule_sets.data_of(tx, version)
        return self.of(caller, read_rule_set(version, data), period)

    def of(self, caller: Caller, rules: RuleSet, period: Period) -> Tried:
        """Try a policy that need not be stored; raises as the above."""
        seen = within_sight(caller, period)
        with self.database.read() as tx:
            refuse_many(trials.count(tx, seen, MOST_AT_ONCE + 1))
        return self.follow(self.run(rules, seen))

    def run(self, rules: RuleSet, period: Period) -> Trial:
        """Judge every decision of a period, a few hundred in memory at a time."""
        trial = Trial()
        with self.database.read() as tx:
            for row in decisions.stream(tx, period.since, period.until, period.segments):
                count(trial, row, rules)
        return trial

    def follow(self, trial: Trial) -> Tried:
        """Look up what became of the orders that would differ."""
        return Tried(trial, self._later(trial.last))

    def _later(self, orders: Iterable[OrderKey]) -> dict[OrderKey, Later]:
        found: dict[OrderKey, Later] = {}
        keys = sorted(orders)
        at = self.now()
        with self.database.read() as tx:
            for start in range(0, len(keys), _AT_ONCE):
                found |= trials.later(tx, keys[start : start + _AT_ONCE], at)
        return found


@dataclass(frozen=True, slots=True)
class ReportPilot:
    """Say what a segment that only watches would have held, had its policy been in force."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, period: Period) -> Tried:
        """Return what was let go in SHADOW or WARN though the policy said otherwise.

        Raises:
            ForbiddenError: The caller may not read what decisions rest on.
            NotFoundError: The segment lies out of sight.
            FieldError: The period is empty, or has more than `MOST_AT_ONCE` decisions.
            BusyError: The database was out of reach.

        """
        seen = within_sight(caller, period)
        trial = Trial()
        with self.database.read() as tx:
            refuse_many(trials.count(tx, seen, MOST_AT_ONCE + 1))
            for row in decisions.stream(tx, seen.since, seen.until, seen.segments):
                answer = orjson.loads(row.answer)
                if answer["mode"] in {"SHADOW", "WARN"}:
                    fired = frozenset(str(one["rule_id"]) for one in answer["reasons"])
                    trial.add(_verdict(row, answer, answer["outcome"], (answer["judged"], fired)))
        return TryRuleSet(self.database, self.now).follow(trial)


def within_sight(caller: Caller, period: Period) -> Period:
    """Confine a period to what the caller may see of decisions and of what these rest on.

    Whoever tries a policy of their own asks with each condition for what an order rested on.

    Raises:
        ForbiddenError: The caller may not read that (`audit:read`).
        NotFoundError: The segment lies out of sight.
        FieldError: It ends before it begins.

    """
    caller.need("audit:read")
    if period.until <= period.since:
        raise FieldError("must be later than since", "until")
    for segment_id in period.segments or ():
        caller.visit(segment_id)
    return period if period.segments else Period(period.since, period.until, caller.segments)


def refuse_many(found: int) -> None:
    """Insist on a period that can be judged while somebody waits.

    Raises:
        FieldError: It has more than `MOST_AT_ONCE` decisions.

    """
    if found > MOST_AT_ONCE:
        raise FieldError(
            f"the period has more than {MOST_AT_ONCE:,} decisions: choose a shorter one, or use"
            " `aval try-rules`, which has no such bound",
            "since",
        )


def count(trial: Trial, row: StoredDecision, rules: RuleSet) -> None:
    """Judge one decision by a policy and count it.

    What was let pass as no sale, or in a segment whose mode is OFF, no policy was asked about.
    """
    answer = orjson.loads(row.answer)
    question = question_from_json(row.inputs["question"])
    if question.order_type != "sale" or answer["mode"] == "OFF" or row.kind == "RELEASE":
        return
    situation = situation_from_json(
        row.inputs["situation"], read_inputs(row.input_version, row.slow, row.evaluated_at)
    )
    try:
        judgement = judge(question, situation, rules, row.decision_id)
    except CreditError:
        trial.failed += 1
        return
    before = {str(one["rule_id"]) for one in answer["reasons"]}
    fired = {one.row.rule_id for one in judgement.reasons}
    rules_moved = frozenset(before ^ fired)
    trial.add(_verdict(row, answer, answer["judged"], (judgement.judged, rules_moved)))


def _verdict(
    row: StoredDecision,
    answer: Mapping[str, Any],
    was: Outcome,
    would: tuple[Outcome, frozenset[str]],
) -> Verdict:
    amount = answer["amount"]
    return Verdict(
        order=(row.segment_id, str(answer["order_id"])),
        customer_id=str(answer["customer_id"]),
        decision_id=row.decision_id,
        amount=parse_money(amount["amount"], amount["currency"]),
        was=was,
        now=would[0],
        rules=would[1],
    )
