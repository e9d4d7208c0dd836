"""Facts reported over HTTP: `postLedgerEvents`, up to 5,000 in one request.

A large batch takes ten times its body in memory while it is applied. So only a few bodies are here
at once, fewer are worked on, and the rest of those who report waits outside, unread.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ConfigDict, Field

from app.api.auth import needs
from app.api.conventions import body_of, refusals
from app.api.desk import desk_of
from app.api.facts_models import INVOICE, ToldAsFact
from app.api.facts_results import PROBLEM, EventResultOut, told_of
from app.api.parse import parse_strict
from app.api.slow_bodies import in_time
from app.api.strict import (
    LONG_BODY_BYTES,
    StrictRoute,
    check_content_type,
    declared_bytes,
    validate,
)
from app.api.wire import AnswerModel, WireModel
from app.domain.callers import Caller
from app.domain.errors import BadRequestError
from app.domain.facts import Event, Result
from app.usecases.collecting import uncollected
from app.usecases.facts import Facts
from app.usecases.facts_events import MOST_EVENTS, parse_events
from app.usecases.turns import Turns

router = APIRouter(prefix="/v1/ledger-events", tags=["facts"], route_class=StrictRoute)

SMALL_BYTES: Final = 64 * 1024
"""Largest body, inclusive, that waits for no turn: some hundred facts."""


class LedgerEventsIn(WireModel):
    """A batch of facts, applied together; each has its own result."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": [INVOICE]}]})

    events: list[ToldAsFact] = Field(min_length=1, max_length=MOST_EVENTS)


class LedgerResultsOut(AnswerModel):
    """One result an event, in the order of the events."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "results": [
                        {
                            "event_id": "5f0c7d",
                            "result": "quarantined",
                            "over_limit": [],
                            "problem": PROBLEM,
                        }
                    ]
                }
            ]
        }
    )

    results: list[EventResultOut]


@router.post(
    "",
    operation_id="postLedgerEvents",
    summary="Report facts",
    response_model=LedgerResultsOut,
    responses=refusals(),
    max_body_size=LONG_BODY_BYTES,
    openapi_extra=body_of(LedgerEventsIn),
)
async def post_ledger_events(
    request: Request,
    caller: Annotated[Caller, Depends(needs("ledger:write"))],
) -> Response:
    """Apply facts; any order and any number of repeats give the same state."""
    facts = desk_of(request).facts
    async with _place(facts.arriving, request, caller):
        raw = await read_soon(request, facts.body_s)
        async with _place(facts.applying, request, caller):
            told = await run_in_threadpool(_apply, facts, caller, raw)
    return Response(told, media_type="application/json")


def _place(turns: Turns, request: Request, caller: Caller) -> AbstractAsyncContextManager[None]:
    """Give a large request a turn; a small one needs no memory, and waits for nobody's locks."""
    small = 0 < declared_bytes(request.scope) <= SMALL_BYTES
    return nullcontext() if small else turns.one(caller.client)


async def read_soon(request: Request, within_s: float) -> bytes:
    """Read a body as it was sent; who sends too slowly must not keep its place for ever.

    Raises:
        BadRequestError: No body, or not JSON by its type.
        BusyError: It did not arrive in time; over a better line it will.
        TooLargeError: Longer than the route takes.

    """
    check_content_type(request)
    raw = await in_time(request.body(), within_s)
    if not raw:
        raise BadRequestError("a JSON body is needed")
    return raw


def _apply(facts: Facts, caller: Caller, raw: bytes) -> bytes:
    """Read and apply in a thread: a large body would keep everybody waiting in the loop."""
    with uncollected():
        return _told(facts.apply(caller, _events(raw)))


def _told(results: Sequence[Result]) -> bytes:
    return orjson.dumps({"results": [told_of(one) for one in results]})


def _events(raw: bytes) -> list[Event]:
    """Read a batch; what JSON became is gone before anything is applied."""
    return parse_events(validate(LedgerEventsIn, parse_strict(raw)).events)
