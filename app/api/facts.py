"""Facts that wait in quarantine, over HTTP: listed, tried again, or laid aside by hand."""

from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Depends, Query, Response
from pydantic import ConfigDict, Field

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.facts_models import INVOICE
from app.api.facts_results import PROBLEM, EventProblemOut, EventResultOut, told_of, told_problem
from app.api.strict import StrictRoute
from app.api.wire import PRINTABLE, AnswerModel, Id, Page, WireModel, encode_cursor
from app.domain.callers import Caller
from app.domain.facts import ProblemCode
from app.store.facts_quarantine import Quarantined, QuarantineFilter

router = APIRouter(prefix="/v1/ledger-events", tags=["facts"], route_class=StrictRoute)

_WAITING: Final[dict[str, Any]] = {
    "quarantine_id": "17",
    "source": "erp-1",
    "event_id": "5f0c7d",
    "type": "invoice",
    "customer_id": "C-1001",
    "segment": "main",
    "problem": PROBLEM,
    "received_at": "2026-12-01T00:00:03Z",
    "event": INVOICE,
}
_CLOSING: Final[dict[str, Any]] = {"reason": "sent twice by mistake, corrected under 5f0c7e"}


class QuarantinedOut(AnswerModel):
    """An event that waits; it is applied by itself once its cause is there."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WAITING]})

    quarantine_id: str
    source: str
    event_id: str
    type: str
    customer_id: str
    segment: str
    problem: EventProblemOut
    received_at: str
    event: dict[str, Any]


class QuarantineOut(AnswerModel):
    """A page of what waits, oldest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_WAITING], "next_cursor": None}]}
    )

    items: list[QuarantinedOut]
    next_cursor: str | None


class QuarantineQuery(Page):
    """Which of what waits; `customer_id` as it was sent, or any id of the customer."""

    customer_id: Id | None = None
    segment: Id | None = None
    source: Id | None = None
    code: ProblemCode | None = None

    def to_filter(self) -> QuarantineFilter:
        """Name what is asked for."""
        after = self.after(int)
        return QuarantineFilter(
            most=self.limit,
            after=after[0] if after else 0,
            segment_id=self.segment,
            customer=self.customer_id,
            source=self.source,
            code=self.code,
        )


@router.get(
    "/quarantine",
    operation_id="listQuarantine",
    summary="Facts that wait",
    response_model=QuarantineOut,
    responses=refusals(404),
)
def list_quarantine(
    caller: Annotated[Caller, Depends(needs("ledger:read"))],
    query: Annotated[QuarantineQuery, Query()],
    desk: DeskDep,
) -> Response:
    """List what waits, oldest first; a page ends before its `limit` where facts are large."""
    shown, more = desk.facts.list_quarantine(caller, query.to_filter())
    told = {
        "items": [_waiting(one) for one in shown],
        "next_cursor": encode_cursor([shown[-1].quarantine_id]) if more else None,
    }
    return Response(orjson.dumps(told, option=orjson.OPT_UTC_Z), media_type="application/json")


class ClosingIn(WireModel):
    """Why a fact is laid aside."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CLOSING]})

    reason: str = Field(min_length=1, max_length=500, pattern=PRINTABLE)


class ClosedOut(AnswerModel):
    """A fact that was laid aside; it stays as evidence."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"quarantine_id": "17", "status": "CLOSED"}]}
    )

    quarantine_id: str
    status: Literal["CLOSED"]


@router.post(
    "/quarantine/{quarantine_id}/retry",
    operation_id="retryQuarantined",
    summary="Try a fact that waits again",
    response_model=EventResultOut,
    responses=refusals(404, 409),
)
def retry_quarantined(
    quarantine_id: Id,
    caller: Annotated[Caller, Depends(needs("ledger:write"))],
    desk: DeskDep,
) -> Response:
    """Apply it whatever it waits for; where it still cannot be, it stays `quarantined`."""
    told = told_of(desk.facts.apply.retry(caller, quarantine_id))
    return Response(orjson.dumps(told), media_type="application/json")


@router.post(
    "/quarantine/{quarantine_id}/close",
    operation_id="closeQuarantined",
    summary="Lay a fact that waits aside",
    responses=refusals(404, 409),
)
def close_quarantined(
    quarantine_id: Id,
    body: ClosingIn,
    caller: Annotated[Caller, Depends(needs("ledger:write"))],
    desk: DeskDep,
) -> ClosedOut:
    """Close it by hand: its account waits for one fact less, and a repeat is a duplicate."""
    desk.facts.close_quarantined(caller, quarantine_id, body.reason)
    return ClosedOut(quarantine_id=quarantine_id, status="CLOSED")


def _waiting(one: Quarantined) -> dict[str, Any]:
    return {
        "quarantine_id": str(one.quarantine_id),
        "source": one.source,
        "event_id": one.event_id,
        "type": one.kind,
        "customer_id": one.customer_ref,
        "segment": one.segment_id,
        "problem": told_problem(one.problem),
        "received_at": one.received_at,
        "event": one.payload,
    }
