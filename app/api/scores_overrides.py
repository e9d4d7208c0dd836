"""Overrides: a person's word against the computed score, with a reason and an end."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import ConfigDict, Field, field_validator

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.strict import StrictRoute
from app.api.wire import (
    PRINTABLE,
    AnswerModel,
    Id,
    Instant,
    Page,
    WireModel,
    broken_rule,
    encode_cursor,
)
from app.domain.callers import Caller
from app.domain.scores import RiskClass
from app.domain.scores_override import Override
from app.usecases.overrides import OverrideAsk

router = APIRouter(prefix="/v1", tags=["scores"], route_class=StrictRoute)

_ASKED: Final[dict[str, Any]] = {
    "risk_class": "C",
    "reason": "the owner guarantees; annual accounts seen on 2026-11-30",
    "expires_at": "2027-03-31T16:00:00Z",
}
_SAID: Final[dict[str, Any]] = {
    "override_id": "0c6a1f0e-6a6f-4d8e-9f3c-0a5a3a0f6b11",
    "customer_id": "C-1001",
    **_ASKED,
    "status": "IN_FORCE",
    "client": "desk",
    "actor": "li.na",
    "created_at": "2026-12-01T02:03:04Z",
    "decided_by": "desk",
    "decided_at": "2026-12-01T02:03:04Z",
    "ended_by": None,
    "ended_at": None,
}


class OverrideIn(WireModel):
    """The class as a person sees it, why, and until when (exclusive, within 366 days).

    `replaces` names the override in force that this one takes over; without it, another one in
    force is a conflict.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_ASKED]})

    risk_class: Literal["A", "B", "C", "D", "E"]
    reason: str = Field(min_length=1, max_length=500, pattern=PRINTABLE)
    expires_at: Instant
    replaces: Id | None = None

    @field_validator("reason")
    @classmethod
    def _says_something(cls, reason: str) -> str:
        if not reason.strip():
            raise broken_rule("must say something")
        return reason

    def to_ask(self) -> OverrideAsk:
        """Make what the use case takes."""
        return OverrideAsk(RiskClass(self.risk_class), self.reason, self.expires_at, self.replaces)


class OverrideOut(AnswerModel):
    """An override as kept; of a customer at most one is IN_FORCE.

    `client` said it (with the person that it asserts, `actor`), `decided_by` approved or rejected
    it, `ended_by` ended or replaced it; LAPSED ended by itself, at `expires_at`.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_SAID]})

    override_id: str
    customer_id: str
    risk_class: Literal["A", "B", "C", "D", "E"]
    reason: str
    expires_at: datetime
    status: Literal["PROPOSED", "IN_FORCE", "REJECTED", "REPLACED", "ENDED", "LAPSED"]
    client: str
    actor: str | None
    created_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    ended_by: str | None
    ended_at: datetime | None


class OverridesOut(AnswerModel):
    """One page of overrides, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_SAID], "next_cursor": None}]}
    )

    items: list[OverrideOut]
    next_cursor: str | None


def _out(one: Override) -> OverrideOut:
    return OverrideOut.model_validate(one, from_attributes=True)


@router.post(
    "/customers/{customer_id}/score/overrides",
    operation_id="overrideScore",
    summary="Override a score, or propose to",
    status_code=201,
    responses=refusals(404, 409)
    | {
        200: {"model": OverrideOut, "description": "The same is in force or proposed already"},
        202: {"model": OverrideOut, "description": "Proposed"},
    },
)
def override_score(
    customer_id: Id,
    body: OverrideIn,
    caller: Annotated[Caller, Depends(needs("score:write"))],
    desk: DeskDep,
    response: Response,
) -> OverrideOut:
    """Answer 201 where it is in force at once, 202 where a second person has to approve it."""
    made, is_new = desk.scores.propose_override(caller, customer_id, body.to_ask())
    if not is_new:
        response.status_code = 200
    elif made.status == "PROPOSED":
        response.status_code = 202
    return _out(made)


@router.get(
    "/customers/{customer_id}/score/overrides",
    operation_id="listScoreOverrides",
    summary="List the overrides of a customer's score",
    responses=refusals(404),
)
def list_overrides(
    customer_id: Id,
    query: Annotated[Page, Query()],
    caller: Annotated[Caller, Depends(needs("score:read"))],
    desk: DeskDep,
) -> OverridesOut:
    """Answer one page of all overrides there were, the newest first."""
    left = desk.scores.list_overrides(caller, customer_id)
    after = query.after(str)
    if after is not None:
        seen = [one.override_id for one in left]
        left = left[seen.index(after[0]) + 1 :] if after[0] in seen else []
    page = left[: query.limit]
    more = len(left) > len(page)
    cursor = encode_cursor([page[-1].override_id]) if more else None
    return OverridesOut(items=[_out(one) for one in page], next_cursor=cursor)


@router.post(
    "/customers/{customer_id}/score/overrides/{override_id}/{action}",
    operation_id="decideScoreOverride",
    summary="Approve or reject a proposed override, end one that is in force",
    responses=refusals(404, 409),
)
def decide_override(
    customer_id: Id,
    override_id: Id,
    action: Literal["approve", "reject", "end"],
    caller: Annotated[Caller, Depends(needs("score:write"))],
    desk: DeskDep,
) -> OverrideOut:
    """Answer the override as decided; the score follows in the same transaction."""
    return _out(desk.scores.decide_override(caller, (customer_id, override_id), action))
