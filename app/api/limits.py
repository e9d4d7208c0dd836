"""Limits: zero grants no credit, null none either, `unlimited` any; each says so on purpose."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field, model_validator

from app.api.auth import authenticate, needs, secured
from app.api.conventions import refusals
from app.api.desk import desk_of
from app.api.idempotency import answer_of, fingerprint_of, keyed, read_key, send
from app.api.strict import StrictRoute
from app.api.wire import (
    AnswerModel,
    BusinessDate,
    Id,
    MoneyIn,
    MoneyOut,
    Page,
    WireModel,
    broken_rule,
    encode_cursor,
)
from app.domain.callers import Caller
from app.domain.errors import ForbiddenError
from app.domain.money import Money
from app.domain.segments import MAIN
from app.usecases.asks import Answer
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
_DECIDED: Final[dict[str, Any]] = {
    "limit_id": "0b5e6f0a-6c1e-4f2e-9a55-3d1f6a1c2b7d",
    "customer_id": "C-1001",
    **_ASKED,
    "unlimited": False,
    "status": "APPROVED",
    "proposed_by": "crm",
    "created_at": "2026-12-01T02:03:04Z",
    "decided_by": "crm",
    "decided_at": "2026-12-01T02:03:04Z",
    "ended_by": None,
    "ended_at": None,
}


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


class LimitOut(AnswerModel):
    """A limit; `limit` null and not `unlimited`: no credit granted.

    APPROVED says that somebody approved it; whether it is in force follows from its dates and
    from what was approved later.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_DECIDED]})

    limit_id: str
    customer_id: str
    segment: str
    kind: Literal["base", "temporary"]
    limit: MoneyOut | None
    unlimited: bool
    valid_from: date
    valid_to: date | None
    status: Literal["PROPOSED", "APPROVED", "REJECTED", "ENDED"]
    reason: str | None
    proposed_by: str
    created_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    ended_by: str | None
    ended_at: datetime | None


class LimitsOut(AnswerModel):
    """One page of limits, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_DECIDED], "next_cursor": None}]}
    )

    items: list[LimitOut]
    next_cursor: str | None


class LimitsQuery(Page):
    """Of which segment; absent: of all within sight."""

    segment: Id | None = None


def _out(view: LimitView) -> LimitOut:
    held = view.record
    if held.kind == "cover":
        message = f"{held.limit_id} is a cover, not a limit"
        raise TypeError(message)
    money = None if held.limit_minor is None else Money(held.limit_minor, held.currency)
    return LimitOut(
        limit_id=held.limit_id,
        customer_id=view.customer_id,
        segment=view.segment_id,
        kind=held.kind,
        limit=None if money is None else MoneyOut.of(money),
        unlimited=held.unlimited,
        valid_from=held.valid_from,
        valid_to=held.valid_to,
        status=held.status,
        reason=held.reason,
        proposed_by=held.proposed_by,
        created_at=held.created_at,
        decided_by=held.decided_by,
        decided_at=held.decided_at,
        ended_by=held.ended_by,
        ended_at=held.ended_at,
    )


def _proposed(view: LimitView) -> Answer:
    return answer_of(_out(view), 201 if view.record.status == "APPROVED" else 202)


def _decided(view: LimitView) -> Answer:
    return answer_of(_out(view))


async def proposer(request: Request) -> Caller:
    """Bring a caller who may propose, or approve, which is more."""
    try:
        return await authenticate(request, "limit:propose")
    except ForbiddenError:
        return await authenticate(request, "limit:approve")


def proposed() -> dict[str, Any]:
    """Declare token and key for `openapi_extra=` of a handler whose caller is a `proposer`."""
    token = secured("limit:propose")
    return {**token, "parameters": [*token["parameters"], *keyed()["parameters"]]}


def page_of(views: Sequence[LimitView], query: Page) -> tuple[list[LimitView], str | None]:
    """Cut a page out of a whole list; people made what is in it, so it is short.

    Raises:
        FieldError: The cursor is none of this list's.

    """
    after, left = query.after(str), list(views)
    if after is not None:
        seen = [view.record.limit_id for view in left]
        left = left[seen.index(after[0]) + 1 :] if after[0] in seen else []
    page = left[: query.limit]
    more = len(left) > len(page)
    return page, encode_cursor([page[-1].record.limit_id]) if more else None


@router.post(
    "/customers/{customer_id}/limits",
    operation_id="proposeLimit",
    summary="Set a limit, or propose it",
    status_code=201,
    response_model=LimitOut,
    responses=refusals(404, 409) | {202: {"model": LimitOut, "description": "Proposed"}},
    openapi_extra=proposed(),
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
    return LimitsOut(items=[_out(view) for view in page], next_cursor=cursor)


@router.post(
    "/customers/{customer_id}/limits/{limit_id}/{action}",
    operation_id="decideLimit",
    summary="Approve or reject a proposed limit, end an approved one",
    response_model=LimitOut,
    responses=refusals(404, 409),
    openapi_extra=keyed(),
)
def decide_limit(
    customer_id: Id,
    limit_id: Id,
    action: Literal["approve", "reject", "end"],
    caller: Annotated[Caller, Depends(needs("limit:approve"))],
    request: Request,
) -> Response:
    """Answer the limit as decided; what it changes is in force at once."""
    question = Keyed(caller, read_key(request), fingerprint_of(request))
    decide = desk_of(request).parties.decide_limit
    return send(decide(question, (customer_id, limit_id), action, _decided))
