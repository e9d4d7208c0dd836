"""Find a request's route in one step instead of asking every route in turn."""

from collections.abc import Sequence
from typing import Final

from fastapi.routing import APIRoute
from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

_Key = tuple[str | None, ...]
_ROUTE: Final = "route"


class Dispatch(BaseRoute):
    """Stands before routes and answers for those it knows: one look-up, however many there are.

    A path is cut at its slashes; where routes have a parameter the segment does not count. Of
    several routes that fit the first one wins, as without this. What fits none (another method,
    no such path) is left to the routes themselves.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        """Index the routes whose parameters are whole segments; others are none of its business."""
        self._found: dict[tuple[str, _Key], tuple[int, APIRoute, tuple[str, ...]]] = {}
        self._shapes: dict[tuple[str, int], list[tuple[bool, ...]]] = {}
        for place, route in enumerate(routes):
            if isinstance(route, APIRoute) and "{" not in route.path.replace("/{", "/"):
                for method in route.methods or ():
                    self._add(place, route, method)

    def _add(self, place: int, route: APIRoute, method: str) -> None:
        parts = route.path.split("/")
        shape = tuple(part.startswith("{") for part in parts)
        names = tuple(part[1:-1] for part in parts if part.startswith("{"))
        if any(":" in name for name in names):  # a parameter that may hold slashes
            return
        key = tuple(None if free else part for free, part in zip(shape, parts, strict=True))
        self._found.setdefault((method, key), (place, route, names))
        shapes = self._shapes.setdefault((method, len(parts)), [])
        if shape not in shapes:
            shapes.append(shape)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Find the route of a request."""
        if scope["type"] != "http" or scope.get("root_path"):
            return Match.NONE, {}
        method, parts = scope["method"], scope["path"].split("/")
        best: tuple[int, APIRoute, tuple[str, ...]] | None = None
        values: list[str] = []
        for shape in self._shapes.get((method, len(parts)), ()):
            key = tuple([None if free else part for free, part in zip(shape, parts, strict=True)])
            found = self._found.get((method, key))
            if found is not None and (best is None or found[0] < best[0]):
                best = found
                values = [part for free, part in zip(shape, parts, strict=True) if free]
        if best is None or not all(values):
            return Match.NONE, {}
        _, route, names = best
        given = dict(zip(names, values, strict=True))
        return Match.FULL, {_ROUTE: route, "endpoint": route.endpoint, "path_params": given}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request to the route that was found."""
        await scope[_ROUTE].handle(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: object) -> URLPath:
        """Make no address: the routes themselves do."""
        raise NoMatchFound(name, dict(path_params))
