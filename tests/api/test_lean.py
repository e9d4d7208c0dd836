"""Lean routes refuse what declared ones refuse, in the same words."""

import asyncio
from typing import Annotated, Any
from urllib.parse import quote

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response

from app.api.conventions import install
from app.api.express import ExpressApp, express_routes
from app.api.lean import LeanRoute, declare, read_asked, read_tagged
from app.api.strict import StrictRoute
from app.api.wire import Id, QueryModel
from app.main import create_app
from app.settings import Settings
from tests.api.probe import ask, authenticate

OTHER = {"authorization": "Bearer bad"}


class Which(QueryModel):
    """One field with a default, one without."""

    segment: Id = "main"
    owner: Id | None = None


def make() -> FastAPI:
    app = ExpressApp()
    install(app)
    declared = APIRouter(prefix="/declared", route_class=StrictRoute)
    lean = APIRouter(prefix="/lean", route_class=LeanRoute)
    ref = Annotated[Id, Path()]

    @declared.get("/{customer_id}/asked", dependencies=[Depends(authenticate)])
    def asked(customer_id: ref, query: Annotated[Which, Query()]) -> list[Any]:
        return [customer_id, query.segment, query.owner]

    @declared.get("/{customer_id}/tagged", dependencies=[Depends(authenticate)])
    def tagged(
        customer_id: ref,
        tag: Annotated[str | None, Header(alias="If-None-Match", max_length=1024)] = None,
    ) -> list[Any]:
        return [customer_id, tag]

    @lean.get("/{customer_id}/asked", openapi_extra=declare("score:read", Which))  # noqa: FAST003
    async def lean_asked(request: Request) -> Response:
        authenticate(request)
        customer_id, query = read_asked(request, Which)
        return json([customer_id, query.segment, query.owner])

    @lean.get(
        "/{customer_id}/tagged",  # noqa: FAST003
        openapi_extra=declare("score:read", tag=True),
    )
    async def lean_tagged(request: Request) -> Response:
        authenticate(request)
        return json(list(read_tagged(request)))

    for router in (declared, lean):
        app.include_router(router)
    app.take(express_routes([lean]))
    return app


def json(told: list[Any]) -> Response:
    return Response(httpx2.Response(200, json=told).content, media_type="application/json")


APP = make()
REFS = [
    "C-1",
    "客户",
    "a/b",
    "a b",
    "i" * 64,
    "i" * 65,
    "\t",
    "a\u202eb",
    "\0",
    "%",
    "a\x7f",
    "\ufdd1",
]
QUERIES = [
    "",
    "segment=main",
    "segment=north&owner=li.na",
    "segment=",
    "segment",
    "owner=",
    "nope=1",
    "segment=a&segment=b",
    "segment=%00",
    "segment=" + "s" * 65,
    "segment=%E2%80%AE&owner=%09",
    "segment=a;owner=b",
    "=",
    "&",
    "Segment=main",
]
TAGS: list[dict[str, str]] = [
    {},
    {"if-none-match": '"a"'},
    {"if-none-match": "t" * 1025},
    {"if-none-match": ""},
]


def told(url: str, headers: dict[str, str]) -> tuple[int, Any]:
    answer = ask(APP, "GET", url, headers=headers)
    body = answer.json()
    if isinstance(body, dict):
        body.pop("request_id")
    return answer.status_code, body


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("ref", REFS)
def test_customer_and_query(ref: str, query: str) -> None:
    path = f"{quote(ref, safe='')}/asked?{query}"
    for headers in ({}, OTHER):
        assert told(f"/lean/{path}", headers) == told(f"/declared/{path}", headers)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("ref", REFS)
def test_customer_and_tag(ref: str, tag: dict[str, str]) -> None:
    path = f"{quote(ref, safe='')}/tagged"
    for headers in (tag, {**tag, **OTHER}):
        for query in ("", "?x=1"):
            lean, declared = (
                told(f"/lean/{path}{query}", headers),
                told(f"/declared/{path}{query}", headers),
            )
            assert lean == declared


def test_other_methods_are_told_what_there_is() -> None:
    answer = ask(APP, "POST", "/lean/C-1/asked")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


SERVICE = create_app(Settings(), "postgresql://nobody@127.0.0.1/nothing")


def test_the_service_leads_to_them() -> None:
    async def status(path: str, method: str) -> int:
        transport = httpx2.ASGITransport(app=SERVICE)
        async with httpx2.AsyncClient(transport=transport, base_url="http://aval") as client:
            return (await client.request(method, path)).status_code

    asked = {
        ("/v1/customers/C-1/account", "GET"): 401,
        ("/v1/customers/C-1/account", "POST"): 405,
        ("/v1/nothing", "GET"): 404,
        ("/v1/ledger-events/", "POST"): 404,
        ("/v1/customers/C-1/account/", "GET"): 404,
        ("/openapi.json", "GET"): 200,
        ("/livez", "GET"): 200,
    }
    for (path, method), expected in asked.items():
        assert asyncio.run(status(path, method)) == expected, path
