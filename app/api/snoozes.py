"""Rule snoozes: for one customer a rule only warns, for a reason and a time."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response
from pydantic import ConfigDict, Field

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.idempotency import answer_of, send
from app.api.keyed import Asked, asked
from app.api.strict import StrictRoute
from app.api.wire import PRINTABLE, AnswerModel, Id, Instant, QueryModel, WireModel
from app.domain.callers import Caller
from app.domain.segments import MAIN
from app.domain.snoozes import Snooze
from app.usecases.asks import Answer
from app.usecases.snoozes import SnoozeAsk

router = APIRouter(prefix="/v1/customers", tags=["rules"], route_class=StrictRoute)

_ASKED: Final[dict[str, Any]] = {
    "rule_id": "overdue-days",
    "segment": "main",
    "reason": "the bank confirmed the transfer by telephone",
    "expires_at": "2026-12-08T16:00:00Z",
}
_SAID: Final[dict[str, Any]] = {
    "snooze_id": "0c6a1f0e-6a6f-4d8e-9f3c-0a5a3a0f6b11",
    "customer_id": "C-1001",
    **_ASKED,
    "client": "desk",
    "actor": "li.na",
    "created_at": "2026-12-01T02:03:04Z",
    "ended_by": None,
    "ended_at": None,
}


class SnoozeIn(WireModel):
    """Which rule, why, and until when (exclusive, within 90 days)."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ASKED]})

    rule_id: Id
    segment: Id = MAIN
    reason: str = Field(min_length=1, max_length=500, pattern=PRINTABLE)
    expires_at: Instant

    def to_ask(self, customer_ref: str) -> SnoozeAsk:
        """Make what the use case takes."""
        return SnoozeAsk(customer_ref, self.segment, self.rule_id, self.reason, self.expires_at)


class SnoozeOut(AnswerModel):
    """A snooze as kept; `ended_by` null: it lasts until `expires_at`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SAID]})

    snooze_id: str
    customer_id: str
    segment: str
    rule_id: str
    reason: str
    client: str
    actor: str | None
    created_at: datetime
    expires_at: datetime
    ended_by: str | None
    ended_at: datetime | None


class SnoozesOut(AnswerModel):
    """All snoozes of an account, the newest first.

    Those said of records that were merged into the customer are among them, with that record's id:
    they count no more.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_SAID]}]})

    items: list[SnoozeOut]


class SnoozeQuery(QueryModel):
    """In which segment."""

    segment: Id = MAIN


def _out(one: Snooze) -> SnoozeOut:
    return SnoozeOut(
        snooze_id=one.snooze_id,
        customer_id=one.customer_id,
        segment=one.segment_id,
        rule_id=one.rule_id,
        reason=one.reason,
        client=one.client,
        actor=one.actor,
        created_at=one.created_at,
        expires_at=one.expires_at,
        ended_by=one.ended_by,
        ended_at=one.ended_at,
    )


def _made(one: Snooze) -> Answer:
    return answer_of(_out(one), 201)


@router.post(
    "/{customer_id}/rule-snoozes",
    operation_id="snoozeRule",
    summary="Let a rule only warn for a customer",
    status_code=201,
    response_model=SnoozeOut,
    responses=refusals(404),
)
def snooze_rule(
    asked: Annotated[Asked, Depends(asked("rule:approve"))], customer_id: Id, body: SnoozeIn
) -> Response:
    """Answer 201; limits, stops, forced holds and missing rates cannot be snoozed."""
    snooze = asked.desk.snoozes.snooze
    return send(snooze(asked.keyed(body), body.to_ask(customer_id), _made))


@router.get(
    "/{customer_id}/rule-snoozes",
    operation_id="listRuleSnoozes",
    summary="Rules that only warn, or did",
    responses=refusals(404),
)
def list_snoozes(
    caller: Annotated[Caller, Depends(needs("rule:read"))],
    customer_id: Id,
    query: Annotated[SnoozeQuery, Query()],
    desk: DeskDep,
) -> SnoozesOut:
    """List who snoozed which rule, why and until when."""
    found = desk.snoozes.of_customer(caller, customer_id, query.segment)
    return SnoozesOut(items=[_out(one) for one in found])


@router.post(
    "/{customer_id}/rule-snoozes/{snooze_id}/end",
    operation_id="endRuleSnooze",
    summary="Let a rule hold again",
    responses=refusals(404),
)
def end_snooze(
    caller: Annotated[Caller, Depends(needs("rule:approve"))],
    customer_id: Id,
    snooze_id: Id,
    desk: DeskDep,
) -> SnoozeOut:
    """Answer the snooze as it is then; a second time changes nothing."""
    return _out(desk.snoozes.end(caller, customer_id, snooze_id))
