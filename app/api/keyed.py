"""What a handler needs whose question has an effect: the caller, the key, the use cases."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from pydantic import BaseModel

from app.api.auth import authenticate, needs
from app.api.desk import Desk, DeskDep
from app.api.idempotency import KeyDep, fingerprint_of
from app.domain.callers import Caller
from app.domain.errors import ForbiddenError
from app.usecases.keyed import Keyed


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose caller and key are known."""

    request: Request
    caller: Caller
    key: str
    desk: Desk

    def keyed(self, body: BaseModel | None = None) -> Keyed:
        """Say who asks what under which key."""
        return Keyed(self.caller, self.key, fingerprint_of(self.request, body))


def asked_by(authenticated: Callable[..., Awaitable[Caller]]) -> Callable[..., Asked]:
    """Make the dependency that brings `Asked`; `authenticated` is that of the caller."""

    def asked(
        request: Request,
        caller: Annotated[Caller, Depends(authenticated)],
        key: KeyDep,
        desk: DeskDep,
    ) -> Asked:
        return Asked(request, caller, key, desk)

    return asked


def asked(scope: str) -> Callable[..., Asked]:
    """Make the dependency for callers with a scope: `Depends(asked("hold:write"))`."""
    return asked_by(needs(scope))


def needs_either(scope: str, other: str) -> Callable[..., Awaitable[Caller]]:
    """Make the dependency for callers with one of two scopes; the use case looks closer.

    The route declares the token with `openapi_extra=secured(scope)`.
    """

    async def authenticated(request: Request) -> Caller:
        try:
            return await authenticate(request, scope)
        except ForbiddenError:
            return await authenticate(request, other)

    return authenticated
