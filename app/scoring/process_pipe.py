"""The thread that owns the pipe to a scoring process: frames out, answers in, restarts between."""

import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

import structlog

from app.domain.errors import BusyError, CreditError
from app.domain.errors_models import ModelRefusedError
from app.domain.models import Prediction
from app.scoring.loadable import Loadable
from app.scoring.process_frames import Message, PipeError
from app.scoring.process_link import Link
from app.telemetry.scoring import SCORING_SECONDS, SCORING_STARTS

_log = structlog.get_logger(__name__)

_FIRST_PAUSE_S: Final = 0.25
_STOP_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """Seconds and rows.

    `answer_s` is the longest wait of who asks, `load_s` the longest that a model may take to load,
    `most_pause_s` the longest pause between two starts after failures in a row. `most_rows` may
    wait at once, `frame_rows` go in one frame.
    """

    answer_s: float = 5.0
    load_s: float = 30.0
    most_pause_s: float = 30.0
    most_rows: int = 20_000
    frame_rows: int = 2_000


@dataclass(slots=True)
class Ask:
    """Rows for one version, in its order of features; who waits gives up by cancelling."""

    model: Loadable
    rows: list[tuple[float | None, ...]]
    reasons: bool
    answer: "Future[list[Prediction]]" = field(default_factory=Future)


@dataclass(slots=True)
class Keep:
    """The versions that the process must hold from now on; others are forgotten."""

    models: tuple[Loadable, ...]
    answer: "Future[None]" = field(default_factory=Future)


