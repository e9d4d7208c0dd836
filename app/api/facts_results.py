"""What became of a fact, on the wire: in the answer of a batch and of a retry alike."""

from typing import Any, Final, Literal

from pydantic import ConfigDict

from app.api.problems import cut
from app.api.wire import AnswerModel, MoneyOut
from app.domain.facts import Problem, Result
from app.domain.money import Money

PROBLEM: Final[dict[str, Any]] = {
    "code": "customer_unknown",
    "detail": "no customer has the id 'C-1001'",
    "field": "customer_id",
}
_OVER: Final[dict[str, Any]] = {
    "customer_id": "C-1001",
    "excess": {"amount": "320.00", "currency": "CNY"},
}


class EventProblemOut(AnswerModel):
    """Why an event waits; `field` is a path within the event."""

    model_config = ConfigDict(json_schema_extra={"examples": [PROBLEM]})

    code: str
    detail: str
    field: str | None


class OverLimitOut(AnswerModel):
    """An account that the fact put over its limit, or further over, by `excess` in all."""

    model_config = ConfigDict(json_schema_extra={"examples": [_OVER]})

    customer_id: str
    excess: MoneyOut


class EventResultOut(AnswerModel):
    """What became of an event; `over_limit` is empty where no limit was passed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"event_id": "5f0c7d", "result": "applied", "over_limit": [_OVER], "problem": None}
            ]
        }
    )

    event_id: str
    result: Literal["applied", "duplicate", "stale", "quarantined"]
    over_limit: list[OverLimitOut]
    problem: EventProblemOut | None


def told_of(result: Result) -> dict[str, Any]:
    """Write a result as `EventResultOut`."""
    return {
        "event_id": result.event_id,
        "result": result.result,
        "over_limit": [
            {
                "customer_id": one.customer_id,
                "excess": {
                    "amount": Money(one.excess, one.currency).text,
                    "currency": one.currency,
                },
            }
            for one in result.over_limit
        ],
        "problem": told_problem(result.problem) if result.problem else None,
    }


def told_problem(problem: Problem) -> dict[str, Any]:
    """Write a problem as `EventProblemOut`."""
    return {"code": problem.code, "detail": cut(problem.detail), "field": problem.field}
