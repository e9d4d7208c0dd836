"""Adjustments: a drift becomes a signed document of its own, and can be taken back by another."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from app.api.auth import authenticate, secured
from app.api.conventions import refusals
from app.api.desk import desk_of
from app.api.idempotency import answer_of, fingerprint_of, keyed, read_key, send
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel, Id, MoneyOut, WireModel
from app.domain.callers import Caller
from app.domain.exposure import Category
from app.usecases.adjustments import AdjustmentView
from app.usecases.asks import Answer
from app.usecases.keyed import Keyed

router = APIRouter(prefix="/v1", tags=["facts"], route_class=StrictRoute)

_ASKED: Final[dict[str, Any]] = {"reason": "receipt of 30 November is missing in the interface"}
_MADE: Final[dict[str, Any]] = {
    "adjustment_id": "019f0000-0000-7000-8000-00000000000c",
    "customer_id": "C-1001",
    "segment": "main",
    "kind": "DRIFT",
    "category": "OPEN_ITEM",
    "amount": {"amount": "-1500.00", "currency": "CNY"},
    **_ASKED,
    "drift_id": "019f0000-0000-7000-8000-00000000000b",
    "reverses": None,
    "client": "erp",
    "actor": "li.na",
    "at": "2026-12-01T02:03:04Z",
}


class ReasonIn(WireModel):
    """Why; it stays with the adjustment for good."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ASKED]})

    reason: str = Field(min_length=1, max_length=500)


class AdjustmentOut(AnswerModel):
    """A signed document: `amount` adds to the account's figure; only another takes it back.

    DRIFT brings a figure to the ERP's; REVERSAL takes a DRIFT back by a person's decision.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_MADE]})

    adjustment_id: str
    customer_id: str
    segment: str
    kind: Literal["DRIFT", "REVERSAL", "GIVEN_WAY"]
    category: Category
    amount: MoneyOut
    reason: str
    drift_id: str | None
    reverses: str | None
    client: str
    actor: str | None
    at: datetime


def _made(view: AdjustmentView) -> Answer:
    made = view.adjustment
    told = AdjustmentOut(
        adjustment_id=made.adjustment_id,
        customer_id=view.customer_id,
        segment=view.segment_id,
        kind=made.kind,
        category=made.category,
        amount=MoneyOut.of(made.amount),
        reason=made.reason,
        drift_id=made.drift_id,
        reverses=made.reverses,
        client=made.client,
        actor=made.actor,
        at=made.at,
    )
    return answer_of(told, 201)


async def _author(request: Request) -> Caller:
    return await authenticate(request, "ledger:write")


def _declared() -> dict[str, Any]:
    """Declare token, author and key; at run time a missing author is refused by the use case."""
    token = secured("ledger:write")
    actor = {**token["parameters"][0], "required": True}
    return {**token, "parameters": [actor, *keyed()["parameters"]]}


@router.post(
    "/snapshots/drifts/{drift_id}/adjust",
    operation_id="adjustDrift",
    summary="Bring our figure to the ERP's",
    status_code=201,
    response_model=AdjustmentOut,
    responses=refusals(404, 409),
    openapi_extra=_declared(),
)
def adjust_drift(
    drift_id: Id,
    body: ReasonIn,
    caller: Annotated[Caller, Depends(_author)],
    request: Request,
) -> Response:
    """Answer the adjustment; `Aval-Actor` names its author and is needed."""
    question = Keyed(caller, read_key(request), fingerprint_of(request, body))
    adjust = desk_of(request).figures.adjust_drift
    return send(adjust(question, drift_id, body.reason, _made))


@router.post(
    "/adjustments/{adjustment_id}/reverse",
    operation_id="reverseAdjustment",
    summary="Take an adjustment back",
    status_code=201,
    response_model=AdjustmentOut,
    responses=refusals(404, 409),
    openapi_extra=_declared(),
)
def reverse_adjustment(
    adjustment_id: Id,
    body: ReasonIn,
    caller: Annotated[Caller, Depends(_author)],
    request: Request,
) -> Response:
    """Answer the adjustment of the opposite sign; `Aval-Actor` names its author and is needed."""
    question = Keyed(caller, read_key(request), fingerprint_of(request, body))
    reverse = desk_of(request).figures.reverse_adjustment
    return send(reverse(question, adjustment_id, body.reason, _made))
