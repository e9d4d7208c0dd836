"""A process that computes features: its arguments are HANDLE and SECONDS.

HANDLE is a socket it inherits; SECONDS is not looked at. It is given copies of ledgers and answers
rows of features, by the same function that training uses; it ends when the other end is gone.
"""

import socket
import sys
import time
from datetime import date
from typing import Any, Final, NoReturn

import polars as pl

from app.scoring.features import feature_frame
from app.scoring.frames_csv import ledger_of
from app.scoring.process_frames import Message, PipeError, receive_frame, send_frame

_PATIENCE_S: Final = 10.0 * 365 * 86_400
_SENDING_S: Final = 60.0


def answer(message: Message) -> Message:
    """Compute the features of `asks` from `parts`; a row each, in the order of the catalogue."""
    parts = {name: text.encode() for name, text in message["parts"].items()}
    background = [_dated(one, "day") for one in message["background"]]
    asked = pl.DataFrame(
        [_dated(one, "as_of") for one in message["asks"]], infer_schema_length=None
    )
    frame = feature_frame(ledger_of(parts, background), asked)
    return {"rows": frame.rows()}


def _dated(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {**row, name: date.fromisoformat(row[name])}


def run() -> NoReturn:
    """Answer frames until the other end is gone; what cannot be computed is said as `error`."""
    with socket.socket(fileno=int(sys.argv[1])) as sock:
        try:
            send_frame(sock, {"ready": pl.__version__}, time.monotonic() + _SENDING_S)
            while True:
                message = receive_frame(sock, time.monotonic() + _PATIENCE_S)
                try:
                    told = answer(message)
                except Exception as error:  # noqa: BLE001 - told to who asked, who raises it there
                    told = {"error": f"{type(error).__name__}: {error}"[:2000]}
                send_frame(sock, told, time.monotonic() + _SENDING_S)
        except PipeError:
            sys.exit(0)
