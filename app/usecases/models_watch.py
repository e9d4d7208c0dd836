"""Keep this process's models those of the registry: another process may promote at any time."""

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Final

import structlog

from app.domain.errors import BusyError
from app.scoring.process import ScoringProcess
from app.usecases.models_loading import RefreshModels

_log = structlog.get_logger(__name__)

_STOP_S: Final = 60.0


@dataclass(slots=True)
class ModelWatch:
    """One thread that looks every `every_s` seconds and whenever it is woken; starts the pipe.

    Nothing waits for it at start: until a model is loaded, `standing` says that there is none.
    """

    refresh: RefreshModels
    process: ScoringProcess
    every_s: float
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopping: bool = False
    _thread: threading.Thread | None = None

    async def start(self) -> None:
        """Begin to look."""
        self.begin()

    async def stop(self) -> None:
        """Stop looking and end the scoring process."""
        await asyncio.to_thread(self.end)

    def begin(self) -> None:
        """Begin to look, for whoever has no event loop; after `end`, begin anew."""
        self._stopping = False
        self._wake.clear()
        self.process.start()
        self._thread = threading.Thread(target=self._run, name="model-watch", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop looking and end the scoring process, for whoever has no event loop."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)
        self.process.stop()

    def wake(self) -> None:
        """Look now: something was moved here."""
        self._wake.set()

    def alive(self) -> bool:
        """Tell whether it still looks."""
        return self._thread is not None and self._thread.is_alive() and self.process.alive()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self.refresh()
            except BusyError as busy:
                _log.warning("models_not_refreshed", reason=busy.detail)
            except OSError as trouble:  # no room, no handles: it must not end the watch for good
                _log.warning("models_not_refreshed", reason=str(trouble))
            self._wake.wait(self.every_s)
            self._wake.clear()
