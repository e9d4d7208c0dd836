"""A shadow's report: what it would have decided otherwise, in money, and how that was paid."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, Final

import orjson

from app.domain.callers import Caller
from app.domain.decisions import Inputs
from app.domain.errors import CreditError, NotFoundError
from app.domain.judging import judge
from app.domain.money import parse_money
from app.domain.rules import RuleSet, read_rule_set
from app.domain.scores_json import PROBABILITY_DIGITS
from app.domain.snapshots import question_from_json, situation_from_json
from app.domain.trials import Trial, Verdict
from app.store import decisions, models, score_health, trials
from app.store.database import Database, Tx
from app.store.decisions import StoredDecision
from app.store.score_health import Said
from app.store.trials import Period
from app.usecases.batches import read_inputs
from app.usecases.trials import MOST_AT_ONCE, Tried, TryRuleSet, refuse_many, within_sight

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """What differs; `unknown` decisions were on customers whom the shadow had not scored by then.

    Decisions that rested on a person's override count as the same: it would have held as well.
    """

    tried: Tried
    unknown: int


@dataclass(frozen=True, slots=True)
class ReportShadow:
    """Judge stored decisions as if the scores had been those of a model that only watched."""

    database: Database
    now: Callable[[], datetime]

    def __call__(
        self, caller: Caller, model: tuple[str, int | None], period: Period
    ) -> ShadowReport:
        """Report on a version of a name (None: whichever watched); each by the policy of its time.

        Raises:
            NotFoundError: No such model or version, or the segment lies out of sight.
            FieldError: The period is empty, or has more than `MOST_AT_ONCE` decisions.
            BusyError: The database was out of reach.

        """
        seen = within_sight(caller, period)
        trial, unknown = Trial(), 0
        rules: dict[int, RuleSet] = {}
        with self.database.read() as tx:
            _need(tx, model)
            refuse_many(trials.count(tx, seen, MOST_AT_ONCE + 1))
            rows = decisions.stream(tx, seen.since, seen.until, seen.segments)
            for part in _parts(rows):
                for row, said in zip(part, _said(tx, model, part), strict=True):
                    version = row.rule_set_version
                    if version not in rules:
                        rules[version] = read_rule_set(version, decisions.rule_set_of(tx, version))
                    if said is None:
                        unknown += 1
                    else:
                        _count(trial, row, rules[version], said)
        return ShadowReport(TryRuleSet(self.database, self.now).follow(trial), unknown)


def _need(tx: Tx, model: tuple[str, int | None]) -> None:
    name, version = model
    if version is not None:
        models.read(tx, name, version)
    elif not models.versions(tx, name, None, 1):
        raise NotFoundError(f"no model has the name {name[:64]!r}", "name")


def _parts(rows: Iterable[StoredDecision]) -> Iterator[list[StoredDecision]]:
    left = iter(rows)
    while part := list(islice(left, _AT_ONCE)):
        yield part


def _said(
    tx: Tx, model: tuple[str, int | None], rows: Iterable[StoredDecision]
) -> list[Said | None]:
    # the answer names the customer itself, where the question may have named an alias of it
    asked = [(str(orjson.loads(row.answer)["customer_id"]), row.evaluated_at) for row in rows]
    return score_health.said_by(tx, model, asked)


def _count(trial: Trial, row: StoredDecision, rules: RuleSet, said: Said) -> None:
    answer = orjson.loads(row.answer)
    question = question_from_json(row.inputs["question"])
    if question.order_type != "sale" or answer["mode"] == "OFF" or row.kind == "RELEASE":
        return
    inputs = read_inputs(row.input_version, row.slow, row.evaluated_at)
    situation = situation_from_json(row.inputs["situation"], _with(inputs, said, row.evaluated_at))
    try:
        judgement = judge(question, situation, rules, row.decision_id)
    except CreditError:
        trial.failed += 1
        return
    before = {str(one["rule_id"]) for one in answer["reasons"]}
    fired = {one.row.rule_id for one in judgement.reasons}
    amount = answer["amount"]
    trial.add(
        Verdict(
            order=(row.segment_id, str(answer["order_id"])),
            customer_id=str(answer["customer_id"]),
            decision_id=row.decision_id,
            amount=parse_money(amount["amount"], amount["currency"]),
            was=answer["judged"],
            now=judgement.judged,
            rules=frozenset(before ^ fired),
        )
    )


def _with(inputs: Inputs, said: Said, at: datetime) -> Inputs:
    """Put what the shadow said in the place of the score; an override would have held as well."""
    score: Mapping[str, Any] = inputs.score or {"scored_at": at.isoformat()}
    if score.get("source") == "override":
        return inputs
    known = said.probability
    other = {
        "score": said.score,
        "risk_class": said.risk_class,
        "probability_of_default": None if known is None else round(known, PROBABILITY_DIGITS),
    }
    return replace(inputs, score={**score, **other})
