"""Scores: how likely a customer is to pay late, and why; and the card for CRM and phone."""

from typing import Any, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from app.api.accounts import GroupRoomOut
from app.api.auth import authenticate
from app.api.conventions import body_of, refusals
from app.api.desk import desk_of
from app.api.lean import LeanRoute, declare, read_asked, read_tagged
from app.api.reads import card_bytes, score_bytes, send_json, send_tagged
from app.api.strict import read
from app.api.wire import (
    AnswerModel,
    BusinessDate,
    Id,
    Instant,
    MoneyOut,
    QueryModel,
    WireModel,
)

lean_router = APIRouter(prefix="/v1", tags=["scores"], route_class=LeanRoute)

Light = Literal["GREEN", "YELLOW", "RED"]
Grade = Literal["A", "B", "C", "D", "E", "N"]

_TAGGED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "headers": {
            "ETag": {"description": "Changes with the answer", "schema": {"type": "string"}}
        }
    },
    304: {"description": "The answer is still the one that `If-None-Match` names"},
}

_REASON: Final[dict[str, Any]] = {
    "code": "MEAN_DAYS_LATE_HIGH",
    "zh": "平均付款逾期 4.2 天。",
    "en": "Invoices are paid 4.2 days late on average.",
    "contribution": -80,
}
_SCORE: Final[dict[str, Any]] = {
    "customer_id": "C-1001",
    "score": 742,
    "probability_of_default": 0.0121,
    "horizon_days": 180,
    "risk_class": "B",
    "traffic_light": "GREEN",
    "reasons": [_REASON],
    "source": "scorecard",
    "model": {"name": "standard", "version": 1},
    "features_as_of": "2026-11-30",
    "scored_at": "2026-11-30T18:00:00Z",
    "stale": False,
    "due_at": None,
    "override": None,
}
_OVERRIDE: Final[dict[str, Any]] = {
    "override_id": "0c6a1f0e-6a6f-4d8e-9f3c-0a5a3a0f6b11",
    "expires_at": "2027-03-31T16:00:00Z",
    "computed_score": 488,
    "computed_class": "D",
    "computed_source": "scorecard",
}


_CARD: Final[dict[str, Any]] = {
    "customer_id": "C-1001",
    "name": "示例客户",
    "traffic_light": "GREEN",
    "score": 742,
    "risk_class": "B",
    "segment": "main",
    "headroom": {"amount": "87500.00", "currency": "CNY"},
    "groups": [],
    "overdue": {"amount": {"amount": "0.00", "currency": "CNY"}, "days": 0},
    "reasons": [_REASON],
    "as_of": "2026-12-01T02:00:00Z",
}


def _example(told: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [told]})


class ScoreNow(WireModel):
    """Nothing is asked but that it be done: `{}`."""

    model_config = _example({})


class ReasonOut(AnswerModel):
    """Why a score is not better; `contribution` is in score points, negative is adverse."""

    model_config = _example(_REASON)

    code: str
    zh: str
    en: str
    contribution: float


class ModelOut(AnswerModel):
    """What computed a score: a scorecard or a model, in an immutable version."""

    model_config = _example({"name": "standard", "version": 1})

    name: str
    version: int


class OverriddenOut(AnswerModel):
    """What stands behind a score of source `override`: until when, and what was computed."""

    model_config = _example(_OVERRIDE)

    override_id: str
    expires_at: Instant
    computed_score: int | None
    computed_class: Grade
    computed_source: Literal["model", "scorecard"]


