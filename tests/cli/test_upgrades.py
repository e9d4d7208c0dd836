"""Clients that offer another protocol with a request, as Java's do, have the request answered."""

import pytest

from tests.cli.connections import ASK, Calm, Echo, Quick, run, served

OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
POST = b"POST /1 HTTP/1.1\r\nHost: a\r\n" + OFFER
REQUESTS = {
    "length": POST + b"Content-Length: 4\r\n\r\nbody",
    "chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nbod\r\n1\r\ny\r\n0\r\n\r\n",
    "trailers": POST + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nActor: x\r\n\r\n",
    "no-body": POST + b"Content-Length: 0\r\n\r\n",
    "get": b"GET /1 HTTP/1.1\r\nHost: a\r\n" + OFFER + b"\r\n",
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("pieces", [1, 2, 10_000])
def test_the_request_has_its_body(name: str, pieces: int) -> None:
    async def ask() -> None:
        app = Echo()
        async with served(app, Calm) as client:
            data = REQUESTS[name] + ASK % 2 + REQUESTS[name].replace(b" /1", b" /3") + ASK % 4
            size = -(-len(data) // pieces)
            for start in range(0, len(data), size):
                client.send(data[start : start + size])
                await client.writer.drain()
            for place in (1, 2, 3, 4):
                status, told = await client.answer()
                expected = 4 if place % 2 and name in {"length", "chunks", "trailers"} else 0
                assert (status, told["path"], told["bytes"]) == (200, f"/{place}", expected)
                assert "actor" not in told["headers"]
                assert ("upgrade" in told["headers"]) == (place % 2 == 1)
        assert app.begun == ["/1", "/2", "/3", "/4"]

    run(ask)


def test_a_body_that_does_not_come_is_waited_for_no_longer_than_others() -> None:
    async def ask() -> None:
        app = Echo()
        async with served(app, Quick) as client:
            client.send(POST + b"Content-Length: 4\r\n\r\nbo")
            status, told = await client.answer()
            assert (status, told["code"]) == (408, "bad_request")
        assert app.ended == ["/1"]

    run(ask)


def test_what_is_no_body_is_refused() -> None:
    async def ask() -> None:
        async with served(Echo(), Calm) as client:
            client.send(POST + b"Transfer-Encoding: chunked\r\n\r\nodd\r\n")
            status, told = await client.answer()
            assert (status, told["code"]) == (400, "bad_request")

    run(ask)
