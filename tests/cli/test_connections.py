"""What one connection may hold and for how long, on a real port: each bound, and what is within."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from app.cli.answer_guards import MOST_HEAD_BYTES, MOST_HEADERS, MOST_QUEUED
from tests.cli.connections import (
    CHUNKED,
    HEAD,
    LONG_S,
    LOOK_S,
    POST,
    Calm,
    Echo,
    asks,
    refused,
    run,
    served,
    until,
)

ENOUGH = 65_536


def test_nothing_is_read_while_requests_wait() -> None:
    async def act() -> None:
        app = Echo(gate=asyncio.Semaphore(0))
        async with served(app) as client:
            client.send(asks(0, 20))
            await until(lambda: bool(app.begun))
            client.send(asks(20, 40))
            most, paths = 0, []
            for _ in range(40):
                await asyncio.sleep(0.005)
                most = max(most, len(client.protocol.pipeline))
                app.gate.release()
                paths.append((await client.answer())[1]["path"])
        assert most == 20  # all of the second lot behind the last of the first
        assert paths == [f"/{number}" for number in range(40)]

    run(act)


def test_as_many_as_may_wait_are_answered() -> None:
    async def act() -> None:
        app = Echo(gate=asyncio.Semaphore(0))
        async with served(app) as client:
            client.send(asks(0, MOST_QUEUED + 1))
            await until(lambda: len(client.protocol.pipeline) == MOST_QUEUED)
            client.send(asks(MOST_QUEUED + 1, MOST_QUEUED + 2))
            for number in range(MOST_QUEUED + 2):
                app.gate.release()
                assert (await client.answer())[1]["path"] == f"/{number}"

    run(act)


def test_more_than_may_wait_are_refused_in_their_turn() -> None:
    async def act() -> None:
        app = Echo(gate=asyncio.Semaphore(0))
        async with served(app) as client:
            client.send(asks(0, MOST_QUEUED + 30))
            await until(lambda: len(client.protocol.pipeline) == MOST_QUEUED)
            for number in range(MOST_QUEUED + 1):
                app.gate.release()
                assert (await client.answer())[1]["path"] == f"/{number}"
            await refused(client, 429, "too_many_requests")
        assert len(app.begun) == MOST_QUEUED + 1

    run(act)


FIELDS = b"".join(b"a%d:b\r\n" % number for number in range(MOST_HEADERS + 1))
LONG = b"x" * (MOST_HEAD_BYTES + 1)


@pytest.mark.parametrize(
    ("begin", "sent"),
    [
        pytest.param(b"", b"GET /" + LONG + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="path"),
        pytest.param(b"", b"GET /" + LONG, id="path-without-end"),
        pytest.param(b"", HEAD + b"X: " + LONG + b"\r\n\r\n", id="value"),
        pytest.param(b"", HEAD + b"X: " + LONG, id="value-without-end"),
        pytest.param(b"", HEAD + LONG, id="name-without-end"),
        pytest.param(b"", HEAD + FIELDS + b"\r\n", id="fields"),
        pytest.param(b"", HEAD + FIELDS, id="fields-without-end"),
        pytest.param(b"", b"\r\n" * MOST_HEAD_BYTES, id="nothing"),
        pytest.param(CHUNKED, b"0\r\nX: " + LONG, id="trailer-without-end"),
        pytest.param(CHUNKED, b"0;" + LONG, id="extension-without-end"),
    ],
)
def test_a_head_or_trailers_without_bounds_are_refused(begin: bytes, sent: bytes) -> None:
    async def act() -> None:
        app = Echo()
        async with served(app) as client:
            client.send(begin)
            await until(lambda: len(app.begun) == bool(begin))
            client.send(sent)
            await refused(client, 431, "bad_request")
        await until(lambda: app.begun == app.ended)

    run(act)


@pytest.mark.parametrize(
    ("sent", "size"),
    [
        pytest.param(HEAD + b"X: " + LONG[100:] + b"\r\n\r\n", 0, id="value"),
        pytest.param(HEAD + FIELDS[len(b"a0:b\r\na0:b\r\n") :] + b"\r\n", 0, id="fields"),
        pytest.param(
            POST + b"Content-Length: 200000\r\n\r\n" + b"x" * 200_000, 200_000, id="long-body"
        ),
        pytest.param(CHUNKED + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n", 20_000, id="small-chunks"),
    ],
)
def test_what_is_within_bounds_is_answered_and_so_is_the_next(sent: bytes, size: int) -> None:
    async def act() -> None:
        async with served(Echo()) as client:
            for _ in range(2):
                client.send(sent)
                status, told = await client.answer()
                assert (status, told["bytes"]) == (200, size)

    run(act)


def test_a_fault_is_told_behind_the_answers_before_it() -> None:
    async def act() -> None:
        app = Echo(gate=asyncio.Semaphore(0))
        async with served(app) as client:
            client.send(asks(0, 2) + b"no request\r\n\r\n")
            await until(lambda: bool(app.begun))
            await asyncio.sleep(LONG_S)
            app.gate.release()
            app.gate.release()
            assert [(await client.answer())[1]["path"] for _ in range(2)] == ["/0", "/1"]
            await refused(client, 400, "bad_request")

    run(act)


def test_what_is_refused_later_is_held_no_longer() -> None:
    async def act() -> None:
        app = Echo(gate=asyncio.Semaphore(0))
        async with served(app) as client:
            client.send(asks(0, 1) + HEAD + FIELDS)
            await until(lambda: bool(app.begun))
            held = list(client.protocol.headers)
            app.gate.release()
            assert (await client.answer())[1]["path"] == "/0"
            await refused(client, 431, "bad_request")
        assert held == []

    run(act)


def test_whose_body_is_broken_never_begins_behind_others() -> None:
    async def act() -> None:
        app = Echo(gate=asyncio.Semaphore(0))
        async with served(app) as client:
            client.send(asks(0, 1) + CHUNKED + b"no chunk\r\n")
            await until(lambda: bool(app.begun))
            app.gate.release()
            assert (await client.answer())[1]["path"] == "/0"
            await refused(client, 400, "bad_request")
        assert app.begun == ["/0"]

    run(act)


def test_who_waits_for_a_broken_body_waits_no_more() -> None:
    """Not even until the connection is closed."""

    async def act() -> None:
        app = Echo()
        async with served(app, Calm) as client:
            client.send(CHUNKED + b"1\r\nx\r\n")
            await until(lambda: bool(app.begun))
            client.send(b"no chunk\r\n")
            assert (await client.answer())[0] == 400
            await until(lambda: app.ended == ["/"])

    run(act)


def test_what_was_answered_is_not_answered_again() -> None:
    async def act() -> None:
        async with served(Echo(early=True)) as client:
            client.send(CHUNKED + b"1\r\nx\r\n")
            assert (await client.answer())[0] == 200
            client.send(b"no chunk\r\n")
            assert await client.rest() == b""

    run(act)


def test_a_refusal_is_counted() -> None:
    labels = {"route": "unmatched", "method": "other", "status": "431"}

    async def act() -> None:
        async with served(Echo()) as client:
            client.send(HEAD + LONG)
            await refused(client, 431, "bad_request")

    before = REGISTRY.get_sample_value("aval_requests_total", labels) or 0
    run(act)
    assert REGISTRY.get_sample_value("aval_requests_total", labels) == before + 1


@pytest.mark.parametrize("piece", [b"", b"\r\n"], ids=["silent", "empty-lines"])
def test_who_begins_nothing_is_sent_away(piece: bytes) -> None:
    async def act() -> None:
        async with served(Echo()) as client:
            dribbling = asyncio.create_task(client.dribble(piece))
            assert await client.rest() == b""
            await dribbling

    run(act)


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        pytest.param(HEAD, b"", id="head"),
        pytest.param(HEAD + b"X: ", b"x", id="slow-head"),
        pytest.param(asks(0, 1) + HEAD, b"", id="second-head"),
        pytest.param(POST + b"Content-Length: 9000\r\n\r\n", b"", id="body"),
        pytest.param(POST + b"Content-Length: 9000\r\n\r\n", b"x", id="slow-body"),
        pytest.param(CHUNKED + b"1\r\nx\r\n0\r\n", b"X: x\r\n", id="slow-trailers"),
    ],
)
def test_who_begins_and_does_not_end_is_late(begin: bytes, piece: bytes) -> None:
    async def act() -> None:
        app = Echo()
        async with served(app) as client:
            client.send(begin)
            if begin.startswith(asks(0, 1)):
                assert (await client.answer())[0] == 200
            dribbling = asyncio.create_task(client.dribble(piece))
            status, problem = await client.answer()
            assert (status, problem["code"]) == (408, "bad_request")
            assert await client.rest() == b""
            await dribbling

    run(act)


def test_one_slow_request_after_the_other_is_not_late() -> None:
    async def act() -> None:
        async with served(Echo(), Calm) as client:
            for _ in range(8):
                client.send(POST + b"Content-Length: 4\r\n\r\n")
                await asyncio.sleep(Calm.look_s / 2)
                client.send(b"body")
                assert (await client.answer())[0] == 200

    run(act)


def test_trailers_of_one_count_not_for_the_head_of_the_next() -> None:
    half = b"x" * (MOST_HEAD_BYTES * 2 // 3)

    async def act() -> None:
        async with served(Echo(), Calm) as client:
            client.send(CHUNKED + b"0\r\n")
            await asyncio.sleep(0.01)
            client.send(b"X: " + half + b"\r\n\r\n")
            assert (await client.answer())[0] == 200
            client.send(HEAD + b"X: " + half)
            await asyncio.sleep(0.01)
            client.send(b"\r\n\r\n")
            assert (await client.answer())[0] == 200

    run(act)


def test_whose_answer_is_under_way_is_not_late() -> None:
    async def act() -> None:
        async with served(Echo(early=True, slow_s=LONG_S)) as client:
            client.send(POST + b"Content-Length: 4\r\n\r\n")
            assert (await client.answer())[0] == 200

    run(act)


def test_whose_body_comes_slowly_but_comes_has_time() -> None:
    async def act() -> None:
        pieces = 12
        async with served(Echo()) as client:
            client.send(POST + b"Content-Length: %d\r\n\r\n" % (pieces * ENOUGH))
            for _ in range(pieces):
                await asyncio.sleep(LOOK_S / 2)
                client.send(b"x" * ENOUGH)
            assert (await client.answer())[1]["bytes"] == pieces * ENOUGH

    run(act)


@pytest.mark.parametrize("size", [0, 10, 1_000_000])
def test_who_waits_for_the_service_is_not_late(size: int) -> None:
    async def act() -> None:
        async with served(Echo(late_s=LONG_S)) as client:
            for _ in range(2):
                client.send(POST + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
                assert (await client.answer())[1]["bytes"] == size

    run(act)


def test_who_waits_for_the_word_to_go_on_is_not_late() -> None:
    async def act() -> None:
        async with served(Echo(late_s=LONG_S)) as client:
            client.send(POST + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
            assert (await client.answer())[0] == 100
            client.send(b"body")
            assert (await client.answer())[1]["bytes"] == 4

    run(act)


def test_who_was_answered_before_the_body_came_may_ask_again() -> None:
    async def act() -> None:
        async with served(Echo(early=True)) as client:
            for _ in range(2):
                client.send(POST + b"Content-Length: 4\r\n\r\n")
                assert (await client.answer())[0] == 200
                client.send(b"body")
                await asyncio.sleep(LONG_S)

    run(act)


def test_what_is_sent_after_the_answer_keeps_no_connection() -> None:
    async def act() -> None:
        async with served(Echo(early=True), keep_alive_s=1) as client:
            client.send(POST + b"Content-Length: 9000\r\n\r\n")
            assert (await client.answer())[0] == 200
            dribbling = asyncio.create_task(client.dribble(b"x"))
            assert await client.rest() == b""
            await dribbling

    run(act)


def test_trailers_are_no_headers() -> None:
    async def act() -> None:
        app = Echo(gate=asyncio.Semaphore(0))
        async with served(app) as client:
            client.send(CHUNKED + b"4\r\nbody\r\n0\r\nAval-Actor: CFO\r\n\r\n" + asks(1, 2))
            app.gate.release()
            app.gate.release()
            first, second = (await client.answer())[1], (await client.answer())[1]
        assert first == {"path": "/", "bytes": 4, "headers": ["host", "transfer-encoding"]}
        assert second == {"path": "/1", "bytes": 0, "headers": ["host"]}

    run(act)