class ScoreOut(AnswerModel):
    """A customer's score; score and probability are null exactly where the class is N.

    The probability is that of any invoice becoming overdue beyond the scorecard's bound within
    `horizon_days` after `features_as_of`. `stale`: older than 35 days, or something that it rests
    on came after it; it is then computed anew within seconds, or from `due_at` on where the score
    rests, which it does for a moment after each time unless something adverse came.
    """

    model_config = _example(_SCORE)

    customer_id: str
    score: int | None = Field(description="0 to 1000, higher is better")
    probability_of_default: float | None = Field(description="0 to 1, four digits")
    horizon_days: int
    risk_class: Grade = Field(description="A to E; N: too little history")
    traffic_light: Light
    reasons: list[ReasonOut] = Field(description="At most four, the most adverse first")
    source: Literal["model", "scorecard", "override"]
    model: ModelOut
    features_as_of: BusinessDate
    scored_at: Instant
    stale: bool
    due_at: Instant | None
    override: OverriddenOut | None


class CardOverdueOut(AnswerModel):
    """What is past due; `days` is the age of the oldest item, 0 where there is none."""

    model_config = _example({"amount": {"amount": "0.00", "currency": "CNY"}, "days": 0})

    amount: MoneyOut
    days: int


class CardReasonOut(AnswerModel):
    """Why the light is not green; `contribution` is null where no score stands behind it."""

    model_config = _example(_REASON)

    code: str
    zh: str
    en: str
    contribution: float | None


class CardOut(AnswerModel):
    """A customer at a glance; the light is the worse of score and account.

    Unscored: score and class are null and the reason is `NOT_SCORED`. `headroom` is null where
    the account is unlimited, `overdue` too where there is no account.
    """

    model_config = _example(_CARD)

    customer_id: str
    name: str
    traffic_light: Light
    score: int | None
    risk_class: Grade | None
    segment: str | None
    headroom: MoneyOut | None
    groups: list[GroupRoomOut] = Field(
        description="Groups in whose limit its orders must fit too, the nearest first"
    )
    overdue: CardOverdueOut | None
    reasons: list[CardReasonOut] = Field(description="At most three, the most adverse first")
    as_of: Instant


@lean_router.get(
    "/customers/{customer_id}/score",  # noqa: FAST003 - read from the raw request
    operation_id="getScore",
    summary="The stored score",
    response_model=ScoreOut,
    responses=refusals(404) | _TAGGED,
    openapi_extra=declare("score:read", tag=True),
)
async def get_score(request: Request) -> Response:
    """Read the score as it is stored; 404 `not_scored` where there is none."""
    caller = await authenticate(request, "score:read")
    ref, known = read_tagged(request)
    return send_tagged(score_bytes(await desk_of(request).reads.score(caller, ref)), known)


class ScoreQuery(QueryModel):
    """There is nothing to ask."""

    model_config = _example({})


@lean_router.post(
    "/customers/{customer_id}/score",  # noqa: FAST003 - read from the raw request
    operation_id="scoreCustomer",
    summary="Score now",
    response_model=ScoreOut,
    responses=refusals(404) | {200: _TAGGED[200]},
    openapi_extra=declare("score:write") | body_of(ScoreNow),
)
async def score_customer(request: Request) -> Response:
    """Compute and store the score from what is known at this moment; repeating it is harmless."""
    caller = await authenticate(request, "score:write")
    ref, _ = read_asked(request, ScoreQuery)
    await read(request, ScoreNow)
    return send_tagged(score_bytes(await desk_of(request).scores.score_customer.soon(caller, ref)))


class CardQuery(QueryModel):
    """Which account the card shows."""

    model_config = _example({"segment": "main"})

    segment: Id | None = Field(None, description="Default: `main`, else the first in sight")


@lean_router.get(
    "/customers/{customer_id}/card",  # noqa: FAST003 - read from the raw request
    operation_id="getCard",
    summary="The customer at a glance",
    response_model=CardOut,
    responses=refusals(404),
    openapi_extra=declare("score:read", CardQuery),
)
async def get_card(request: Request) -> Response:
    """Read light, score, headroom and overdue in one small answer; made for CRM and phone."""
    caller = await authenticate(request, "score:read")
    ref, query = read_asked(request, CardQuery)
    card = await desk_of(request).reads.card(caller, ref, query.segment)
    return send_json(card_bytes(card))
