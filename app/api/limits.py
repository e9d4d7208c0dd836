"""Limits: zero grants no credit, null none either, `unlimited` any; each says so on purpose."""

from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field, model_validator

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import desk_of
from app.api.idempotency import fingerprint_of, read_key, send
from app.api.limits_life import (
    LIFE,
    Action,
    LifeOut,
    LimitsQuery,
    ListedOut,
    answers,
    life_of,
    page_of,
    proposed_by,
    proposer,
)
from app.api.strict import StrictRoute
from app.api.wire import (
    AnswerModel,
    BusinessDate,
    Id,
    MoneyIn,
    MoneyOut,
    WireModel,
    broken_rule,
)
from app.domain.callers import Caller
from app.domain.money import Money
from app.domain.segments import MAIN
from app.usecases.keyed import Keyed
from app.usecases.limits import LimitAsk, LimitView

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)

_ASKED: Final[dict[str, Any]] = {
    "kind": "base",
    "limit": {"amount": "500000.00", "currency": "CNY"},
    "valid_from": "2026-12-01",
    "valid_to": "2027-11-30",
    "reason": "annual review",
    "segment": "main",
}
DECIDED: Final[dict[str, Any]] = {
    "limit_id": "0b5e6f0a-6c1e-4f2e-9a55-3d1f6a1c2b7d",
    "customer_id": "C-1001",
    **_ASKED,
    "unlimited": False,
    "origin": "MANUAL",
    "evidence": None,
    **LIFE,
}
"""The example of a limit that was decided on."""


class LimitIn(WireModel):
    """A limit: `limit` (money; null: no credit granted) or `unlimited: true`, one of them.

    `valid_from` absent: from today on. `valid_to` is inclusive; absent: no end. A temporary limit
    needs both; it wins while valid, then lapses by itself.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_ASKED]})

    kind: Literal["base", "temporary"]
    limit: MoneyIn | None = None
    unlimited: bool = False
    valid_from: BusinessDate | None = None
    valid_to: BusinessDate | None = None
    reason: str | None = Field(None, max_length=500)
    segment: Id = MAIN

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if "limit" not in self.model_fields_set and not self.unlimited:
            raise broken_rule("`limit` (money or null) or `unlimited: true` is required")
        return self

    def to_ask(self) -> LimitAsk:
        """Make what the use case takes."""
        return LimitAsk(
            kind=self.kind,
            segment_id=self.segment,
            limit=None if self.limit is None else self.limit.to_money(),
            unlimited=self.unlimited,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
            reason=self.reason,
        )


class LimitOut(LifeOut):
    """A limit; `limit` null and not `unlimited`: no credit granted.

    APPROVED says that somebody approved it; whether it is in force follows from its dates and
    from what was approved later. A DYNAMIC one was thought of by the segment's limit policy, and
    `evidence` says how.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [DECIDED]})

    limit_id: str
    kind: Literal["base", "temporary"]
    limit: MoneyOut | None
    unlimited: bool
    origin: Literal["MANUAL", "DYNAMIC"]
    evidence: dict[str, Any] | None


class ListedLimitOut(LimitOut, ListedOut):
    """A limit in a list; of those in force an account has at most one, beside covers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**DECIDED, "in_force": True}]})


class LimitsOut(AnswerModel):
    """One page of limits, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [{**DECIDED, "in_force": True}], "next_cursor": None}]
        }
    )

    items: list[ListedLimitOut]
    next_cursor: str | None


def limit_out(view: LimitView) -> LimitOut:
    """Write a limit for the wire."""
    held = view.record
    if held.kind == "cover":
        message = f"{held.limit_id} is a cover, not a limit"
        raise TypeError(message)
    money = None if held.limit_minor is None else Money(held.limit_minor, held.currency)
    return LimitOut(
        **life_of(view),
        limit_id=held.limit_id,
        kind=held.kind,
        limit=None if money is None else MoneyOut.of(money),
        unlimited=held.unlimited,
        origin=held.origin,
        evidence=None if held.evidence is None else dict(held.evidence),
    )


_proposed, _decided = answers(limit_out)


@router.post(
    "/customers/{customer_id}/limits",
    operation_id="proposeLimit",
    summary="Set a limit, or propose it",
    status_code=201,
    response_model=LimitOut,
    responses=refusals(404, 409) | {202: {"model": LimitOut, "description": "Proposed"}},
    openapi_extra=proposed_by("limit:propose"),
)
def propose_limit(
    customer_id: Id,
    body: LimitIn,
    caller: Annotated[Caller, Depends(proposer)],
    request: Request,
) -> Response:
    """Answer 201 where it is in force at once (`limit:approve`), 202 where it is proposed."""
    question = Keyed(caller, read_key(request), fingerprint_of(request, body))
    propose = desk_of(request).parties.propose_limit
    return send(propose(question, customer_id, body.to_ask(), _proposed))


@router.get(
    "/customers/{customer_id}/limits",
    operation_id="listLimits",
    summary="List a customer's limits",
    responses=refusals(404),
)
def list_limits(
    customer_id: Id,
    query: Annotated[LimitsQuery, Query()],
    caller: Annotated[Caller, Depends(needs("customer:read"))],
    request: Request,
) -> LimitsOut:
    """Answer one page of all limits there were, the newest first."""
    found = desk_of(request).parties.list_limits(caller, customer_id, query.segment)
    page, cursor = page_of(found, query)
    items = [ListedLimitOut(**dict(limit_out(view)), in_force=view.in_force) for view in page]
    return LimitsOut(items=items, next_cursor=cursor)


@router.post(
    "/customers/{customer_id}/limits/{limit_id}/{action}",
    operation_id="decideLimit",
    summary="Approve or reject a proposed limit, end an approved one",
    response_model=LimitOut,
    responses=refusals(404, 409) | {202: {"model": LimitOut, "description": "End proposed"}},
    openapi_extra=proposed_by("limit:approve"),
)
def decide_limit(
    customer_id: Id,
    limit_id: Id,
    action: Action,
    caller: Annotated[Caller, Depends(proposer)],
    request: Request,
) -> Response:
    """Answer the limit as decided; what it changes is in force at once.

    202: its end waits for another client, as it grants more in a segment that asks four eyes, or
    as the caller may only propose.
    """
    question = Keyed(caller, read_key(request), fingerprint_of(request))
    decide = desk_of(request).parties.decide_limit
    return send(decide(question, (customer_id, limit_id), action, _decided))
