"""UUIDv7 from a counter: ordered within a process, without a system call each."""

import secrets
import threading
import time
from typing import Final

_NODE_BITS: Final = 62
_TAIL: Final = (1 << 48) - 1
_MANY: Final = 1 << 12
_DIGITS: Final = [f"{count:03x}" for count in range(_MANY)]


class IdSource:
    """Gives ids whose text order is the order in which they were given by this source.

    48 bits of milliseconds, a 12 bit counter within the millisecond, and 62 bits that were drawn
    once, so that two processes never meet.
    """

    def __init__(self) -> None:
        """Draw the random part."""
        node = secrets.randbits(_NODE_BITS)
        self._tail = f"-{0x8000 | node >> 48:04x}-{node & _TAIL:012x}"
        self._head, self._millis, self._count = "", 0, 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """Give the next id."""
        with self._lock:  # handlers in threads share it with the lanes
            millis, count = time.time_ns() // 1_000_000, self._count + 1
            if millis <= self._millis and count < _MANY:  # a batch draws thousands within one
                self._count = count
                return self._head + _DIGITS[count] + self._tail
            # a clock that was set back, or a full millisecond: go on with the next one
            self._millis = millis = max(millis, self._millis + 1)
            self._count = 0
            self._head = f"{millis >> 16:08x}-{millis & 0xFFFF:04x}-7"
            return self._head + _DIGITS[0] + self._tail