class Pipe:
    """One thread, one child at a time, started when the first version is to be held."""

    def __init__(self, limits: ProcessLimits) -> None:
        """Make it; `start` begins."""
        self._limits = limits
        self._inbox: queue.SimpleQueue[Ask | Keep | None] = queue.SimpleQueue()
        self._thread = self._made()
        self._link: Link | None = None
        self._wanted: tuple[Loadable, ...] = ()
        self._held: set[str] = set()
        self._failures = 0
        self._not_before = 0.0

    def _made(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="scoring-pipe", daemon=True)

    def start(self) -> None:
        """Begin to take what is put; after `stop`, begin anew with what was held."""
        if self._thread.ident is not None:  # a thread starts once
            self._thread = self._made()
        self._thread.start()

    def stop(self) -> None:
        """Answer what was put before, then end the child and the thread."""
        if self._thread.is_alive():
            self._inbox.put(None)
            self._thread.join(_STOP_S + self._limits.answer_s)

    def put(self, message: Ask | Keep) -> None:
        """Queue something; its future is resolved, whatever happens."""
        self._inbox.put(message)

    def alive(self) -> bool:
        """Tell whether questions are still taken."""
        return self._thread.is_alive()

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        link = self._link
        return None if link is None else link.pid

    def _run(self) -> None:
        later: Ask | Keep | None = None
        try:
            while True:
                first = later or self._next()
                later = None
                if first is None:
                    return
                if isinstance(first, Keep):
                    self._settle_keep(first)
                else:
                    frame, later, ended = self._gather(first)
                    self._settle_asks(frame)
                    if ended:
                        return
        finally:
            self._drop("stopping")
            self._refuse_rest()

    def _next(self) -> Ask | Keep | None:
        """Wait for a message; a child that is due is started meanwhile, before anybody asks."""
        while True:
            due = self._wanted and self._link is None
            try:
                pause = max(0.01, self._not_before - time.monotonic()) if due else None
                return self._inbox.get(timeout=pause)
            except queue.Empty:
                self._revive()

    def _gather(self, first: Ask) -> tuple[list[Ask], Ask | Keep | None, bool]:
        """Take what waits already, up to a frame; no timer: the last answer was timer enough."""
        frame, rows = [first], len(first.rows)
        while rows < self._limits.frame_rows:
            try:
                other = self._inbox.get_nowait()
            except queue.Empty:
                break
            if other is None:
                return frame, None, True
            if isinstance(other, Keep) or rows + len(other.rows) > self._limits.frame_rows:
                return frame, other, False
            frame.append(other)
            rows += len(other.rows)
        return frame, None, False

    def _settle_asks(self, frame: list[Ask]) -> None:
        asked = [ask for ask in frame if ask.answer.set_running_or_notify_cancel()]
        if not asked:
            return
        try:
            answers = self._exchange(asked)
        except (PipeError, BusyError) as error:
            for ask in asked:
                ask.answer.set_exception(BusyError(f"scoring is out of reach: {error}"))
            return
        for ask, answer in zip(asked, answers, strict=True):
            _resolve(ask, answer)

    def _exchange(self, asked: list[Ask]) -> list[Message]:
        message = {
            "do": "predict",
            "asks": [
                {"key": ask.model.key, "rows": ask.rows, "reasons": ask.reasons} for ask in asked
            ],
        }
        began = time.perf_counter()
        answers: list[Message] = self._ask(message, self._limits.answer_s)["answers"]
        SCORING_SECONDS.observe(time.perf_counter() - began)
        return answers

    def _settle_keep(self, keep: Keep) -> None:
        """Load what is new before what is old is forgotten; on failure all stays as it was."""
        if not keep.answer.set_running_or_notify_cancel():
            return
        before = self._wanted
        try:
            for one in keep.models:
                if one.key not in self._held:
                    self._load(one)
            self._wanted = keep.models
            self._forget()
        except (PipeError, CreditError) as error:
            self._wanted = before
            refusal = error if isinstance(error, CreditError) else BusyError(str(error))
            keep.answer.set_exception(refusal)
        else:
            keep.answer.set_result(None)

    def _load(self, one: Loadable) -> None:
        try:
            one.check_loaded(self._ask(one.load_message(), self._limits.load_s))
        except ModelRefusedError:
            self._forget()
            raise
        self._held.add(one.key)

    def _forget(self) -> None:
        keys = {one.key for one in self._wanted}
        if self._link is not None:
            self._ask({"do": "keep", "keys": sorted(keys)}, self._limits.answer_s)
            self._held &= keys

    def _ask(self, message: Message, timeout_s: float) -> Message:
        """Ask the child, a new one if need be; one that fails is ended at once.

        Raises:
            PipeError: It failed, or a new one is not due yet.

        """
        if self._link is None:
            self._revive()
        if self._link is None:
            raise PipeError("it is being restarted")
        try:
            return self._link.ask(message, timeout_s)
        except PipeError as error:
            self._drop(str(error))
            raise

    def _revive(self) -> None:
        """Start a child with all it must hold, if the pause is over."""
        if time.monotonic() < self._not_before:
            return
        try:
            self._link = Link()
            for one in self._wanted:
                one.check_loaded(self._link.ask(one.load_message(), self._limits.load_s))
                self._held.add(one.key)
        except (PipeError, ModelRefusedError, OSError) as error:  # no room, no handles
            SCORING_STARTS.labels("failed").inc()
            self._drop(str(error))
            return
        self._failures = 0
        SCORING_STARTS.labels("ready").inc()
        _log.info("scoring_process_ready", pid=self._link.pid, models=len(self._wanted))

    def _drop(self, reason: str) -> None:
        """End the child; the next one waits longer after each failure in a row."""
        link, self._link = self._link, None
        self._held.clear()
        if link is not None:
            link.kill()
        if reason == "stopping":
            return
        pause = min(self._limits.most_pause_s, _FIRST_PAUSE_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        self._not_before = time.monotonic() + pause
        _log.error("scoring_process_failed", reason=reason, pause_s=pause)

    def _refuse_rest(self) -> None:
        while True:
            try:
                left = self._inbox.get_nowait()
            except queue.Empty:
                return
            if left is not None and left.answer.set_running_or_notify_cancel():
                left.answer.set_exception(BusyError("the scoring process is stopping"))


def _resolve(ask: Ask, answer: Message) -> None:
    """Give one asker its predictions, or why there are none."""
    if "missing" in answer:
        ask.answer.set_exception(BusyError("this version is not loaded any more; ask again"))
        return
    try:
        ask.answer.set_result(ask.model.read(answer, reasons=ask.reasons))
    except BusyError as error:
        ask.answer.set_exception(error)
