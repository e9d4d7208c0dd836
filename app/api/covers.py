"""Covers: sums that insurers, guarantors or deposits stand for; they add to a granted limit."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field, field_validator

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
    PRINTABLE,
    AnswerModel,
    BusinessDate,
    Id,
    MoneyOut,
    PositiveMoneyIn,
    WireModel,
    broken_rule,
)
from app.domain.callers import Caller
from app.domain.covers import CoverKind, CoverTerms, parse_percentage
from app.domain.errors import FieldError
from app.domain.money import Money
from app.domain.segments import MAIN
from app.usecases.keyed import Keyed
from app.usecases.limits import LimitAsk, LimitView

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)

_ASKED: Final[dict[str, Any]] = {
    "kind": "INSURANCE",
    "percentage": "90.00",
    "cap": {"amount": "300000.00", "currency": "CNY"},
    "valid_from": "2026-12-01",
    "valid_to": "2027-11-30",
    "reference": "POL-2026-0815",
    "reason": "policy of this year",
    "segment": "main",
}
_DECIDED: Final[dict[str, Any]] = {
    "cover_id": "7a1c0d3e-51b4-4b8e-8d0f-2f6f0a9c4e11",
    "customer_id": "C-1001",
    **_ASKED,
    "contribution": {"amount": "270000.00", "currency": "CNY"},
    **LIFE,
}

Reference = Annotated[str, Field(min_length=1, max_length=120, pattern=PRINTABLE)]
"""The number of the policy, letter or receipt."""


class CoverIn(WireModel):
    """What is covered: `percentage` (above 0, at most 100) of `cap`, the sum insured or deposited.

    `valid_from` absent: from today on. `valid_to` is inclusive; absent or null: no end.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_ASKED]})

    kind: CoverKind
    percentage: str = Field(
        max_length=6, json_schema_extra={"pattern": r"^(?:0|[1-9][0-9]{0,2})(?:\.[0-9]{1,2})?$"}
    )
    cap: PositiveMoneyIn
    valid_from: BusinessDate | None = None
    valid_to: BusinessDate | None = None
    reference: Reference | None = None
    reason: str | None = Field(None, max_length=500)
    segment: Id = MAIN

    @field_validator("percentage")
    @classmethod
    def _a_share(cls, percentage: str) -> str:
        try:
            parse_percentage(percentage)
        except FieldError as refusal:
            raise broken_rule(refusal.detail) from None
        return percentage

    def to_ask(self) -> LimitAsk:
        """Make what the use case takes."""
        cap = self.cap.to_money()
        terms = CoverTerms(self.kind, parse_percentage(self.percentage), cap.minor, self.reference)
        return LimitAsk(
            kind="cover",
            segment_id=self.segment,
            limit=Money(terms.contribution, cap.currency),
            valid_from=self.valid_from,
            valid_to=self.valid_to,
            reason=self.reason,
            cover=terms,
        )


class CoverOut(LifeOut):
    """A cover; `contribution` (`percentage` of `cap`, rounded down) adds to a limit while valid.

    It counts nothing beside a limit of 0, a null, absent or expired one.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_DECIDED]})

    cover_id: str
    kind: CoverKind
    percentage: str
    cap: MoneyOut
    contribution: MoneyOut
    reference: str | None


class ListedCoverOut(CoverOut, ListedOut):
    """A cover in a list; one in force adds its `contribution` to the limit that is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_DECIDED, "in_force": True}]})


class CoversOut(AnswerModel):
    """One page of covers, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [{**_DECIDED, "in_force": True}], "next_cursor": None}]
        }
    )

    items: list[ListedCoverOut]
    next_cursor: str | None


def _out(view: LimitView) -> CoverOut:
    held = view.record
    terms = held.cover
    if terms is None:
        message = f"{held.limit_id} is a limit, not a cover"
        raise TypeError(message)
    return CoverOut(
        **life_of(view),
        cover_id=held.limit_id,
        kind=terms.kind,
        percentage=f"{terms.percentage:.2f}",
        cap=MoneyOut.of(Money(terms.cap_minor, held.currency)),
        contribution=MoneyOut.of(Money(terms.contribution, held.currency)),
        reference=terms.reference,
    )


_proposed, _decided = answers(_out)


@router.post(
    "/customers/{customer_id}/covers",
    operation_id="proposeCover",
    summary="Add a cover, or propose it",
    status_code=201,
    response_model=CoverOut,
    responses=refusals(404, 409) | {202: {"model": CoverOut, "description": "Proposed"}},
    openapi_extra=proposed_by("limit:propose"),
)
def propose_cover(
    customer_id: Id,
    body: CoverIn,
    caller: Annotated[Caller, Depends(proposer)],
    request: Request,
) -> Response:
    """Answer 201 where it counts at once (`limit:approve`), 202 where it is proposed."""
    question = Keyed(caller, read_key(request), fingerprint_of(request, body))
    propose = desk_of(request).parties.propose_limit
    return send(propose(question, customer_id, body.to_ask(), _proposed))


@router.get(
    "/customers/{customer_id}/covers",
    operation_id="listCovers",
    summary="List a customer's covers",
    responses=refusals(404),
)
def list_covers(
    customer_id: Id,
    query: Annotated[LimitsQuery, Query()],
    caller: Annotated[Caller, Depends(needs("customer:read"))],
    request: Request,
) -> CoversOut:
    """Answer one page of all covers there were, the newest first."""
    found = desk_of(request).parties.list_covers(caller, customer_id, query.segment)
    page, cursor = page_of(found, query)
    items = [ListedCoverOut(**dict(_out(view)), in_force=view.in_force) for view in page]
    return CoversOut(items=items, next_cursor=cursor)


@router.post(
    "/customers/{customer_id}/covers/{cover_id}/{action}",
    operation_id="decideCover",
    summary="Approve or reject a proposed cover, end an approved one",
    response_model=CoverOut,
    responses=refusals(404, 409) | {202: {"model": CoverOut, "description": "End proposed"}},
    openapi_extra=proposed_by("limit:approve"),
)
def decide_cover(
    customer_id: Id,
    cover_id: Id,
    action: Action,
    caller: Annotated[Caller, Depends(proposer)],
    request: Request,
) -> Response:
    """Answer the cover as decided; what it changes is in force at once. 202: its end waits."""
    question = Keyed(caller, read_key(request), fingerprint_of(request))
    decide = desk_of(request).parties.decide_cover
    return send(decide(question, (customer_id, cover_id), action, _decided))
