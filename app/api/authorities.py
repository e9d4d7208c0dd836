"""Authority over HTTP: who may release what, who stands in, when two persons must agree."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from app.api.auth import needs, secured
from app.api.authority_models import (
    AuthoritiesOut,
    ChangeOut,
    ChangesOut,
    DelegationIn,
    DelegationOut,
    PolicyIn,
    PolicyOut,
    RoleIn,
    RoleOut,
    SubjectIn,
    SubjectOut,
)
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.keyed import needs_either
from app.api.strict import StrictRoute
from app.api.wire import Id, Page, encode_cursor
from app.domain.callers import Caller

router = APIRouter(prefix="/v1/authorities", tags=["holds"], route_class=StrictRoute)

AdminDep = Annotated[Caller, Depends(needs("admin"))]
ReaderDep = Annotated[Caller, Depends(needs("hold:read"))]
LenderDep = Annotated[Caller, Depends(needs_either("hold:release", "admin"))]


@router.get("", operation_id="getAuthorities", summary="Who may release what", responses=refusals())
def get_authorities(caller: ReaderDep, desk: DeskDep) -> AuthoritiesOut:
    """Read everything that counts in segments within sight; a company has few rows."""
    return AuthoritiesOut.of(desk.orders.authorities.read(caller))


@router.get(
    "/changes",
    operation_id="listAuthorityChanges",
    summary="Who changed authority, the last change first",
    responses=refusals(),
)
def list_changes(
    caller: Annotated[Caller, Depends(needs("audit:read"))],
    query: Annotated[Page, Query()],
    desk: DeskDep,
) -> ChangesOut:
    """Read a page of what was put and taken away, for segments within sight."""
    after = query.after(int)
    before = after[0] if after else None
    found = desk.orders.authorities.changes(caller, before, query.limit + 1)
    shown = found[: query.limit]
    more = len(found) > query.limit
    return ChangesOut(
        items=[ChangeOut.of(one) for one in shown],
        next_cursor=encode_cursor([shown[-1].change_id]) if more else None,
    )


@router.put(
    "/roles/{role}",
    operation_id="putRole",
    summary="Put a role with its rows of the matrix",
    responses=refusals(404),
)
def put_role(role: Id, body: RoleIn, caller: AdminDep, desk: DeskDep) -> RoleOut:
    """Replace the role whole; it is in force for the next release."""
    return RoleOut.of(desk.orders.authorities.put_role(caller, body.to_role(role)))


@router.delete(
    "/roles/{role}",
    operation_id="deleteRole",
    summary="Take a role away that nobody has",
    status_code=204,
    responses=refusals(409),
)
def delete_role(role: Id, caller: AdminDep, desk: DeskDep) -> Response:
    """Without any role everybody may release who has the scope."""
    desk.orders.authorities.drop(caller, "ROLE", role)
    return Response(status_code=204)


@router.put(
    "/subjects/{subject}",
    operation_id="putSubject",
    summary="Give a client its role",
    responses=refusals(),
)
def put_subject(subject: Id, body: SubjectIn, caller: AdminDep, desk: DeskDep) -> SubjectOut:
    """`subject` is the name of an API key, or the `client_id` of a token."""
    desk.orders.authorities.put_subject(caller, subject, body.role)
    return SubjectOut(subject=subject, role=body.role)


@router.delete(
    "/subjects/{subject}",
    operation_id="deleteSubject",
    summary="Take a client's role away",
    status_code=204,
    responses=refusals(),
)
def delete_subject(subject: Id, caller: AdminDep, desk: DeskDep) -> Response:
    """Where a matrix is configured, the client then releases nothing."""
    desk.orders.authorities.drop(caller, "SUBJECT", subject)
    return Response(status_code=204)


@router.put(
    "/delegations/{delegation_id}",
    operation_id="putDelegation",
    summary="Lend authority to another for some days",
    responses=refusals(),
    openapi_extra=secured("hold:release"),
)
def put_delegation(
    delegation_id: Id, body: DelegationIn, caller: LenderDep, desk: DeskDep
) -> DelegationOut:
    """Lend one's own authority, or as an administrator anybody's; an earlier end shortens it."""
    lent = body.to_delegation(delegation_id)
    return DelegationOut.of(desk.orders.authorities.put_delegation(caller, lent))


@router.delete(
    "/delegations/{delegation_id}",
    operation_id="deleteDelegation",
    summary="Take lent authority back",
    status_code=204,
    responses=refusals(),
    openapi_extra=secured("hold:release"),
)
def delete_delegation(delegation_id: Id, caller: LenderDep, desk: DeskDep) -> Response:
    """Take it back; what was released meanwhile stays released."""
    desk.orders.authorities.drop(caller, "DELEGATION", delegation_id)
    return Response(status_code=204)


@router.put(
    "/segments/{segment}",
    operation_id="putReleasePolicy",
    summary="Say when two persons must agree, and when holds escalate",
    responses=refusals(404),
)
def put_policy(segment: Id, body: PolicyIn, caller: AdminDep, desk: DeskDep) -> PolicyOut:
    """Replace the segment's policy whole."""
    return PolicyOut.of(desk.orders.authorities.put_policy(caller, body.to_policy(segment)))


@router.delete(
    "/segments/{segment}",
    operation_id="deleteReleasePolicy",
    summary="Ask for nothing in a segment",
    status_code=204,
    responses=refusals(),
)
def delete_policy(segment: Id, caller: AdminDep, desk: DeskDep) -> Response:
    """One person is enough again, and no hold escalates."""
    desk.orders.authorities.drop(caller, "SEGMENT", segment)
    return Response(status_code=204)
