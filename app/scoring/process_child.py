"""A scoring process, with arguments HANDLE SECONDS; `process_link` starts it.

It holds boosters by key and answers one frame after the other. HANDLE is a socket it inherits;
SECONDS limits its processor time (0: none). It ends when the other end is gone, and has neither
settings nor database: it is given texts that were checked, and rows.
"""

import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Final, NoReturn

import lightgbm

from app.scoring.boosters import as_matrix, contributions, load_booster, log_odds
from app.scoring.process_frames import Message, PipeError, receive_frame, send_frame

MOST_MEMORY: Final = 4 << 30
"""Address space in bytes: far above what models need, below what would harm the machine."""

_LOOKS_S: Final = 1.0
_PATIENCE_S: Final = 10.0 * 365 * 86_400
_SENDING_S: Final = 60.0


class Child:
    """Boosters by key (`name/version`), and what can be asked of them."""

    def __init__(self) -> None:
        """Begin without a model."""
        self._boosters: dict[str, lightgbm.Booster] = {}
        self._acts: dict[str, Callable[[Message], Message]] = {
            "load": self._load,
            "keep": self._keep,
            "predict": self._predict,
        }

    def answer(self, message: Message) -> Message:
        """Do what a message asks; what LightGBM refuses is said as `error`."""
        try:
            return self._acts[message["do"]](message)
        except lightgbm.basic.LightGBMError as error:
            return {"error": str(error)[:500]}

    def _load(self, message: Message) -> Message:
        """Load a text and predict the golden rows by it, so that it is used before it serves."""
        booster = load_booster(message["text"])
        golden = as_matrix(message["golden"])
        answer = {
            "log_odds": log_odds(booster, golden).tolist(),
            "sums": contributions(booster, golden).sum(axis=1).tolist(),
            "features": booster.feature_name(),
            "library": lightgbm.__version__,
        }
        self._boosters[message["key"]] = booster
        return answer

    def _keep(self, message: Message) -> Message:
        """Forget every model but those named."""
        for key in self._boosters.keys() - set(message["keys"]):
            del self._boosters[key]
        return {"keys": sorted(self._boosters)}

    def _predict(self, message: Message) -> Message:
        answers: list[Message] = []
        for ask in message["asks"]:
            booster = self._boosters.get(ask["key"])
            if booster is None:
                answers.append({"missing": True})
                continue
            matrix = as_matrix(ask["rows"])
            found: Message = {"log_odds": log_odds(booster, matrix).tolist()}
            if ask["reasons"]:
                found["contributions"] = contributions(booster, matrix).tolist()
            answers.append(found)
        return {"answers": answers}


def limit(seconds: int) -> None:
    """Bound what this process may take: memory; processor time and no file where `seconds`."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    if seconds:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def end_with_parent(parent: int) -> None:
    """End this process when its parent is gone, also while LightGBM is busy."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOKS_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def run() -> NoReturn:
    """Answer frames until the other end is gone."""
    handle, seconds = int(sys.argv[1]), int(sys.argv[2])
    limit(seconds)
    end_with_parent(os.getppid())
    os.dup2(2, 1)  # LightGBM writes to stdout what it has to say
    child = Child()
    with socket.socket(fileno=handle) as sock:
        try:
            send_frame(sock, {"ready": lightgbm.__version__}, time.monotonic() + _SENDING_S)
            while True:
                message = receive_frame(sock, time.monotonic() + _PATIENCE_S)
                send_frame(sock, child.answer(message), time.monotonic() + _SENDING_S)
        except PipeError:
            sys.exit(0)
