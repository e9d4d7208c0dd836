"""The recommended limit of a customer, with its arithmetic in both languages."""

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from pydantic import ConfigDict

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import desk_of
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel, Id, MoneyOut, QueryModel
from app.domain.callers import Caller
from app.domain.recommendation import Step
from app.domain.segments import MAIN
from app.texts import text
from app.usecases.recommendation import RecommendationView

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)

_STEP: Final[dict[str, Any]] = {
    "code": "LIMIT_CLASS",
    "values": {"risk_class": "B", "percent": "120"},
    "result": {"amount": "900000.00", "currency": "CNY"},
    "zh": "信用等级 B：乘以 120%，得 900000.00 CNY。",
    "en": "Risk class B: 120% of it is 900000.00 CNY.",
}


class StepOut(AnswerModel):
    """One step of the arithmetic: what it was reckoned with, and what comes out."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STEP]})

    code: str
    values: dict[str, str]
    result: MoneyOut
    zh: str
    en: str


class RecommendationOut(AnswerModel):
    """The recommended limit beside the one in force; `recommended` is the last step's result."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "C-1001",
                    "segment": "main",
                    "recommended": {"amount": "900000.00", "currency": "CNY"},
                    "effective_limit": {"amount": "500000.00", "currency": "CNY"},
                    "unlimited": False,
                    "steps": [_STEP],
                    "policy_version": 1,
                    "as_of": "2026-12-01",
                }
            ]
        }
    )

    customer_id: str
    segment: str
    recommended: MoneyOut
    effective_limit: MoneyOut | None
    unlimited: bool
    steps: list[StepOut]
    policy_version: int
    as_of: date


class RecommendationQuery(QueryModel):
    """For which of the customer's accounts."""

    segment: Id = MAIN


def _step(step: Step) -> StepOut:
    said = text(step.code, {**step.values, "result": str(step.result)})
    return StepOut(
        code=step.code,
        values=dict(step.values),
        result=MoneyOut.of(step.result),
        zh=said.zh,
        en=said.en,
    )


def _out(view: RecommendationView) -> RecommendationOut:
    found = view.found
    return RecommendationOut(
        customer_id=view.customer_id,
        segment=view.segment_id,
        recommended=MoneyOut.of(found.limit),
        effective_limit=None if view.current is None else MoneyOut.of(view.current),
        unlimited=view.unlimited,
        steps=[_step(step) for step in found.steps],
        policy_version=found.policy_version,
        as_of=view.as_of,
    )


@router.get(
    "/customers/{customer_id}/limits/recommendation",
    operation_id="recommendLimit",
    summary="Which limit should this customer have, and why?",
    responses=refusals(404, 409),
)
def recommend_limit(
    customer_id: Id,
    query: Annotated[RecommendationQuery, Query()],
    caller: Annotated[Caller, Depends(needs("customer:read"))],
    request: Request,
) -> RecommendationOut:
    """Answer what the segment's limit policy recommends today; nothing is changed."""
    return _out(desk_of(request).parties.limits.recommend(caller, customer_id, query.segment))
