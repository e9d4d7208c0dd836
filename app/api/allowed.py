"""Which methods a path takes, for the `Allow` header of a 405."""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import Request
from starlette.routing import Match

_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def allowed(request: Request) -> list[str]:
    """Name every method of this path; the framework names those of the first route alone.

    A path that is written out (`/sheet`) is not also one of an id (`/{version}`).
    """
    routes = request.app.router.routes
    written_out = _written_out(routes, request.url.path)
    if written_out:
        return [method for method in _METHODS if method in written_out]
    scopes = [{**request.scope, "method": method, "fastapi": {}} for method in _METHODS]
    return [
        scope["method"]
        for scope in scopes
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]


def _written_out(routes: Iterable[Any], path: str) -> set[str]:
    """Collect the methods of routes whose path is this one, letter by letter."""
    found: set[str] = set()
    for route in routes:
        router = getattr(route, "original_router", None)  # an included one stays whole
        if router is not None:
            found |= _written_out(router.routes, path)
        elif getattr(route, "path", None) == path:
            found |= getattr(route, "methods", None) or set()
    return found
