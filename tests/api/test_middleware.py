"""The middleware and the operations port, also behind a real server on a real socket."""

import asyncio
import io
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import structlog
from fastapi import FastAPI, Request
from prometheus_client import REGISTRY

from app.api.conventions import install
from app.api.operations import OperationsServer, PortTakenError, create_operations_app, listen
from app.telemetry import set_up_log
from tests.api.probe import GOOD, ask, make_app

APP = make_app()
MADE = re.compile(r"[0-9a-f]{16}-[0-9a-f]+")
LONG = 2 * 1024 * 1024


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """Keep tracebacks that are meant out of the report."""
    with structlog.testing.capture_logs():
        yield


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("r", True, id="one-character"),
        pytest.param("r" * 128, True, id="128"),
        pytest.param("r" * 129, False, id="129"),
        pytest.param("", False, id="empty"),
        pytest.param("a b~!", True, id="printable"),
        pytest.param("a\tb", False, id="tab"),
        pytest.param("é", False, id="not-ascii"),
    ],
)
def test_request_id_is_taken_or_made(given: str, *, kept: bool) -> None:
    told = ask(APP, "GET", "/v1/things/a", headers={"x-request-id": given}).headers["x-request-id"]
    assert (told == given) if kept else MADE.fullmatch(told)


