"""Order holds: the work list, placing, and what people decide."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response

from app.api.auth import needs, secured
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.hold_models import (
    CommentIn,
    EndIn,
    HoldListOut,
    HoldOut,
    HoldWithHistoryOut,
    PlaceIn,
    ReleaseIn,
    hold_fields,
    with_history,
)
from app.api.hold_queries import HoldQuery, cursor_after
from app.api.idempotency import answer_of, send
from app.api.keyed import Asked, asked, asked_by, needs_either
from app.api.strict import StrictRoute
from app.api.wire import Id
from app.domain.callers import Caller
from app.usecases.asks import Answer
from app.usecases.holds import HoldView

router = APIRouter(prefix="/v1/order-holds", tags=["holds"], route_class=StrictRoute)


def answer(view: HoldView) -> Answer:
    """Write a hold as it is stored and sent."""
    status = 202 if view.proposed else 201 if view.created else 200
    return answer_of(with_history(view), status)


@router.get(
    "",
    operation_id="listOrderHolds",
    summary="The work list; a released hold carries its authorization",
    responses=refusals(404),
)
def list_order_holds(
    caller: Annotated[Caller, Depends(needs("hold:read"))],
    query: Annotated[HoldQuery, Query()],
    desk: DeskDep,
) -> HoldListOut:
    """List holds; one that changes while somebody pages comes again at the end."""
    found = desk.orders.list_holds(caller, query.to_filter())
    shown, more = found[: query.limit], len(found) > query.limit
    return HoldListOut(
        items=[HoldOut(**hold_fields(hold)) for hold in shown],
        next_cursor=cursor_after(shown[-1], query.sort) if more else None,
    )


@router.get(
    "/{order_hold_id}",
    operation_id="getOrderHold",
    summary="One hold with its history",
    responses=refusals(404),
)
def get_order_hold(
    caller: Annotated[Caller, Depends(needs("hold:read"))], order_hold_id: Id, desk: DeskDep
) -> HoldWithHistoryOut:
    """Read a hold."""
    return with_history(desk.orders.read_hold(caller, order_hold_id))


@router.post(
    "",
    operation_id="placeOrderHold",
    summary="Hold an order, or stop a customer",
    status_code=201,
    response_model=HoldWithHistoryOut,
    responses={
        200: {"model": HoldWithHistoryOut, "description": "It was open already"},
        **refusals(404),
    },
)
def place_order_hold(
    asked: Annotated[Asked, Depends(asked("hold:write"))], body: PlaceIn
) -> Response:
    """Place a forced hold or a stop; an automatic hold of the order becomes the forced one."""
    place = asked.desk.orders.place_hold
    return send(place(asked.keyed(body), body.to_placing(), answer))


_RELEASER: Final = needs_either("hold:release", "hold:release_forced")
_WRITER: Final = needs_either("hold:write", "hold:release")
PROPOSED: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": HoldWithHistoryOut, "description": "It waits for a second person"}
}


@router.post(
    "/{order_hold_id}/release",
    operation_id="releaseOrderHold",
    summary="Let the order pass, above the limit if need be; or lift a stop",
    response_model=HoldWithHistoryOut,
    responses=refusals(404, 409) | PROPOSED,
    openapi_extra=secured("hold:release"),
)
async def release_order_hold(
    asked: Annotated[Asked, Depends(asked_by(_RELEASER))], order_hold_id: Id, body: ReleaseIn
) -> Response:
    """Authorize the order and close the hold in one transaction, or propose it (202)."""
    release = asked.desk.orders.release_hold
    return send(await release(asked.keyed(body), order_hold_id, body.to_releasing(), answer))


@router.post(
    "/{order_hold_id}/reject",
    operation_id="rejectOrderHold",
    summary="Refuse the order for good",
    response_model=HoldWithHistoryOut,
    responses=refusals(404, 409),
)
def reject_order_hold(
    asked: Annotated[Asked, Depends(asked("hold:release"))], order_hold_id: Id, body: EndIn
) -> Response:
    """Free the order's reservation; from then on it answers ORDER_REJECTED."""
    end = asked.desk.orders.end_hold
    return send(end(asked.keyed(body), order_hold_id, body.to_ending("REJECTED"), answer))


@router.post(
    "/{order_hold_id}/cancel",
    operation_id="cancelOrderHold",
    summary="The order is gone",
    response_model=HoldWithHistoryOut,
    responses=refusals(404, 409),
)
def cancel_order_hold(
    asked: Annotated[Asked, Depends(asked("hold:write"))], order_hold_id: Id, body: EndIn
) -> Response:
    """Free the order's reservation; a forced hold needs `hold:release_forced` as well."""
    end = asked.desk.orders.end_hold
    return send(end(asked.keyed(body), order_hold_id, body.to_ending("CANCELLED"), answer))


@router.post(
    "/{order_hold_id}/approve",
    operation_id="approveRelease",
    summary="Approve a release that another proposed",
    response_model=HoldWithHistoryOut,
    responses=refusals(404, 409),
    openapi_extra=secured("hold:release"),
)
async def approve_release(
    asked: Annotated[Asked, Depends(asked_by(_RELEASER))], order_hold_id: Id, body: EndIn
) -> Response:
    """Authorize the order as proposed; who proposed it may not."""
    approve = asked.desk.orders.approve_release
    return send(await approve(asked.keyed(body), order_hold_id, body.note, answer))


@router.post(
    "/{order_hold_id}/decline",
    operation_id="declineRelease",
    summary="Decline a release that was proposed",
    response_model=HoldWithHistoryOut,
    responses=refusals(404, 409),
    openapi_extra=secured("hold:release"),
)
def decline_release(
    asked: Annotated[Asked, Depends(asked_by(_RELEASER))], order_hold_id: Id, body: EndIn
) -> Response:
    """Leave the hold open; who proposed the release may take it back so."""
    decline = asked.desk.orders.decline_release
    return send(decline(asked.keyed(body), order_hold_id, (body.reason_code, body.note), answer))


@router.post(
    "/{order_hold_id}/comments",
    operation_id="commentOrderHold",
    summary="Write a note into the hold's history",
    status_code=201,
    response_model=HoldWithHistoryOut,
    responses=refusals(404),
    openapi_extra=secured("hold:write"),
)
def comment_order_hold(
    asked: Annotated[Asked, Depends(asked_by(_WRITER))], order_hold_id: Id, body: CommentIn
) -> Response:
    """Add a note; a hold that was decided keeps all else as it is."""
    comment = asked.desk.orders.comment_hold
    return send(comment(asked.keyed(body), order_hold_id, body.note, answer))
