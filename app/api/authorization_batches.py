"""Many orders in one request: `authorizeOrders`, each item with its own key and its own answer."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, Field

from app.api.auth import authenticate, secured
from app.api.authorizations import DECISION, AuthorizeIn, DecisionOut, keyed_ask
from app.api.conventions import body_of, refusals
from app.api.desk import desk_of
from app.api.express import ExpressRoute
from app.api.idempotency import LONGEST_KEY
from app.api.middleware import trace_of
from app.api.plain_asks import ITEMS
from app.api.problems import Problem, render, render_bug, wants_zh
from app.api.slow_bodies import in_time
from app.api.strict import LONG_BODY_BYTES, read, validate
from app.api.wire import PRINTABLE, AnswerModel, WireModel
from app.domain.callers import Caller
from app.domain.decisions import Question
from app.domain.errors import CreditError
from app.usecases.asks import Answer, Ask
from app.usecases.breath import Breath

_Refusal = CreditError | RequestValidationError
_Told = Ask | Answer | BaseException
"""An item on its way: an ask until it is answered, or what is wrong with it."""

router = APIRouter(prefix="/v1", tags=["authorizations"], route_class=ExpressRoute)

MOST_ITEMS: Final = 1_000
"""Most orders in one request, inclusive."""

MOST_BROKEN: Final = 20
"""Most broken rules of one item that are told one by one, inclusive: a thousand items share what
one body may have."""

BODY_S: Final = 10.0
"""How long the body of a large request may take once it is its turn."""

Key = Annotated[str, Field(min_length=1, max_length=LONGEST_KEY, pattern=PRINTABLE)]

_CNY: Final = "CNY"
_ITEM: Final[dict[str, Any]] = {
    "idempotency_key": "SO-778-3",
    "customer_id": "C-1001",
    "check_point": "ORDER",
    "order": {"id": "SO-778", "version": 3},
    "amount": {"amount": "12500.00", "currency": _CNY},
}


class BatchItemIn(AuthorizeIn):
    """One order with the key under which its effect is had once."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ITEM]})

    idempotency_key: Key


class BatchIn(WireModel):
    """Orders, each standing alone: what is wrong with one is answered in its place."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_ITEM]}]})

    items: list[BatchItemIn] = Field(min_length=1, max_length=MOST_ITEMS)


class _Envelope(WireModel):
    """What is checked of the whole before each item is looked at by itself."""

    items: list[Any] = Field(min_length=1, max_length=MOST_ITEMS)


class BatchResultOut(AnswerModel):
    """One item's answer: `status` as if it had been asked alone, and a decision or a problem."""

    status: int
    decision: DecisionOut | None = None
    problem: Problem | None = None


class BatchOut(AnswerModel):
    """Results in the order of the items."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"results": [{"status": 201, "decision": DECISION}]}]}
    )

    results: list[BatchResultOut]


@router.post(
    "/authorizations/batch",
    operation_id="authorizeOrders",
    summary="Up to 1,000 orders at once, each judged and reserved for by itself",
    response_model=BatchOut,
    responses=refusals(),
    max_body_size=LONG_BODY_BYTES,
    openapi_extra={**secured("authorization:write"), **body_of(BatchIn)},
)
async def authorize_orders(request: Request) -> Response:
    """Judge every order; the lanes decide together what fits into one transaction."""
    caller = await authenticate(request, "authorization:write")
    desk = desk_of(request)
    async with desk.lanes.turn(caller.client):
        envelope = await read_soon(request, BODY_S)
        told, breath = list[_Told](), Breath()
        for item in envelope.items:
            told.append(_asked(caller, item, desk.new_id()))
            await breath.take()
        asks = [one for one in told if isinstance(one, Ask)]
        answers = iter(await desk.lanes.ask_all(asks) if asks else ())
        told = [next(answers) if isinstance(one, Ask) else one for one in told]
        body = put_together(request, told)
    return Response(body, media_type="application/json")


async def read_soon(request: Request, within_s: float) -> _Envelope:
    """Read the body; who sends it too slowly must not keep the turn of others.

    Raises:
        BusyError: It did not arrive in time; over a better line it will.

    """
    return await in_time(read(request, _Envelope), within_s)


def _asked(caller: Caller, item: object, decision_id: str) -> Ask | _Refusal:
    """Make the ask of one item, or say what is wrong with it."""
    try:
        key, question = _read_plain(item) or _read_item(item)
        return keyed_ask(caller, key, question, decision_id)
    except (CreditError, RequestValidationError) as refusal:
        return refusal


def _read_plain(item: object) -> tuple[str, Question] | None:
    """Read an item that is as nearly all are; None where only the model can tell."""
    if type(item) is not dict:
        return None
    key = item.get("idempotency_key")
    if type(key) is not str or not (key.isascii() and key.isprintable()):
        return None
    question = ITEMS.read(item) if 0 < len(key) <= LONGEST_KEY else None
    return None if question is None else (key, question)


def _read_item(item: object) -> tuple[str, Question]:
    read = validate(BatchItemIn, item, most=MOST_BROKEN)
    return read.idempotency_key, read.to_question()


def put_together(request: Request, told: Sequence[_Told]) -> bytes:
    """Put the answers together; decisions go as they are stored, byte for byte."""
    request_id, zh = trace_of(request.scope).request_id, wants_zh(request)
    parts = []
    for one in told:
        if isinstance(one, Answer):
            parts.append(b'{"status":%d,"decision":%b}' % (one.status, one.body))
        elif not isinstance(one, Ask):
            known = one if isinstance(one, CreditError | RequestValidationError) else None
            problem = (
                render(known, request_id, zh=zh) if known else render_bug(one, request_id, zh=zh)
            )
            parts.append(orjson.dumps({"status": problem["status"], "problem": problem}))
    return b'{"results":[%b]}' % b",".join(parts)
