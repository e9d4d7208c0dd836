"""A small application with the house's conventions, and a way to ask it."""

import asyncio
import json
from typing import Annotated, Any

import httpx2
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import Field

from app.api.conventions import body_of, install, refusals
from app.api.middleware import trace_of
from app.api.strict import StrictRoute, read
from app.api.wire import (
    AnswerModel,
    BusinessDate,
    Id,
    Instant,
    MoneyIn,
    MoneyOut,
    Page,
    PositiveMoneyIn,
    Version,
    WireModel,
)
from app.domain.errors import BusyError, CreditError, FieldError, UnauthenticatedError

GOOD: dict[str, Any] = {
    "order": {"id": "SO-1", "version": 3},
    "amount": {"amount": "12500.00", "currency": "CNY"},
}


class Order(WireModel):
    """A part of a body; `version` may be left out."""

    id: Id
    version: Version | None = None


class Ask(WireModel):
    """Every wire type once, nested as in an authorization."""

    order: Order
    amount: PositiveMoneyIn
    paid: MoneyIn | None = None
    due: BusinessDate | None = None
    at: Instant | None = None
    final: bool | None = None
    parts: list[Order] = Field(default_factory=list)


class Answer(AnswerModel):
    """What was read, so that a test sees it."""

    order_id: str
    version: int | None
    amount: MoneyOut
    at: Instant | None


class Filters(Page):
    """A list's query: one text, and a status that may be given several times."""

    q: str | None = None
    status: list[str] = Field(default_factory=list)


def authenticate(request: Request) -> None:
    """Refuse the token `bad`, and name the client."""
    if request.headers.get("authorization") == "Bearer bad":
        raise UnauthenticatedError("the token is not known")
    trace_of(request.scope).client = "erp"


def answer(ask: Ask) -> Answer:
    """Send back what the models made of the body, money through minor units."""
    amount = MoneyOut.of(ask.amount.to_money())
    return Answer(order_id=ask.order.id, version=ask.order.version, amount=amount, at=ask.at)


def make_app(refusal: CreditError | None = None) -> FastAPI:
    """Build the application; `GET /v1/refusal` raises `refusal`."""
    app = FastAPI()
    install(app)
    router = APIRouter(prefix="/v1", route_class=StrictRoute, dependencies=[Depends(authenticate)])

    @app.post("/declared", dependencies=[Depends(authenticate)], responses=refusals())
    def declared(ask: Ask) -> Answer:
        return answer(ask)

    @app.post("/raw", responses=refusals(), openapi_extra=body_of(Ask), response_model=Answer)
    async def raw(request: Request) -> Response:
        return Response(answer(await read(request, Ask)).model_dump_json())

    @router.get("/things", responses=refusals())
    def listing(filters: Annotated[Filters, Query()]) -> dict[str, Any]:
        return {"limit": filters.limit, "after": filters.after(str, int), "status": filters.status}

    @router.get("/things/{thing_id}", responses=refusals(404))
    def one(thing_id: Id) -> dict[str, str]:
        return {"id": thing_id}

    @router.put("/things/{thing_id}", max_body_size=64, responses=refusals())
    def put(thing_id: Id, order: Order) -> dict[str, str]:
        return {"id": thing_id, "order": order.id}

    @router.get("/refusal", responses=refusals())
    def refuse() -> None:
        raise refusal or BusyError("the queue is full")

    @router.get("/bug", responses=refusals())
    def bug() -> None:
        raise RuntimeError("secret of the house")

    @router.get("/refused-field", responses=refusals())
    async def refuse_field() -> None:
        raise FieldError("is too long: " + "9" * 5000, "order.id")

    app.include_router(router)
    return app


def ask(
    app: FastAPI,
    method: str,
    url: str,
    body: object = None,
    headers: dict[str, str] | None = None,
) -> httpx2.Response:
    """Send one request through ASGI; bytes go as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    told = {"content-type": "application/json", **(headers or {})}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in told.items()]

    async def send() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://aval") as client:
            return await client.request(method, url, content=content, headers=raw)

    return asyncio.run(send())
