"""Frames on the pipe to a scoring process: four bytes of length, then JSON."""

import socket
import struct
import time
from typing import Any, Final

import orjson

MOST_BYTES: Final = 64_000_000
"""The longest frame, in bytes, inclusive: a model of 8 MB as a JSON string is far below."""

_LENGTH: Final = struct.Struct(">I")

Message = dict[str, Any]


class PipeError(Exception):
    """The other end is gone, too slow, or says what no frame is."""


def send_frame(sock: socket.socket, message: Message, until: float) -> None:
    """Send a message before `until`, a moment of the monotonic clock.

    Raises:
        PipeError: The other end is gone or does not read.

    """
    body = orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)
    _within(sock, until)
    try:
        sock.sendall(_LENGTH.pack(len(body)) + body)
    except OSError as error:
        raise PipeError(f"sending failed: {error}") from error


def receive_frame(sock: socket.socket, until: float) -> Message:
    """Wait for a message until `until`, a moment of the monotonic clock.

    Raises:
        PipeError: The other end is gone, said nothing in time, or what it said is no message.

    """
    (length,) = _LENGTH.unpack(_read(sock, _LENGTH.size, until))
    if length > MOST_BYTES:
        raise PipeError(f"a frame of {length} bytes")
    try:
        message = orjson.loads(_read(sock, length, until))
    except orjson.JSONDecodeError as error:
        raise PipeError("a frame that is not JSON") from error
    if not isinstance(message, dict):
        raise PipeError("a frame that is no object")
    return message


def _read(sock: socket.socket, count: int, until: float) -> bytes:
    found = bytearray()
    while len(found) < count:
        _within(sock, until)
        try:
            part = sock.recv(min(count - len(found), 1 << 20))
        except TimeoutError as error:
            raise PipeError("no answer in time") from error
        except OSError as error:
            raise PipeError(f"receiving failed: {error}") from error
        if not part:
            raise PipeError("the other end is gone")
        found += part
    return bytes(found)


def _within(sock: socket.socket, until: float) -> None:
    """Let the next call on the socket wait for what is left."""
    left = until - time.monotonic()
    if left <= 0:
        raise PipeError("no answer in time")
    sock.settimeout(min(left, 3600.0))