def test_made_ids_differ() -> None:
    ids = {ask(APP, "GET", "/nope").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("path", ["/v1/things/a", "/nope", "/v1/bug", "/v1/refusal"])
def test_every_answer_has_the_headers(path: str) -> None:
    told = ask(APP, "GET", path)
    assert told.headers["cache-control"] == "no-store"
    assert told.headers["x-content-type-options"] == "nosniff"
    assert told.headers["x-request-id"]


@pytest.mark.usefixtures("every_line")
def test_log_line_has_the_template_and_the_client_but_no_path() -> None:
    with structlog.testing.capture_logs() as lines:
        ask(APP, "GET", "/v1/things/secret-customer?x=1")
        ask(APP, "BREW", "/v1/things/a")
        ask(APP, "GET", "/secret-path")
    assert [(line["method"], line["route"], line["status"], line["client"]) for line in lines] == [
        ("GET", "/v1/things/{thing_id}", 422, None),
        ("other", "/v1/things/{thing_id}", 405, None),
        ("GET", "unmatched", 404, None),
    ]
    assert "secret" not in json.dumps(lines)
    with structlog.testing.capture_logs() as lines:
        ask(APP, "GET", "/v1/things/a")
    assert [(line["status"], line["client"]) for line in lines] == [(200, "erp")]


def test_request_id_reaches_lines_of_threads_too() -> None:
    """Plain handlers run in a thread; the id must be on their lines as well."""
    app, stream = FastAPI(), io.StringIO()
    install(app)
    set_up_log("info", "json", stream)
    log = structlog.get_logger()

    @app.get("/plain")
    def plain() -> None:
        log.info("inside")

    try:
        ask(app, "GET", "/plain", headers={"x-request-id": "r-7"})
        log.info("outside")
    finally:
        structlog.reset_defaults()
    inside, around, outside = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (inside["event"], inside["request_id"]) == ("inside", "r-7")
    assert (around["event"], around["request_id"]) == ("request", "r-7")
    assert "request_id" not in outside


def test_figures_are_counted_by_template() -> None:
    labels = {"route": "/v1/things/{thing_id}", "method": "GET", "status": "200"}
    before = REGISTRY.get_sample_value("aval_requests_total", labels) or 0
    for thing in ("a", "b"):
        ask(APP, "GET", f"/v1/things/{thing}")
    assert REGISTRY.get_sample_value("aval_requests_total", labels) == before + 2


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[int]:
    """Serve `app` with uvicorn on a free port of this machine, without a lifespan."""
    sock = listen("127.0.0.1", 0)
    server = OperationsServer(app, sock)  # a uvicorn that leaves signals alone serves any app
    await server.start()
    try:
        yield sock.getsockname()[1]
    finally:
        await server.stop()


async def exchange(port: int, *parts: bytes, leave: bool = False) -> bytes:
    """Write raw bytes to the server and read until it closes, or go away at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    told = b"" if leave else await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return told


def head(path: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: aval", "Content-Type: application/json", *headers]
    return ("\r\n".join([*lines, "Connection: close", "", ""])).encode()


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("path", ["/declared", "/raw"])
def test_body_limit_behind_a_real_server(path: str) -> None:
    """Declared length, no length, and a length that says less than is sent."""

    async def tell() -> list[bytes]:
        async with served(APP) as port:
            return [
                await exchange(port, head(path, f"Content-Length: {LONG}"), b" " * LONG),
                await exchange(port, head(path, f"Content-Length: {LONG}", "Expect: 100-continue")),
                await exchange(port, head(path, f"Content-Length: {10**12}")),
                await exchange(
                    port, head(path, "Transfer-Encoding: chunked"), chunked(b" " * LONG)
                ),
                await exchange(port, head(path, "Content-Length: 2"), b"{}" + b" " * 1000),
            ]

    *long, lying = asyncio.run(tell())
    for told in long:
        assert told.startswith(b"HTTP/1.1 413 ")
        assert b'"code":"too_large"' in told
    assert lying.startswith(b"HTTP/1.1 422 "), "what follows the declared length is not the body"


@pytest.mark.parametrize("path", ["/declared", "/raw"])
def test_client_that_leaves_is_harmless(path: str) -> None:
    """No bug is logged, and the next request is answered."""

    async def tell() -> bytes:
        async with served(APP) as port:
            await exchange(port, head(path, "Content-Length: 100"), b"{", leave=True)
            await asyncio.sleep(0.05)
            body = json.dumps(GOOD).encode()
            return await exchange(port, head(path, f"Content-Length: {len(body)}"), body)

    with structlog.testing.capture_logs() as lines:
        told = asyncio.run(tell())
    assert told.startswith(b"HTTP/1.1 200 ")
    assert [line["event"] for line in lines] == ["request", "request"]


def test_slash_in_an_id_behind_a_real_server() -> None:
    async def tell() -> bytes:
        async with served(APP) as port:
            request = b"GET /v1/things/a%2Fb%20c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            return await exchange(port, request)

    assert b'{"id":"a/b c"}' in asyncio.run(tell())


def test_metrics_are_on_their_own_port() -> None:
    async def tell() -> list[bytes]:
        sock = listen("127.0.0.1", 0)
        server = OperationsServer(create_operations_app(), sock)
        await server.start()
        port = sock.getsockname()[1]
        end = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        told = [await exchange(port, b"GET " + path + end) for path in (b"/metrics", b"/livez")]
        await server.stop()
        await server.stop()
        return told

    metrics, other = asyncio.run(tell())
    assert metrics.startswith(b"HTTP/1.1 200 ")
    assert b"aval_requests_total{" in metrics
    assert b"process_cpu_seconds_total" in metrics
    assert other.startswith(b"HTTP/1.1 404 ")
    assert ask(APP, "GET", "/metrics").status_code == 404


def test_metrics_of_several_processes(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Pointed at a directory of worker files that is still empty it tells of its own process."""
    folder = tmp_path_factory.mktemp("workers")

    async def tell() -> bytes:
        sock = listen("127.0.0.1", 0)
        server = OperationsServer(create_operations_app(str(folder)), sock)
        await server.start()
        request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        told = await exchange(sock.getsockname()[1], request)
        await server.stop()
        return told

    told = asyncio.run(tell())
    assert told.startswith(b"HTTP/1.1 200 ")
    assert b"aval_requests_total" in told


def test_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError) as refused:
            listen("127.0.0.1", port)
    assert str(refused.value).startswith(f"operations port 127.0.0.1:{port}: Address already")
    assert "\n" not in str(refused.value)


def test_control_without_the_conventions_a_long_body_is_taken() -> None:
    """The control: a plain application reads what the limit refuses."""
    app = FastAPI()

    @app.post("/plain")
    async def plain(request: Request) -> int:
        return len(await request.body())

    assert ask(app, "POST", "/plain", b" " * LONG).json() == LONG
