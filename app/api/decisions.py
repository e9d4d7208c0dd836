"""Stored decisions: what was answered, on what it rested, and whether it would be today."""

from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Depends, Query, Response
from pydantic import ConfigDict, Field

from app.api.auth import needs, secured
from app.api.authorizations import DecisionOut
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.keyed import needs_either
from app.api.pages import id_after
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel, Id, Instant, Page, encode_cursor
from app.domain.callers import Caller
from app.domain.decision_diff import Part
from app.store.decisions import DecisionFilter

router = APIRouter(prefix="/v1/decisions", tags=["authorizations"], route_class=StrictRoute)

_DECISION: Final[dict[str, Any]] = DecisionOut.model_json_schema()["examples"][0]
_SNAPSHOT: Final[dict[str, Any]] = {
    "kind": "AUTHORIZATION",
    "client": "erp",
    "actor": "E-17",
    "rule_set_version": 1,
    "question": {"customer_id": "C-1001", "order_id": "SO-778", "amount": [1250000, "CNY"]},
    "situation": {"at": "2026-12-01T03:00:00+00:00", "mode": "ENFORCE"},
    "inputs": {"version": 12, "active": True},
}


class DecisionWithSnapshotOut(DecisionOut):
    """A decision; with `audit:read` also what it rested on, amounts in minor units."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_DECISION, "snapshot": _SNAPSHOT}]}
    )

    snapshot: dict[str, Any] = Field(default_factory=dict)


class DecisionListOut(AnswerModel):
    """A page of decisions, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_DECISION], "next_cursor": None}]}
    )

    items: list[DecisionOut]
    next_cursor: str | None


class DifferenceOut(AnswerModel):
    """A field that is judged otherwise today."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"field": "outcome", "stored": "APPROVE", "replayed": "HOLD"}]
        }
    )

    field: str
    stored: Any
    replayed: Any


class ReplayOut(AnswerModel):
    """Whether the stored inputs are judged the same today."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"same": True}]})

    same: bool
    differences: list[DifferenceOut] = Field(default_factory=list)


class ChangeOut(AnswerModel):
    """What is another; null where it is not there. Figures of accounts are minor units."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"part": "ACCOUNT", "field": "C-1001.open_item", "a": 0, "b": 9000000}]
        }
    )

    part: Part
    field: str
    a: Any
    b: Any


class DiffOut(AnswerModel):
    """Two decisions side by side; what was answered comes first, then why it may have been."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "same": False,
                    "changes": [
                        {"part": "ANSWER", "field": "outcome", "a": "APPROVE", "b": "HOLD"},
                        {"part": "RULE", "field": "version", "a": 7, "b": 8},
                    ],
                }
            ]
        }
    )

    same: bool
    changes: list[ChangeOut]


class DecisionQuery(Page):
    """Which decisions; `since` is inclusive."""

    customer_id: Id | None = None
    order_id: Id | None = None
    outcome: Literal["APPROVE", "HOLD", "REJECT"] | None = None
    since: Instant | None = None

    def to_filter(self) -> DecisionFilter:
        """Ask for one more than is shown, to see whether there is more."""
        return DecisionFilter(
            most=self.limit + 1,
            before=id_after(self),
            customer_id=self.customer_id,
            order_id=self.order_id,
            outcome=self.outcome,
            since=self.since,
        )


@router.get(
    "",
    operation_id="listDecisions",
    summary="Decisions, newest first",
    response_model=DecisionListOut,
    responses=refusals(404),
)
def list_decisions(
    caller: Annotated[Caller, Depends(needs("authorization:read"))],
    query: Annotated[DecisionQuery, Query()],
    desk: DeskDep,
) -> Response:
    """List answers as they were sent; limit checks are among them."""
    found = desk.orders.list_decisions(caller, query.to_filter())
    shown = found[: query.limit]
    more = len(found) > query.limit
    told = {
        "items": [orjson.Fragment(answer) for _, answer in shown],
        "next_cursor": encode_cursor([shown[-1][0]]) if more else None,
    }
    return Response(orjson.dumps(told), media_type="application/json")


@router.get(
    "/{decision_id}",
    operation_id="getDecision",
    summary="One decision",
    response_model=DecisionWithSnapshotOut,
    responses=refusals(404),
    openapi_extra=secured("authorization:read"),
)
def get_decision(
    caller: Annotated[Caller, Depends(needs_either("authorization:read", "audit:read"))],
    decision_id: Id,
    desk: DeskDep,
) -> Response:
    """Answer a decision as it was sent; with `audit:read` also what it rested on."""
    told = desk.orders.read_decision(caller, decision_id)
    return Response(told, media_type="application/json")


@router.post(
    "/{decision_id}/replay",
    operation_id="replayDecision",
    summary="Judge a decision's stored inputs again",
    responses=refusals(404),
    response_model_exclude_defaults=True,
)
def replay_decision(
    caller: Annotated[Caller, Depends(needs("audit:read"))], decision_id: Id, desk: DeskDep
) -> ReplayOut:
    """Compare all but ids and advice; nothing is stored."""
    found = desk.orders.replay_decision(caller, decision_id)
    differences = [
        DifferenceOut(field=one.field, stored=one.stored, replayed=one.replayed) for one in found
    ]
    return ReplayOut(same=not found, differences=differences)


@router.get(
    "/{decision_id}/diff/{other_id}",
    operation_id="diffDecisions",
    summary="What is another in a second decision",
    responses=refusals(404),
)
def diff_decisions(
    caller: Annotated[Caller, Depends(needs("audit:read"))],
    decision_id: Id,
    other_id: Id,
    desk: DeskDep,
) -> DiffOut:
    """Name every input, rate, rule and model that changed from the first to the second."""
    found = desk.orders.compare_decisions(caller, decision_id, other_id)
    changes = [ChangeOut(part=one.part, field=one.field, a=one.a, b=one.b) for one in found]
    return DiffOut(same=not found, changes=changes)
