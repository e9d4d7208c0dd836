"""Training as its parent sees it: a folder with the data and the wish, a process, a folder back.

A program of its own and never a fork: what serves must carry neither polars nor LightGBM, and
training must not take more of the parent than its time. Imports nothing that is heavy.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from app.domain.errors_models import TrainingRefusedError
from app.scoring.process_link import child_environment

REQUEST: Final = "request.json"
"""What is wished for, in the folder; beside it the CSV copies of the ledger."""

RESULT: Final = "package"
"""The folder within the folder where the finished package is."""

REPORT: Final = "report.json"
"""The report, within the package."""

_MODULE: Final = "app.cli.train_child"
_ERRORS: Final = "errors.txt"
_END_S: Final = 10.0


class Halt:
    """Ends a training from another thread: the one that runs, and any that would begin later."""

    def __init__(self) -> None:
        """Nothing is ended before `say`."""
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._said = False

    def say(self) -> None:
        """End it: what it was about to learn is learned another time."""
        with self._lock:
            self._said = True
            if self._process is not None:
                self._process.kill()

    @contextmanager
    def over(self, process: subprocess.Popen[str]) -> Iterator[None]:
        """Hold sway over a process while the block lasts."""
        with self._lock:
            self._process = process
            if self._said:
                process.kill()
        try:
            yield
        finally:
            with self._lock:
                self._process = None


def run_training(folder: Path, told: Callable[[float, str], None], halt: Halt) -> None:
    """Train on what lies in `folder`; the result lies there afterwards. `told` hears how far it is.

    Raises:
        TrainingRefusedError: There is too little to learn from, or the process broke off.

    """
    refused: str | None = None
    with (
        (folder / _ERRORS).open("wb") as errors,
        subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-W", "ignore", "-m", _MODULE, str(folder)],
            env=child_environment(folder),
            stdin=subprocess.PIPE,  # it ends when this is closed, as by the end of this process
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
        halt.over(process),
    ):
        try:
            for line in process.stdout or ():
                refused = _hear(line, told) or refused
            code = process.wait(_END_S)
        finally:
            process.kill()
    if refused is not None:
        raise TrainingRefusedError(refused)
    if code != 0:
        last = (folder / _ERRORS).read_text(errors="replace").strip().splitlines()[-1:]
        raise TrainingRefusedError(f"training ended with code {code}: {''.join(last)}")


def _hear(line: str, told: Callable[[float, str], None]) -> str | None:
    """Take a line of the child: progress, or why it refuses, which is returned."""
    try:
        said = json.loads(line)
    except ValueError:  # a library that speaks on its own
        return None
    match said:
        case {"done": int() | float() as done, "note": str(note)}:
            told(float(done), note)
            return None
        case {"refused": str(why)}:
            return why
        case _:
            return None
