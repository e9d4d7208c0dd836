"""Features by one spawned process behind a pipe, so that who serves need not import polars."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import structlog

from app.domain.errors import BusyError
from app.domain.feature_catalogue import NAMES
from app.scoring.process_frames import PipeError
from app.scoring.process_link import Link

_log = structlog.get_logger(__name__)

_PROGRAM: Final = "from app.scoring.observing_child import run; run()"
_PAUSE_S: Final = 1.0


class ObservingError(BusyError):
    """Features cannot be computed of these customers' data, by a process that is there.

    Who asks is answered as by any `BusyError`: the last score stays, and the customer is due. Who
    works off many tries each by itself, without the pauses that a process to be restarted needs.
    """

    @classmethod
    def of(cls, reason: str) -> Self:
        """Tell the first line of a reason; a library may write an essay."""
        return cls(f"features cannot be computed: {reason.partition(chr(10))[0][:500]}")


@dataclass(frozen=True, slots=True)
class Copies:
    """What features are computed from: copies of ledgers by name, and rates of all customers."""

    parts: Mapping[str, bytes]
    background: Sequence[Mapping[str, object]]


@dataclass(slots=True)
class FeatureProcess:
    """One child, started when it is first needed; one question at a time. Thread-safe.

    `answer_s` is the longest wait, for one's turn too.
    """

    answer_s: float = 10.0
    _link: Link | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _not_before: float = 0.0

    def __call__(
        self, copies: Copies, asks: Sequence[Mapping[str, object]]
    ) -> list[dict[str, float | None]]:
        """Compute all features of the catalogue for each ask, in order.

        An ask has the columns of an observation (`app/scoring/frames.py`), `as_of` as YYYY-MM-DD.

        Raises:
            BusyError: The process is away or too slow; a question that comes after a pause of a
                second starts another one.
            ObservingError: The features of these cannot be computed.

        """
        message = {
            "parts": {name: data.decode() for name, data in copies.parts.items()},
            "background": list(copies.background),
            "asks": list(asks),
        }
        if not self._turn.acquire(timeout=self.answer_s):
            raise BusyError("features take too long; ask again")
        try:
            told = self._reach().ask(message, self.answer_s)
        except PipeError as error:
            self._drop()
            raise BusyError(f"features are out of reach: {error}") from error
        finally:
            self._turn.release()
        if "error" in told:
            _log.error("features_not_computed", customers=len(asks), reason=told["error"])
            raise ObservingError.of(told["error"])
        return [dict(zip(NAMES, row, strict=True)) for row in told["rows"]]

    def stop(self) -> None:
        """End the child; a question that comes later starts another one."""
        with self._turn:
            if self._link is not None:
                self._link.kill()
                self._link = None

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return None if self._link is None else self._link.pid

    def _reach(self) -> Link:
        """Give the child, a new one if need be.

        Raises:
            BusyError: A new one is not due yet. Who asks meanwhile is no failure of the child's:
                the pause grows no longer by it, however many ask.
            PipeError: It does not start.

        """
        if self._link is None:
            if time.monotonic() < self._not_before:
                raise BusyError("features are out of reach: their process is being restarted")
            self._link = Link(program=_PROGRAM)
        return self._link

    def _drop(self) -> None:
        if self._link is not None:
            self._link.kill()
            self._link = None
        self._not_before = time.monotonic() + _PAUSE_S
        _log.error("feature_process_failed")
