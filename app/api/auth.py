"""Who asks: the bearer token, the scope a route needs, and the person behind a machine.

`needs(scope)` is for declared handlers, `authenticate` for those that read the raw request. A
handler names its caller before anything else, so that a stranger hears 401 and nothing more.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Header, Request, Security
from fastapi.security import HTTPBearer

from app.api.desk import desk_of
from app.api.middleware import headers_named, trace_of
from app.domain.callers import Caller
from app.domain.errors import BadRequestError, UnauthenticatedError

ACTOR: Final = "Aval-Actor"
LONGEST_ACTOR: Final = 64

_TEXT: Final = (
    r"^[^\x00-\x20\x7f-\xa0\xad](?:[^\x00-\x1f\x7f-\xa0\xad]*[^\x00-\x20\x7f-\xa0\xad])?$"
)
"""Printable, without a blank at either end: servers drop those."""

_AUTHORIZATION: Final = "Authorization"
_SCHEME: Final = "token"
_BEARER: Final = HTTPBearer(
    auto_error=False, scheme_name=_SCHEME, description="An API key (`aval key create`)"
)
_ACTOR_TOLD: Final = "The person behind a machine client, 1 to 64 printable characters; asserted"


async def authenticate(request: Request, scope: str) -> Caller:
    """Recognise who asks and insist on a scope; waits only for tokens not seen for a while.

    Raises:
        UnauthenticatedError: No token, or none that works.
        ForbiddenError: The token lacks the scope.
        BadRequestError: `Aval-Actor` is not 1 to 64 printable characters.
        BusyError: The database was out of reach.

    """
    token = _token(request)
    recognise = desk_of(request).authenticate
    caller = recognise.trusted(token)
    if caller is None:
        caller = await recognise.look_up(token)
    trace_of(request.scope).client = caller.client
    caller.need(scope)
    actor = _actor(request)
    return caller if actor is None else replace(caller, actor=actor)


def needs(scope: str) -> Callable[..., Awaitable[Caller]]:
    """Make the dependency that brings the caller, who has the scope: `Depends(needs("…"))`."""

    async def authenticated(
        request: Request,
        _declared: Annotated[object, Security(_BEARER, scopes=[scope])],
        _actor_declared: Annotated[
            str | None,
            Header(
                alias=ACTOR,
                description=_ACTOR_TOLD,
                json_schema_extra=text_schema(LONGEST_ACTOR),
            ),
        ] = None,
    ) -> Caller:
        return await authenticate(request, scope)

    return authenticated


def secured(scope: str) -> dict[str, Any]:
    """Declare the token and its scope for `openapi_extra=` of a handler that reads it itself."""
    actor = {
        "name": ACTOR,
        "in": "header",
        "required": False,
        "description": _ACTOR_TOLD,
        "schema": {"type": "string", **text_schema(LONGEST_ACTOR)},
    }
    return {"security": [{_SCHEME: [scope]}], "parameters": [actor]}


def text_schema(longest: int) -> dict[str, Any]:
    """Describe a header of 1 to `longest` printable characters, sent as UTF-8."""
    return {"minLength": 1, "maxLength": longest, "pattern": _TEXT}


def header_text(request: Request, name: str) -> str | None:
    """Read a header as UTF-8, which is what clients send names and keys in.

    Raises:
        BadRequestError: It is not UTF-8, or given more than once.

    """
    found = headers_named(request.scope, name)
    if not found:
        return None
    if len(found) > 1:
        raise BadRequestError("is given more than once", name)
    try:
        return found[0].decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequestError("must be UTF-8", name) from None


def _token(request: Request) -> str:
    given = headers_named(request.scope, _AUTHORIZATION)
    if len(given) != 1:
        raise UnauthenticatedError("one header `Authorization: Bearer <token>` is needed")
    kind, _, token = given[0].decode("latin-1").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError("the header must read `Authorization: Bearer <token>`")
    return token.strip()


def _actor(request: Request) -> str | None:
    actor = header_text(request, ACTOR)
    if actor is not None and not (0 < len(actor) <= LONGEST_ACTOR and actor.isprintable()):
        raise BadRequestError(f"must be 1 to {LONGEST_ACTOR} printable characters", ACTOR)
    return actor
