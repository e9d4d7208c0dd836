"""Authorizations to read and to give back."""

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response
from pydantic import ConfigDict

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.idempotency import answer_of, send
from app.api.keyed import Asked, asked
from app.api.pages import id_after
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel, Id, Instant, MoneyOut, Page, WireModel, encode_cursor
from app.domain.authorizations import Authorization, Status
from app.domain.callers import Caller
from app.domain.segments import MAIN
from app.store.authorizations import AuthorizationFilter
from app.usecases.asks import Answer
from app.usecases.reservations import OrderRef

router = APIRouter(prefix="/v1/authorizations", tags=["authorizations"], route_class=StrictRoute)

_AUTHORIZATION: Final[dict[str, Any]] = {
    "authorization_id": "019332b4-6c00-7000-8000-000000000002",
    "customer_id": "C-1001",
    "segment": "main",
    "order_id": "SO-778",
    "status": "OPEN",
    "amount": {"amount": "12500.00", "currency": "CNY"},
    "remaining": {"amount": "4500.00", "currency": "CNY"},
    "expires_at": "2026-12-04T03:00:00Z",
    "authorized_at": "2026-12-01T03:00:00Z",
    "counts_from": None,
}


class AuthorizationOut(AnswerModel):
    """A reservation: `amount` is the order's whole value, `remaining` what is left of it.

    OPEN: something is left; CONSUMED: facts carry it all; RELEASED; EXPIRED. `expires_at` null:
    until released. `counts_from`: what is left takes nothing of the limit before that business
    date; null: it counts.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_AUTHORIZATION]})

    authorization_id: str
    customer_id: str
    segment: str
    order_id: str
    status: Status
    amount: MoneyOut
    remaining: MoneyOut
    expires_at: Instant | None
    authorized_at: Instant | None
    counts_from: date | None


class AuthorizationListOut(AnswerModel):
    """A page of authorizations, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_AUTHORIZATION], "next_cursor": None}]}
    )

    items: list[AuthorizationOut]
    next_cursor: str | None


class AuthorizationQuery(Page):
    """Which authorizations; absent filters: any."""

    customer_id: Id | None = None
    segment: Id | None = None
    order_id: Id | None = None
    status: Status | None = None

    def to_filter(self) -> AuthorizationFilter:
        """Ask for one more than is shown, to see whether there is more."""
        return AuthorizationFilter(
            most=self.limit + 1,
            before=id_after(self),
            customer_id=self.customer_id,
            segment=self.segment,
            order_id=self.order_id,
            status=self.status,
        )


class ReleaseOrderIn(WireModel):
    """Which order gives its reservation back."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"customer_id": "C-1001", "segment": "main", "order_id": "SO-778"}]
        }
    )

    customer_id: Id
    segment: Id = MAIN
    order_id: Id


def _out(held: Authorization) -> AuthorizationOut:
    return AuthorizationOut(
        authorization_id=held.authorization_id,
        customer_id=held.customer_id,
        segment=held.segment_id,
        order_id=held.order_id,
        status=held.status,
        amount=MoneyOut.of(held.amount),
        remaining=MoneyOut.of(held.remaining),
        expires_at=held.expires_at,
        authorized_at=held.authorized_at,
        counts_from=held.counts_from,
    )


def _answer(held: Authorization) -> Answer:
    return answer_of(_out(held))


@router.get(
    "",
    operation_id="listAuthorizations",
    summary="Authorizations, newest first",
    responses=refusals(404),
)
def list_authorizations(
    caller: Annotated[Caller, Depends(needs("authorization:read"))],
    query: Annotated[AuthorizationQuery, Query()],
    desk: DeskDep,
) -> AuthorizationListOut:
    """List what orders have reserved, and what ended."""
    found = desk.orders.list_authorizations(caller, query.to_filter())
    shown = found[: query.limit]
    more = len(found) > query.limit
    return AuthorizationListOut(
        items=[_out(held) for held in shown],
        next_cursor=encode_cursor([shown[-1].authorization_id]) if more else None,
    )


@router.get(
    "/{authorization_id}",
    operation_id="getAuthorization",
    summary="One authorization",
    responses=refusals(404),
)
def get_authorization(
    caller: Annotated[Caller, Depends(needs("authorization:read"))],
    authorization_id: Id,
    desk: DeskDep,
) -> AuthorizationOut:
    """Read an authorization as it stands; past ones too."""
    return _out(desk.orders.read_authorization(caller, authorization_id))


@router.post(
    "/release",
    operation_id="releaseOrder",
    summary="Give back what an order has reserved",
    response_model=AuthorizationOut,
    responses=refusals(404),
)
def release_order(
    asked: Annotated[Asked, Depends(asked("authorization:write"))], body: ReleaseOrderIn
) -> Response:
    """Release by order; a second time changes nothing."""
    ref = OrderRef(body.customer_id, body.segment, body.order_id)
    release = asked.desk.orders.release_authorization
    return send(release.by_order(asked.keyed(body), ref, _answer))


@router.post(
    "/{authorization_id}/release",
    operation_id="releaseAuthorization",
    summary="Give back what is left of an authorization",
    response_model=AuthorizationOut,
    responses=refusals(404),
)
def release_authorization(
    asked: Annotated[Asked, Depends(asked("authorization:write"))], authorization_id: Id
) -> Response:
    """Release by id; a second time changes nothing."""
    release = asked.desk.orders.release_authorization
    return send(release(asked.keyed(), authorization_id, _answer))
