"""Work lists of limits: what is to be reviewed, what ends soon; and that somebody reviewed one."""

from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import desk_of
from app.api.idempotency import answer_of, fingerprint_of, read_key, send
from app.api.limits_life import proposed_by, proposer
from app.api.strict import StrictRoute
from app.api.wire import (
    AnswerModel,
    BusinessDate,
    Id,
    MoneyOut,
    Page,
    WireModel,
    decode_name,
    encode_cursor,
)
from app.domain.callers import Caller
from app.domain.errors import FieldError
from app.domain.reviews import Ending, Review
from app.domain.segments import MAIN
from app.usecases.asks import Answer
from app.usecases.keyed import Keyed
from app.usecases.reviews import ListAsk

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)

_LIMIT: Final[dict[str, Any]] = {"amount": "500000.00", "currency": "CNY"}
_REVIEW: Final[dict[str, Any]] = {
    "customer_id": "C-1001",
    "segment": "main",
    "owner": "li.na",
    "risk_class": "C",
    "limit": _LIMIT,
    "last_review": "2026-09-01",
    "next_review": "2026-11-30",
}
_ENDING: Final[dict[str, Any]] = {
    "limit_id": "0b5e6f0a-6c1e-4f2e-9a55-3d1f6a1c2b7d",
    "customer_id": "C-1001",
    "segment": "main",
    "owner": "li.na",
    "kind": "base",
    "limit": _LIMIT,
    "unlimited": False,
    "valid_to": "2026-12-31",
}


class ReviewOut(AnswerModel):
    """An account with a base limit; `next_review` is after its class's days, or when it ends."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REVIEW]})

    customer_id: str
    segment: str
    owner: str | None
    risk_class: str
    limit: MoneyOut | None
    last_review: date
    next_review: date


class ReviewsOut(AnswerModel):
    """One page of reviews, the longest due first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_REVIEW], "next_cursor": None}]}
    )

    items: list[ReviewOut]
    next_cursor: str | None


class EndingOut(AnswerModel):
    """A limit or cover (`limit`: its contribution) that ends soon, with no successor approved."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENDING]})

    limit_id: str
    customer_id: str
    segment: str
    owner: str | None
    kind: Literal["base", "temporary", "cover"]
    limit: MoneyOut | None
    unlimited: bool
    valid_to: date


class EndingsOut(AnswerModel):
    """One page of what ends, the next to end first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_ENDING], "next_cursor": None}]}
    )

    items: list[EndingOut]
    next_cursor: str | None


class ReviewIn(WireModel):
    """That the limit was looked at and left as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "figures of 2025 read"}]})

    segment: Id = MAIN
    note: str | None = Field(None, max_length=500)


class DatedPage(Page):
    """Of which segment (absent: of all within sight) and whose customers."""

    segment: Id | None = None
    owner: str | None = Field(None, max_length=64)

    def ask(self, until: date | None) -> ListAsk:
        """Make what the use case takes, with one more than a page.

        Raises:
            FieldError: The cursor is none of this list's.

        """
        seen, after = self.after(str, str), None
        if seen is not None:
            try:
                after = (date.fromisoformat(seen[0]), decode_name(seen[1]))
            except ValueError:
                raise FieldError("is not a cursor of this list", "cursor") from None
        return ListAsk(self.segment, self.owner, until, after, self.limit + 1)


class ReviewsQuery(DatedPage):
    """Those due before a day; absent: those due by today."""

    due_before: BusinessDate | None = None


class EndingQuery(DatedPage):
    """Those that end before a day; absent: within the `warn_days` of their segment."""

    ends_before: BusinessDate | None = None


def _cursor(day: date, name: str) -> str:
    return encode_cursor([day.isoformat(), name.encode().hex()])


def _eve(day: date | None) -> date | None:
    return None if day is None else date.fromordinal(max(1, day.toordinal() - 1))


def _review(one: Review) -> ReviewOut:
    return ReviewOut(
        customer_id=one.customer_id,
        segment=one.segment_id,
        owner=one.owner,
        risk_class=one.risk_class,
        limit=None if one.limit is None else MoneyOut.of(one.limit),
        last_review=one.last_on,
        next_review=one.due_on,
    )


def _ending(one: Ending) -> EndingOut:
    return EndingOut(
        limit_id=one.limit_id,
        customer_id=one.customer_id,
        segment=one.segment_id,
        owner=one.owner,
        kind=one.kind,
        limit=None if one.limit is None else MoneyOut.of(one.limit),
        unlimited=one.unlimited,
        valid_to=one.valid_to,
    )


def _reviewed(one: Review) -> Answer:
    return answer_of(_review(one), 201)


@router.get(
    "/limits/reviews",
    operation_id="listLimitReviews",
    summary="Whose limit is to be reviewed?",
    responses=refusals(404),
)
def list_reviews(
    query: Annotated[ReviewsQuery, Query()],
    caller: Annotated[Caller, Depends(needs("customer:read"))],
    request: Request,
) -> ReviewsOut:
    """Answer the work list, the longest due first."""
    found = desk_of(request).parties.limits.list_reviews(caller, query.ask(_eve(query.due_before)))
    page = found[: query.limit]
    more = len(found) > len(page)
    cursor = _cursor(page[-1].due_on, page[-1].key) if more else None
    return ReviewsOut(items=[_review(one) for one in page], next_cursor=cursor)


@router.get(
    "/limits/expiring",
    operation_id="listExpiringLimits",
    summary="Which limits and covers end soon?",
    responses=refusals(404),
)
def list_expiring(
    query: Annotated[EndingQuery, Query()],
    caller: Annotated[Caller, Depends(needs("customer:read"))],
    request: Request,
) -> EndingsOut:
    """Answer those without an approved successor, the next to end first."""
    found = desk_of(request).parties.limits.list_ending(caller, query.ask(_eve(query.ends_before)))
    page = found[: query.limit]
    more = len(found) > len(page)
    cursor = _cursor(page[-1].valid_to, page[-1].limit_id) if more else None
    return EndingsOut(items=[_ending(one) for one in page], next_cursor=cursor)


@router.post(
    "/customers/{customer_id}/limits/reviews",
    operation_id="recordLimitReview",
    summary="Keep that the limit was reviewed and left as it is",
    status_code=201,
    response_model=ReviewOut,
    responses=refusals(404, 409),
    openapi_extra=proposed_by("limit:propose"),
)
def record_review(
    customer_id: Id,
    body: ReviewIn,
    caller: Annotated[Caller, Depends(proposer)],
    request: Request,
) -> Response:
    """Answer when the next review is due; a new limit counts as a review by itself."""
    question = Keyed(caller, read_key(request), fingerprint_of(request, body))
    record = desk_of(request).parties.limits.record_review
    return send(record(question, (customer_id, body.segment), body.note, _reviewed))
