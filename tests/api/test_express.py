"""An express route answers as it would through the framework, word for word."""

from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from app.api.conventions import install, refusals
from app.api.express import ExpressApp, ExpressRoute, express_routes
from app.api.middleware import trace_of
from app.api.strict import read
from app.domain.errors import BusyError
from tests.api.probe import Ask, ask

ORDER = {"order": {"id": "SO-1", "version": 3}, "amount": {"amount": "1.00", "currency": "CNY"}}


def fill(app: FastAPI, seen: list[bool]) -> APIRouter:
    """Add routes; each notes whether the framework's own router led to it."""
    router = APIRouter(prefix="/v1", route_class=ExpressRoute)

    @router.post("/raw", max_body_size=200, responses=refusals())
    async def raw(request: Request) -> Response:
        seen.append("router" in request.scope)
        trace_of(request.scope).client = "erp"
        asked = await read(request, Ask)
        return Response(asked.order.id, 201, media_type="text/plain")

    @router.get("/things/{thing_id}/card", responses=refusals())  # noqa: FAST003 - read raw
    async def card(request: Request) -> Response:
        seen.append("router" in request.scope)
        return Response(request.path_params["thing_id"], media_type="text/plain")

    @router.get("/refusal", responses=refusals())
    async def refuse(_: Request) -> Response:
        raise BusyError("the queue is full")

    @router.get("/bug", responses=refusals())
    async def bug(_: Request) -> Response:
        raise RuntimeError("secret of the house")

    app.include_router(router)
    return router


def make(*, express: bool) -> tuple[FastAPI, list[bool]]:
    seen: list[bool] = []
    app = ExpressApp()
    install(app)
    router = fill(app, seen)
    app.take(express_routes([router]) if express else [])
    return app, seen


FAST, FAST_SEEN = make(express=True)
SLOW, SLOW_SEEN = make(express=False)

CASES: list[tuple[str, str, Any, dict[str, str]]] = [
    ("POST", "/v1/raw", ORDER, {}),
    ("POST", "/v1/raw", ORDER, {"x-request-id": "r-1"}),
    ("POST", "/v1/raw", ORDER, {"content-type": "text/plain"}),
    ("POST", "/v1/raw?x=1", ORDER, {}),
    ("POST", "/v1/raw", b"", {}),
    ("POST", "/v1/raw", b'{"order":1,"order":2}', {}),
    ("POST", "/v1/raw", {"order": {}}, {"accept-language": "zh-CN"}),
    ("POST", "/v1/raw", {**ORDER, "note": "x" * 200}, {}),
    ("GET", "/v1/raw", None, {}),
    ("HEAD", "/v1/raw", None, {}),
    ("POST", "/v1/raw/", ORDER, {}),
    ("GET", "/v1/things/a/card", None, {}),
    ("GET", "/v1/things/a%2Fb/card", None, {}),
    ("GET", "/v1/things/%E4%B8%AD/card", None, {}),
    ("GET", "/v1/things/a%00/card", None, {}),
    ("GET", "/v1/things/a/card?limit=1", None, {}),
    ("GET", "/v1/things//card", None, {}),
    ("GET", "/v1/refusal", None, {}),
    ("GET", "/v1/bug", None, {}),
]


def told(answer: httpx2.Response) -> tuple[int, dict[str, str], str]:
    """Take out the id that each request draws for itself."""
    made = answer.headers.get("x-request-id", "")
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    headers.pop("content-length", None)
    return answer.status_code, headers, answer.text.replace(made, "ID") if made else answer.text


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_ways_say_the_same(case: tuple[str, str, Any, dict[str, str]]) -> None:
    with capture_logs() as fast_lines:
        fast = ask(FAST, *case)
    with capture_logs() as slow_lines:
        slow = ask(SLOW, *case)
    assert told(fast) == told(slow)
    kept = [
        [
            {name: line.get(name) for name in ("event", "route", "status", "client")}
            for line in lines
        ]
        for lines in (fast_lines, slow_lines)
    ]
    assert kept[0] == kept[1]


def test_the_framework_is_passed_by() -> None:
    """The control for all above: they are two ways indeed."""
    for app, seen, expected in ((FAST, FAST_SEEN, False), (SLOW, SLOW_SEEN, True)):
        seen.clear()
        ask(app, "POST", "/v1/raw", ORDER)
        ask(app, "GET", "/v1/things/a/card")
        assert seen == [expected, expected]


def test_figures_are_counted_by_template() -> None:
    labels = {"route": "/v1/things/{thing_id}/card", "method": "GET", "status": "200"}
    before = REGISTRY.get_sample_value("aval_requests_total", labels) or 0
    ask(FAST, "GET", "/v1/things/a/card")
    assert REGISTRY.get_sample_value("aval_requests_total", labels) == before + 1
