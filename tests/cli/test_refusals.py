"""What a refused connection does not do: begin what it refuses, or end before it was heard."""

import asyncio

import pytest

from tests.cli.connections import ASK, POST, Calm, Echo, run, served, until


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            b"DELETE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", id="coding"
        ),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\nodd\r\n", id="chunk"),
    ],
)
def test_what_is_refused_at_once_is_not_begun(data: bytes) -> None:
    """Its client hears 400, and takes it for not done."""

    async def ask() -> None:
        app = Echo()
        async with served(app, Calm) as client:
            client.send(data)
            status, _ = await client.answer()
            assert status == 400
            await asyncio.sleep(0.05)
        assert app.begun == []

    run(ask)


def test_what_was_begun_before_goes_on() -> None:
    async def ask() -> None:
        app = Echo()
        async with served(app, Calm) as client:
            client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
            await until(lambda: app.begun != [])
            client.send(b"odd\r\n")
            status, _ = await client.answer()
            assert status == 400
            await until(lambda: app.ended != [])  # it hears that its client is gone

    run(ask)


def test_the_answer_before_a_fault_is_not_cut_off_by_keep_alive() -> None:
    async def ask() -> None:
        app = Echo(late_s=1.5)
        async with served(app, Calm, keep_alive_s=1) as client:
            client.send(ASK % 1)
            assert (await client.answer())[0] == 200
            await asyncio.sleep(0.5)
            client.send(POST + b"Content-Length: 2\r\n\r\nab}")
            assert [(await client.answer())[0] for _ in range(2)] == [200, 400]

    run(ask)


def test_who_still_sends_hears_the_refusal() -> None:
    """A connection that is closed with bytes unread is reset, and the refusal lost."""

    async def ask() -> None:
        async with served(Echo(early=True), Calm) as client:
            ahead = (ASK % 1) * 500_000  # more than the kernel keeps

            async def send() -> None:
                for start in range(0, len(ahead), 65_536):
                    client.send(ahead[start : start + 65_536])
                    await client.writer.drain()

            sending = asyncio.create_task(send())
            try:
                statuses = [(await client.answer())[0] for _ in range(66)]
                assert statuses == [*[200] * 65, 429]
                await sending
            finally:
                client.writer.transport.abort()
                sending.cancel()

    run(ask)
