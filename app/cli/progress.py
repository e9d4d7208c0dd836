"""How far a command is: a bar on a terminal, a plain line now and then elsewhere."""

import sys
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

_STEP: Final = 0.25
"""Without a terminal a line is written each time so much more of the whole is done."""


class Shown:
    """The progress of one piece of work on stderr; use it in a `with`."""

    def __init__(self, what: str) -> None:
        """Name the work, in one word or two."""
        self._what = what
        self._bar: Progress | None = None
        self._next = _STEP
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}%  {task.fields[note]}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=1.0, note="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def show(self, fraction: float, note: str) -> None:
        """Say that `fraction` (0 to 1) is done; `note` counts what it is counted in."""
        if self._bar is not None:
            self._bar.update(self._task, completed=fraction, note=note)
        elif fraction >= self._next:
            line = f"aval: {self._what}: {fraction:.0%}, {note}"
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - the terminal is the reader
            self._next = (fraction // _STEP + 1) * _STEP
