"""Which methods a path takes, for the `Allow` header of a 405."""

from typing import Final

from fastapi import Request
from starlette.routing import Match

_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def allowed(request: Request) -> list[str]:
    """Name every method of this path; the framework names those of the first route alone.

    A path that is written out (`/sheet`) is not also one of an id (`/{version}`).
    """
    written_out = request.app.openapi()["paths"].get(request.url.path)
    if written_out is not None:
        return [method for method in _METHODS if method.lower() in written_out]
    routes = request.app.router.routes
    scopes = [{**request.scope, "method": method, "fastapi": {}} for method in _METHODS]
    return [
        scope["method"]
        for scope in scopes
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]
