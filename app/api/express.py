"""The few routes that are asked thousands of times a second, led past the framework's layers.

An express route is declared like any other, so that OpenAPI and every convention hold for it; its
handler reads the raw request and returns what is sent. Here it is found by its path and called at
once: routers, dependencies and exit stacks cost as much as all that such a handler does.
"""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import reply
from app.api.strict import StrictRoute
from app.domain.errors import CreditError

_PARAMETER: Final = "{"


class ExpressRoute(StrictRoute):
    """A route whose handler takes a `Request` alone and answers with a `Response`."""

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the handler and send what it answers; a refusal becomes its problem."""
        scope["route"] = self
        request = self.strict(scope, receive)
        try:
            self.check(request)
            response = await self.endpoint(request)
        except (CreditError, RequestValidationError) as refusal:
            response = reply(request, refusal)
        await response(scope, receive, send)


def express_routes(routers: Iterable[APIRouter]) -> list[ExpressRoute]:
    """Find the express routes of routers."""
    routes: list[Any] = [route for router in routers for route in router.routes]
    return [route for route in routes if isinstance(route, ExpressRoute)]


class Express:
    """Answer express routes; everything else passes on."""

    def __init__(self, app: ASGIApp, routes: Iterable[ExpressRoute]) -> None:
        """Sort the routes: those with a fixed path are found at once."""
        self.app = app
        known = [(method, route) for route in routes for method in route.methods or ()]
        self._fixed = {
            (method, route.path): route for method, route in known if _PARAMETER not in route.path
        }
        self._matched = [(method, route) for method, route in known if _PARAMETER in route.path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        route = self._find(scope) if scope["type"] == "http" else None
        if route is None:
            await self.app(scope, receive, send)
        else:
            await route.answer(scope, receive, send)

    def _find(self, scope: Scope) -> ExpressRoute | None:
        method, path = scope["method"], scope["path"]
        found = self._fixed.get((method, path))
        if found is not None:
            scope["path_params"] = {}
            return found
        for known, route in self._matched:
            match = route.path_regex.match(path) if known == method else None
            if match is not None:
                scope["path_params"] = match.groupdict()
                return route
        return None
