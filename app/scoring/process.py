"""Predictions by one spawned process behind a pipe, so that a model cannot harm who serves.

What is asked while the last answer is on its way goes together in the next frame. One thread owns
the pipe (`process_pipe`); threads wait on a future, asyncio awaits the same one. Whatever goes
wrong (a crash, a hang, a queue too long) is `BusyError` for who asked and a new process for who
comes next, with growing pauses. It is never a wrong score.
"""

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager

from app.domain.errors import BusyError
from app.domain.manifests import Manifest, inputs
from app.domain.models import Alias, Prediction
from app.domain.scores import ModelVersion
from app.scoring.loadable import Loadable
from app.scoring.process_pipe import Ask, Keep, Pipe, ProcessLimits
from app.telemetry.scoring import MODELS_LOADED, SCORING_QUEUE, SCORING_ROWS

Rows = Sequence[Mapping[str, float | None]]
Place = tuple[str, Alias]
"""Where a version stands: a model's name and an alias."""


class ScoringProcess:
    """The parent's side; implements `Scorer`. Thread-safe. A child runs from the first model on."""

    def __init__(self, limits: ProcessLimits | None = None) -> None:
        """Make it, without a thread or a process."""
        self._limits = limits or ProcessLimits()
        self._pipe = Pipe(self._limits)
        self._standing: dict[Place, Loadable] = {}
        self._replaced: dict[Place, Loadable] = {}
        self._changes = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0

    def start(self) -> None:
        """Begin to take questions."""
        self._pipe.start()

    def stop(self) -> None:
        """End the child; questions still waiting are refused."""
        self._pipe.stop()

    def alive(self) -> bool:
        """Tell whether questions are still taken; a child that crashed is no reason against it."""
        return self._pipe.alive()

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return self._pipe.pid

    def standing(self, name: str, alias: Alias = Alias.CHAMPION) -> Manifest | None:
        """Give the version loaded under an alias now, or None; its manifest names the features."""
        found = self._standing.get((name, alias))
        return None if found is None else found.manifest

    def places(self) -> dict[Place, ModelVersion]:
        """Say which version stands where now."""
        return {place: one.model for place, one in self._standing.items()}

    def install(self, place: Place, model: Loadable | None) -> None:
        """Let a version stand somewhere, or none; it was tried elsewhere before.

        It is loaded beside the one it replaces, which serves until then and is kept until the next
        change: who read `standing` a moment ago is still answered.

        Raises:
            ModelRefusedError: The process cannot load it; what stood there still does.
            BusyError: The process is away; what stood there still does.

        """
        with self._changes:
            standing, replaced = dict(self._standing), dict(self._replaced)
            old = standing.pop(place, None)
            if old is not None:
                replaced[place] = old
            if model is not None:
                standing[place] = model
            held = {one.key: one for one in (*standing.values(), *replaced.values())}
            keep = Keep(tuple(one for one in held.values() if one.card is None))
            self._pipe.put(keep)
            try:
                keep.answer.result(self._limits.load_s * (1 + len(keep.models)))
            except FutureTimeoutError:
                keep.answer.cancel()
                raise BusyError("the scoring process is not done loading") from None
            self._standing, self._replaced = standing, replaced
        for alias in Alias:
            count = sum(1 for _, one in standing if one is alias)
            MODELS_LOADED.labels(alias.value).set(count)

    def predict(self, model: ModelVersion, rows: Rows, *, reasons: bool = True) -> list[Prediction]:
        """Predict by exactly this version; see `Scorer`.

        Raises:
            FieldError: A name is unknown to the manifest or left out, or a value is infinite.
            BusyError: The process is away, full or too slow, or the version was replaced.

        """
        found, values = self._prepare(model, rows)
        if found.card is not None:
            return found.points(values)
        with self._counted(len(values)):
            ask = Ask(found, values, reasons)
            self._pipe.put(ask)
            try:
                return ask.answer.result(self._limits.answer_s)
            except FutureTimeoutError:
                ask.answer.cancel()
                raise BusyError("scoring took too long") from None

    async def predict_soon(
        self, model: ModelVersion, rows: Rows, *, reasons: bool = True
    ) -> list[Prediction]:
        """Do what `predict` does without blocking the event loop."""
        found, values = self._prepare(model, rows)
        if found.card is not None:
            return found.points(values)
        with self._counted(len(values)):
            ask = Ask(found, values, reasons)
            self._pipe.put(ask)
            try:
                async with asyncio.timeout(self._limits.answer_s):
                    return await asyncio.wrap_future(ask.answer)
            except TimeoutError:
                raise BusyError("scoring took too long") from None

    def _prepare(
        self, model: ModelVersion, rows: Rows
    ) -> tuple[Loadable, list[tuple[float | None, ...]]]:
        """Find the version and put the rows into its order."""
        for one in (*self._standing.values(), *self._replaced.values()):
            if one.model == model:
                return one, [inputs(one.manifest, row) for row in rows]
        raise BusyError(f"{model.name} version {model.version} is not loaded (any more); ask again")

    @contextmanager
    def _counted(self, rows: int) -> Iterator[None]:
        """Count rows that wait, refuse those beyond the bound, and say how it ended."""
        with self._counting:
            full = self._waiting + rows > self._limits.most_rows
            self._waiting += 0 if full else rows
            SCORING_QUEUE.set(self._waiting)
        if full:
            SCORING_ROWS.labels("busy").inc(rows)
            raise BusyError(f"more than {self._limits.most_rows} rows wait to be scored")
        result = "busy"
        try:
            yield
            result = "done"
        finally:
            SCORING_ROWS.labels(result).inc(rows)
            with self._counting:
                self._waiting -= rows
                SCORING_QUEUE.set(self._waiting)
