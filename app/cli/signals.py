"""What ends a process in order: an interrupt, a request, and the end of its terminal."""

import signal
import sys
from types import FrameType
from typing import NoReturn


def endings() -> tuple[signal.Signals, ...]:
    """Give the signals that end this process; SIGHUP only where it is not ignored, as by nohup."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return (signal.SIGINT, signal.SIGTERM)
    return (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def unwind(number: int, _: FrameType | None) -> NoReturn:
    """Leave by way of all that is to be tidied up, as an embedded database; once is enough.

    A terminal that is closed may say so twice, and a second exit would break off the first.
    """
    for one in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    sys.exit(128 + number)
