"""Many order holds in one request: judged again, or released by a person."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from app.api.auth import needs, secured
from app.api.conventions import refusals
from app.api.hold_models import HoldWithHistoryOut, Note
from app.api.holds import answer
from app.api.idempotency import answer_of, send
from app.api.keyed import Asked, asked_by, needs_either
from app.api.middleware import trace_of
from app.api.problems import Problem, render, wants_zh
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel, Id, Instant, WireModel
from app.domain.errors import CreditError, FieldError, NotFoundError
from app.domain.holds import HoldFilter
from app.domain.ids import need_id
from app.usecases.asks import Answer
from app.usecases.holds_bulk import Form, Reevaluated
from app.usecases.holds_judge import Result
from app.usecases.releases import Releasing

router = APIRouter(prefix="/v1/order-holds", tags=["holds"], route_class=StrictRoute)

MOST_RELEASED: Final = 100
MOST_JUDGED: Final = 500
"""Most holds in one request, inclusive."""

_ID: Final = "019332b4-6c00-7000-8000-000000000003"
_RELEASER: Final = needs_either("hold:release", "hold:release_forced")


class ReevaluateIn(WireModel):
    """Which open automatic holds are judged again, the oldest first; all absent: every one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"segment": "main", "limit": 100}]})

    order_hold_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_JUDGED)] | None = None
    segment: Id | None = None
    customer_id: Id | None = None
    owner: Id | None = None
    reason: Id | None = None
    limit: int = Field(100, ge=1, le=MOST_JUDGED)

    def to_filter(self) -> HoldFilter:
        """Ask for one more than is judged, to see whether there is more."""
        return HoldFilter(
            most=self.limit + 1,
            sort="opened_at",
            status="OPEN",
            kind="AUTOMATIC",
            segment=self.segment,
            customer_id=self.customer_id,
            owner=self.owner,
            reason=self.reason,
            hold_ids=None if self.order_hold_ids is None else _uuids(self.order_hold_ids),
        )


class JudgedOut(AnswerModel):
    """What came of one hold; `codes` are what holds it now.

    RELEASED; HELD still; KEPT: the policy (`auto_release` false) or the segment's mode leaves it to
    a person; REJECTED or REFUSED by what happened since; BUSY: try again; FAILED: a bug, told in
    the log.
    """

    order_hold_id: str
    order_id: str | None
    result: Result
    codes: list[str]
    decision_id: str | None


_JUDGED: Final[dict[str, Any]] = {
    "order_hold_id": _ID,
    "order_id": "SO-778",
    "result": "RELEASED",
    "codes": [],
    "decision_id": "019332b4-6c00-7000-8000-000000000001",
}


class ReevaluatedOut(AnswerModel):
    """How many were released, each judged hold, and whether more fit the filter."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"released": 1, "results": [_JUDGED], "more": False}]}
    )

    released: int
    results: list[JudgedOut]
    more: bool


class ReleaseManyIn(WireModel):
    """Holds that one person releases, each up to its own amount."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"order_hold_ids": [_ID], "reason_code": "VERIFIED_BY_PHONE"}]
        }
    )

    order_hold_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_RELEASED)]
    reason_code: Id
    note: Note | None = None
    valid_until: Instant | None = None


class ReleaseResultOut(AnswerModel):
    """One hold's answer: `status` as if it had been released alone, and the hold or a problem."""

    order_hold_id: str
    status: int
    hold: HoldWithHistoryOut | None = None
    problem: Problem | None = None


class ReleasedOut(AnswerModel):
    """Results in the order of the ids."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"results": [{"order_hold_id": _ID, "status": 200}]}]}
    )

    results: list[ReleaseResultOut]


def ids_of(named: Sequence[str]) -> list[str]:
    """Insist that no id stands twice.

    Raises:
        FieldError: One does.

    """
    for place, one in enumerate(named):
        if one in named[:place]:
            raise FieldError("stands in the list already", f"order_hold_ids[{place}]")
    return list(named)


def _uuids(named: Sequence[str]) -> list[str]:
    """Insist on ids that a hold can have, each once.

    Raises:
        FieldError: One is none; names it.

    """
    for place, one in enumerate(ids_of(named)):
        try:
            need_id(one, "order hold")
        except NotFoundError as unknown:
            raise FieldError("is no id of an order hold", f"order_hold_ids[{place}]") from unknown
    return list(named)


def _reevaluated(told: Reevaluated) -> Answer:
    results = [
        JudgedOut(
            order_hold_id=hold.hold_id,
            order_id=hold.order_id,
            result=verdict.result,
            codes=list(verdict.codes),
            decision_id=verdict.decision_id,
        )
        for hold, verdict in told.verdicts
    ]
    released = sum(one.result == "RELEASED" for one in results)
    return answer_of(ReevaluatedOut(released=released, results=results, more=told.more))


@router.post(
    "/re-evaluate",
    operation_id="reevaluateOrderHolds",
    summary="Judge open automatic holds again, the oldest first",
    response_model=ReevaluatedOut,
    responses=refusals(404),
)
async def reevaluate_order_holds(
    asked: Annotated[Asked, Depends(asked_by(needs("hold:release")))], body: ReevaluateIn
) -> Response:
    """Release what nothing stands against any more; forced holds and stops are left alone."""
    again = asked.desk.orders.reevaluate_holds
    return send(await again.in_turn(asked.keyed(body), body.to_filter(), _reevaluated))


@router.post(
    "/release",
    operation_id="releaseOrderHolds",
    summary="Release up to 100 holds, each with its own result",
    response_model=ReleasedOut,
    responses=refusals(),
    openapi_extra=secured("hold:release"),
)
async def release_order_holds(
    asked: Annotated[Asked, Depends(asked_by(_RELEASER))], body: ReleaseManyIn
) -> Response:
    """Release as one by one; what one is refused for stops no other."""
    hold_ids = ids_of(body.order_hold_ids)
    releasing = Releasing(body.reason_code, body.note, None, body.valid_until)
    release = asked.desk.orders.release_holds
    return send(await release(asked.keyed(body), hold_ids, releasing, _form(asked.request)))


def _form(request: Request) -> Form:
    """Say how results are written for who asks; holds go as they are stored, byte for byte."""
    request_id, zh = trace_of(request.scope).request_id, wants_zh(request)

    def write(hold_ids: Sequence[str], results: Sequence[Answer | CreditError]) -> Answer:
        parts = []
        for hold_id, one in zip(hold_ids, results, strict=True):
            told: dict[str, Any] = {"order_hold_id": hold_id}
            if isinstance(one, Answer):
                told |= {"status": one.status, "hold": orjson.Fragment(one.body)}
            else:
                problem = render(one, request_id, zh=zh)
                told |= {"status": problem["status"], "problem": problem}
            parts.append(told)
        return Answer(200, orjson.dumps({"results": parts}))

    return Form(answer, write)
