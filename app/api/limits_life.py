"""What limits and covers share on the wire: how they come to be, are decided on and end."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final, Literal

from fastapi import Request
from pydantic import Field

from app.api.auth import authenticate, secured
from app.api.idempotency import answer_of, keyed
from app.api.wire import AnswerModel, Id, Page, encode_cursor
from app.domain.callers import Caller
from app.domain.errors import ForbiddenError
from app.usecases.asks import Answer
from app.usecases.limits import LimitView

LIFE: Final[dict[str, Any]] = {
    "status": "APPROVED",
    "proposed_by": "crm",
    "proposed_actor": "li.na",
    "created_at": "2026-12-01T02:03:04Z",
    "decided_by": "crm",
    "decided_actor": "li.na",
    "decided_at": "2026-12-01T02:03:04Z",
    "end_proposed_by": None,
    "end_proposed_actor": None,
    "end_proposed_at": None,
    "ended_by": None,
    "ended_actor": None,
    "ended_at": None,
}
"""The example of a decided one's `LifeOut`."""

Action = Literal["approve", "reject", "end"]


class LifeOut(AnswerModel):
    """Whose a limit or cover is, when it holds, and who decided what.

    `…_by` are clients, `…_actor` the people that they assert. An APPROVED one with
    `end_proposed_by` holds until another client ends it, or rejects the end.
    """

    customer_id: str
    segment: str
    valid_from: date
    valid_to: date | None
    status: Literal["PROPOSED", "APPROVED", "REJECTED", "ENDED"]
    reason: str | None
    proposed_by: str
    proposed_actor: str | None
    created_at: datetime
    decided_by: str | None
    decided_actor: str | None
    decided_at: datetime | None
    end_proposed_by: str | None
    end_proposed_actor: str | None
    end_proposed_at: datetime | None
    ended_by: str | None
    ended_actor: str | None
    ended_at: datetime | None


class ListedOut(AnswerModel):
    """What a list says besides."""

    in_force: bool = Field(
        description="It is part of the account's `effective_limit` on its segment's business date"
    )


def life_of(view: LimitView) -> dict[str, Any]:
    """Give the fields of `LifeOut`."""
    held = view.record
    named = LifeOut.model_fields.keys() - {"customer_id", "segment"}
    told = {name: getattr(held, name) for name in named}
    return {"customer_id": view.customer_id, "segment": view.segment_id, **told}


def answers(out: Callable[[LimitView], AnswerModel]) -> tuple[Callable[[LimitView], Answer], ...]:
    """Make what writes the answer to a proposal (201, or 202 where it waits), and to a decision.

    An end that waits for another client is a proposal too.
    """

    def proposed(view: LimitView) -> Answer:
        return answer_of(out(view), 201 if view.record.status == "APPROVED" else 202)

    def decided(view: LimitView) -> Answer:
        held = view.record
        waits = held.status == "APPROVED" and held.end_proposed_by is not None
        return answer_of(out(view), 202 if waits else 200)

    return proposed, decided


class LimitsQuery(Page):
    """Of which segment; absent: of all within sight."""

    segment: Id | None = None


async def proposer(request: Request) -> Caller:
    """Bring a caller who may propose, or approve, which is more."""
    try:
        return await authenticate(request, "limit:propose")
    except ForbiddenError:
        return await authenticate(request, "limit:approve")


def proposed_by(scope: str) -> dict[str, Any]:
    """Declare token and key for `openapi_extra=` of a handler whose caller is a `proposer`."""
    token = secured(scope)
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
