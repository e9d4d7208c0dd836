"""What guards the service and everybody else from one large request."""

import asyncio
from typing import Any

import orjson
import pytest
from fastapi.exceptions import RequestValidationError
from starlette.types import Message, Receive

from app.api.authorization_batches import put_together, read_soon
from app.api.strict import MOST_BROKEN, StrictRequest, validate
from app.domain.errors import BusyError, CustomerUnknownError, FieldError
from app.usecases.asks import Answer
from app.usecases.asks import Ask as Question
from tests.api.probe import GOOD, Ask

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "path": "/v1/authorizations/batch",
    "headers": [(b"content-type", b"application/json")],
}
HALF: Message = {"type": "http.request", "body": b'{"items":[', "more_body": True}
REST: Message = {"type": "http.request", "body": b"1]}", "more_body": False}


def sender(*messages: Message) -> Receive:
    """Send a body in parts; where they end without a last one, nothing comes any more."""
    parts = iter(messages)

    async def receive() -> Message:
        for part in parts:
            return part
        await asyncio.Event().wait()
        raise AssertionError

    return receive


def test_a_body_that_does_not_arrive_gives_up_its_turn() -> None:
    async def wait() -> None:
        with pytest.raises(BusyError, match=r"did not arrive within 0\.02 s"):
            async with asyncio.timeout(5):
                await read_soon(StrictRequest(SCOPE, sender(HALF)), 0.02)

    asyncio.run(wait())


def test_a_body_in_parts_is_waited_for() -> None:
    request = StrictRequest(SCOPE, sender(HALF, REST))
    assert asyncio.run(read_soon(request, 5.0)).items == [1]


def test_as_many_broken_rules_as_are_told_are_told() -> None:
    with pytest.raises(RequestValidationError) as refused:
        validate(Ask, {**GOOD, "parts": [{}] * MOST_BROKEN})
    assert len(refused.value.errors()) == MOST_BROKEN


def test_one_more_is_told_as_a_number() -> None:
    """Each would be written out, with what was sent, before most are dropped."""
    with pytest.raises(FieldError, match=f"{MOST_BROKEN + 1} rules are broken"):
        validate(Ask, {**GOOD, "parts": [{}] * (MOST_BROKEN + 1)})


def test_the_bug_of_one_item_is_its_own() -> None:
    """The others keep their answers, in their places; what the bug was stays in the log."""
    told: list[Question | Answer | BaseException] = [
        Answer(201, b'{"outcome":"APPROVE"}'),
        RuntimeError("secret of the house"),
        CustomerUnknownError("nobody has this id", "customer_id"),
        Answer(200, b'{"outcome":"HOLD"}'),
    ]
    body = put_together(StrictRequest(SCOPE, sender()), told)
    results = orjson.loads(body)["results"]
    assert [one["status"] for one in results] == [201, 500, 404, 200]
    assert [one["decision"]["outcome"] for one in (results[0], results[3])] == ["APPROVE", "HOLD"]
    assert results[1]["problem"]["code"] == "internal_error"
    assert b"secret" not in body
