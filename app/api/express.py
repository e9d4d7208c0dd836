"""The few routes that are asked thousands of times a second, led past the framework's layers.

An express route is declared like any other, so that OpenAPI and every convention hold for it; its
handler reads the raw request and returns what is sent. Here it is found by its path and called at
once: routers, dependencies and exit stacks cost as much as all that such a handler does.
"""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import Receive, Scope, Send

from app.api.middleware import RequestMiddleware
from app.api.problems import on_bug, reply
from app.api.strict import StrictRoute
from app.domain.errors import CreditError

_PARAMETER: Final = "{"


class ExpressRoute(StrictRoute):
    """A route whose handler takes a `Request` alone and answers with a `Response`."""

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the handler and send what it answers; a refusal becomes its problem."""
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


class ExpressApp(FastAPI):
    """An application that answers its express routes before the framework begins.

    What surrounds every request (id, log line, figures, headers, bugs as problems) surrounds
    these too. A path with `%2F` takes the usual way, which knows what to make of it.
    """

    def take(self, routes: Iterable[ExpressRoute]) -> None:
        """Take over express routes; those with a fixed path are found at once."""
        known = [(method, route) for route in routes for method in route.methods or ()]
        self._fixed = {
            (method, route.path): route for method, route in known if _PARAMETER not in route.path
        }
        self._matched = [(method, route) for method, route in known if _PARAMETER in route.path]
        guarded = ExceptionMiddleware(_answer, handlers={Exception: on_bug})
        self._front = RequestMiddleware(guarded)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an express route, or let the framework answer."""
        if scope["type"] == "http" and self._find(scope):
            scope["app"] = self
            await self._front(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def _find(self, scope: Scope) -> bool:
        method, path = scope["method"], scope["path"]
        if b"%2" in (scope.get("raw_path") or b""):
            return False
        route, parameters = self._fixed.get((method, path)), dict[str, str]()
        if route is None:
            for known, one in self._matched:
                match = one.path_regex.match(path) if known == method else None
                if match is not None:
                    route, parameters = one, match.groupdict()
        if route is None:
            return False
        scope["route"], scope["path_params"] = route, parameters
        return True


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    route: ExpressRoute = scope["route"]
    await route.answer(scope, receive, send)
