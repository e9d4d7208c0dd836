"""A training ends when it is told to, and with whoever waits for it: it may take minutes."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.domain.errors_models import TrainingRefusedError
from app.scoring.process_link import child_environment
from app.scoring.training import REQUEST, Halt, run_training

PATIENCE_S = 110


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """Make a folder that keeps the process waiting for good: nobody writes the wish."""
    os.mkfifo(tmp_path / REQUEST)
    return tmp_path


def unheard(_done: float, _note: str) -> None:
    pass


def test_one_that_runs_is_ended(endless: Path) -> None:
    halt = Halt()
    timer = threading.Timer(0.5, halt.say)
    timer.start()
    began = time.monotonic()
    with pytest.raises(TrainingRefusedError, match="code -9"):
        run_training(endless, unheard, halt)
    assert time.monotonic() - began < PATIENCE_S
    timer.join()


def test_one_that_would_begin_later_is_ended_too(endless: Path) -> None:
    halt = Halt()
    halt.say()
    with pytest.raises(TrainingRefusedError, match="code -9"):
        run_training(endless, unheard, halt)


def test_one_that_is_through_ends_as_it_means_to(tmp_path: Path) -> None:
    """While its parent lives; without a wish in its folder it is through with an error."""
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli.train_child", str(tmp_path)],
        env=child_environment(tmp_path),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.wait(PATIENCE_S) == 1
        finally:
            process.kill()


def test_one_whose_parent_is_gone_ends_by_itself(endless: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli.train_child", str(endless)],
        env=child_environment(endless),
        stdin=subprocess.PIPE,
    ) as process:
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(PATIENCE_S) == 1
        finally:
            process.kill()
