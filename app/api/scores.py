"""Scores: how likely a customer is to pay late, and why; and the card for CRM and phone."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.strict import StrictRoute
from app.api.wire import (
    AnswerModel,
    BusinessDate,
    Id,
    Instant,
    MoneyOut,
    QueryModel,
    WireModel,
)
from app.domain.callers import Caller
from app.domain.scores import ScoreReason, StoredScore
from app.texts import text
from app.usecases.scores import Card

router = APIRouter(prefix="/v1", tags=["scores"], route_class=StrictRoute)

Light = Literal["GREEN", "YELLOW", "RED"]
Grade = Literal["A", "B", "C", "D", "E", "N"]
CustomerRef = Annotated[Id, Path(description="The customer's id, or an alias of it")]
ReaderDep = Annotated[Caller, Depends(needs("score:read"))]
WriterDep = Annotated[Caller, Depends(needs("score:write"))]

_CARD_REASONS: Final = 3

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
}


_CARD: Final[dict[str, Any]] = {
    "customer_id": "C-1001",
    "name": "示例客户",
    "traffic_light": "GREEN",
    "score": 742,
    "risk_class": "B",
    "segment": "main",
    "headroom": {"amount": "87500.00", "currency": "CNY"},
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

    @classmethod
    def of(cls, reason: ScoreReason) -> "ReasonOut":
        """Write a reason in both languages."""
        said = text(reason.code, reason.values)
        return cls(code=reason.code, zh=said.zh, en=said.en, contribution=reason.contribution)


class ModelOut(AnswerModel):
    """What computed a score: a scorecard or a model, in an immutable version."""

    model_config = _example({"name": "standard", "version": 1})

    name: str
    version: int


class ScoreOut(AnswerModel):
    """A customer's score; score and probability are null exactly where the class is N.

    The probability is that of any invoice becoming overdue beyond the scorecard's bound within
    `horizon_days` after `features_as_of`. `stale`: older than 35 days, or facts came after it.
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

    @classmethod
    def of(cls, found: StoredScore) -> "ScoreOut":
        """Write a stored score for the wire."""
        score = found.score
        return cls(
            customer_id=found.customer_id,
            score=score.score,
            probability_of_default=score.probability_of_default,
            horizon_days=score.horizon_days,
            risk_class=score.risk_class.value,
            traffic_light=score.traffic_light.value,
            reasons=[ReasonOut.of(reason) for reason in score.reasons],
            source=score.source.value,
            model=ModelOut(name=score.model.name, version=score.model.version),
            features_as_of=found.features_as_of,
            scored_at=found.scored_at,
            stale=found.stale,
        )


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
    overdue: CardOverdueOut | None
    reasons: list[CardReasonOut] = Field(description="At most three, the most adverse first")
    as_of: Instant

    @classmethod
    def of(cls, card: Card) -> "CardOut":
        """Write a card for the wire."""
        score, account = card.score and card.score.score, card.account
        headroom = account.headroom if account else None
        return cls(
            customer_id=card.customer_id,
            name=card.name,
            traffic_light=card.traffic_light.value,
            score=score.score if score else None,
            risk_class=score.risk_class.value if score else None,
            segment=account.segment_id if account else None,
            headroom=MoneyOut.of(headroom) if headroom else None,
            overdue=CardOverdueOut(
                amount=MoneyOut.of(account.overdue.amount), days=account.overdue.days
            )
            if account
            else None,
            reasons=_card_reasons(score.reasons if score else None),
            as_of=card.as_of,
        )


def _card_reasons(reasons: Sequence[ScoreReason] | None) -> list[CardReasonOut]:
    if reasons is None:
        said = text("NOT_SCORED", {})
        return [CardReasonOut(code="NOT_SCORED", zh=said.zh, en=said.en, contribution=None)]
    return [
        CardReasonOut(**ReasonOut.of(reason).model_dump()) for reason in reasons[:_CARD_REASONS]
    ]


def send_tagged(model: BaseModel, known: str | None = None) -> Response:
    """Answer with an ETag of the content, or 304 without a body where `known` names it."""
    body = model.model_dump_json().encode()
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    tags = {part.strip().removeprefix("W/") for part in (known or "").split(",")}
    if tags & {tag, "*"}:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, 200, {"ETag": tag}, "application/json")


KnownTag = Annotated[str | None, Header(alias="If-None-Match", max_length=1024)]


@router.get(
    "/customers/{customer_id}/score",
    operation_id="getScore",
    summary="The stored score",
    response_model=ScoreOut,
    responses=refusals(404) | _TAGGED,
)
def get_score(
    caller: ReaderDep, customer_id: CustomerRef, desk: DeskDep, if_none_match: KnownTag = None
) -> Response:
    """Read the score as it is stored; 404 `not_scored` where there is none."""
    return send_tagged(ScoreOut.of(desk.scores.read_score(caller, customer_id)), if_none_match)


@router.post(
    "/customers/{customer_id}/score",
    operation_id="scoreCustomer",
    summary="Score now",
    response_model=ScoreOut,
    responses=refusals(404) | {200: _TAGGED[200]},
)
def score_customer(
    caller: WriterDep, customer_id: CustomerRef, _body: ScoreNow, desk: DeskDep
) -> Response:
    """Compute and store the score from what is known at this moment; repeating it is harmless."""
    return send_tagged(ScoreOut.of(desk.scores.score_customer(caller, customer_id)))


class CardQuery(QueryModel):
    """Which account the card shows."""

    model_config = _example({"segment": "main"})

    segment: Id | None = Field(None, description="Default: `main`, else the first in sight")


@router.get(
    "/customers/{customer_id}/card",
    operation_id="getCard",
    summary="The customer at a glance",
    responses=refusals(404),
)
def get_card(
    caller: ReaderDep,
    customer_id: CustomerRef,
    desk: DeskDep,
    query: Annotated[CardQuery, Query()],
) -> CardOut:
    """Read light, score, headroom and overdue in one small answer; made for CRM and phone."""
    return CardOut.of(desk.scores.read_card(caller, customer_id, query.segment))
