"""A policy tried on decisions that were taken, and a pilot's report: in orders and in money."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import ConfigDict, Field

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.rules import VersionPath
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel, Id, Instant, MoneyOut, QueryModel, WireModel
from app.domain.callers import Caller
from app.domain.money import Money
from app.domain.rules import Outcome
from app.domain.trials import Sums, Verdict, sum_up
from app.store.trials import Period
from app.usecases.trials import Tried

router = APIRouter(prefix="/v1", tags=["rules"], route_class=StrictRoute)

_MONEY: Final = [{"amount": "1200000.00", "currency": "CNY"}]
_SUMS: Final[dict[str, Any]] = {
    "orders": 41,
    "amounts": _MONEY,
    "billed": [{"amount": "900000.00", "currency": "CNY"}],
    "overdue": [{"amount": "310000.00", "currency": "CNY"}],
    "overdue_orders": 9,
}
_ORDER: Final[dict[str, Any]] = {
    "segment": "main",
    "order_id": "SO-778",
    "customer_id": "C-1001",
    "decision_id": "0193a1b2-0000-7000-8000-000000000001",
    "amount": {"amount": "12500.00", "currency": "CNY"},
    "was": "APPROVE",
    "now": "HOLD",
    "rules": ["overdue-days"],
}
_REPORT: Final[dict[str, Any]] = {
    "decisions": 1800,
    "differing": 52,
    "failed": 0,
    "orders": 1200,
    "orders_differing": 41,
    "moves": [{"was": "APPROVE", "now": "HOLD", "sums": _SUMS}],
    "by_rule": [{"rule_id": "overdue-days", "sums": _SUMS}],
    "largest": [_ORDER],
}


class PeriodQuery(QueryModel):
    """From `since` (inclusive) to `until` (exclusive), at most 20,000 decisions."""

    since: Instant
    until: Instant
    segment: Id | None = None


class TrialIn(WireModel):
    """Which decisions: from `since` (inclusive) to `until` (exclusive), at most 20,000."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}]
        }
    )

    since: Instant
    until: Instant
    segment: Id | None = None


def _period(asked: PeriodQuery | TrialIn) -> Period:
    only = frozenset({asked.segment}) if asked.segment else None
    return Period(asked.since, asked.until, only)


class SumsOut(AnswerModel):
    """Orders with their money by currency.

    `billed` is what was invoiced for them since, `overdue` what of that is, or was when paid, past
    due.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_SUMS]})

    orders: int
    amounts: list[MoneyOut]
    billed: list[MoneyOut]
    overdue: list[MoneyOut]
    overdue_orders: int


class MoveOut(AnswerModel):
    """Orders that were one outcome and would be another."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REPORT["moves"][0]]})

    was: Outcome
    now: Outcome
    sums: SumsOut


class ByRuleOut(AnswerModel):
    """Orders for which a rule fires on one side only."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REPORT["by_rule"][0]]})

    rule_id: str
    sums: SumsOut


class TriedOrderOut(AnswerModel):
    """One order as it was decided last within the period."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ORDER]})

    segment: str
    order_id: str
    customer_id: str
    decision_id: str
    amount: MoneyOut
    was: Outcome
    now: Outcome
    rules: list[str]


class TrialOut(AnswerModel):
    """What differs; an order counts as it was decided last within the period."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REPORT]})

    decisions: int
    differing: int
    failed: int = Field(description="not judged again, as the order was refused before any rule")
    orders: int
    orders_differing: int
    moves: list[MoveOut]
    by_rule: list[ByRuleOut]
    largest: list[TriedOrderOut] = Field(description="at most 50, the largest first")


def report_of(tried: Tried) -> TrialOut:
    """Write what came out."""
    trial, later = tried.trial, tried.later
    return TrialOut(
        decisions=trial.decisions,
        differing=trial.differing,
        failed=trial.failed,
        orders=len(trial.orders),
        orders_differing=len(trial.last),
        moves=[
            MoveOut(was=was, now=now, sums=_sums(sum_up(found, later)))
            for (was, now), found in trial.moves().items()
        ],
        by_rule=[
            ByRuleOut(rule_id=rule_id, sums=_sums(sum_up(found, later)))
            for rule_id, found in trial.by_rule().items()
        ],
        largest=[_order(one) for one in trial.largest()],
    )


def _sums(sums: Sums) -> SumsOut:
    return SumsOut(
        orders=sums.orders,
        amounts=_moneys(sums.amounts),
        billed=_moneys(sums.billed),
        overdue=_moneys(sums.overdue),
        overdue_orders=sums.overdue_orders,
    )


def _moneys(by_currency: Mapping[str, int]) -> list[MoneyOut]:
    return [MoneyOut.of(Money(minor, code)) for code, minor in sorted(by_currency.items())]


def _order(one: Verdict) -> TriedOrderOut:
    segment_id, order_id = one.order
    return TriedOrderOut(
        segment=segment_id,
        order_id=order_id,
        customer_id=one.customer_id,
        decision_id=one.decision_id,
        amount=MoneyOut.of(one.amount),
        was=one.was,
        now=one.now,
        rules=sorted(one.rules),
    )


@router.post(
    "/rule-sets/{version}/trial",
    operation_id="tryRuleSet",
    summary="Try a rule set on decisions that were taken",
    responses=refusals(404),
)
def try_rule_set(
    body: TrialIn,
    caller: Annotated[Caller, Depends(needs("rule:read"))],
    version: VersionPath,
    desk: DeskDep,
) -> TrialOut:
    """Judge stored decisions by this version, active or draft; nothing is stored or changed."""
    return report_of(desk.orders.try_rule_set(caller, version, _period(body)))


@router.get(
    "/pilot-report",
    operation_id="reportPilot",
    summary="What segments in SHADOW or WARN would have held",
    responses=refusals(404),
)
def report_pilot(
    caller: Annotated[Caller, Depends(needs("rule:read"))],
    query: Annotated[PeriodQuery, Query()],
    desk: DeskDep,
) -> TrialOut:
    """Report what was let go though the policy said otherwise, and how it was paid since."""
    return report_of(desk.orders.report_pilot(caller, _period(query)))
