"""How far a command is: lines where nobody looks at a terminal, a bar where somebody does."""

import os
import subprocess
import sys

import pytest

from app.cli.progress import Shown

PROGRAM = """
from app.cli.progress import Shown
with Shown("training") as shown:
    for step in range(5):
        shown.show(step / 4, f"fit {step} of 4")
        shown._bar.refresh()
"""


def test_a_log_gets_a_line_each_quarter(capsys: pytest.CaptureFixture[str]) -> None:
    with Shown("scoring") as shown:
        for done in range(101):
            shown.show(done / 100, f"{done} customers")
    assert capsys.readouterr().err.splitlines() == [
        "aval: scoring: 25%, 25 customers",
        "aval: scoring: 50%, 50 customers",
        "aval: scoring: 75%, 75 customers",
        "aval: scoring: 100%, 100 customers",
    ]


def read(terminal: int) -> bytes:
    """Read what a terminal was sent; nothing more once its other end is closed."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""


def test_a_terminal_gets_a_bar() -> None:
    ours, theirs = os.openpty()
    try:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
            check=False,
        )
        os.close(theirs)
        shown = b"".join(iter(lambda: read(ours), b"")).decode()
    finally:
        os.close(ours)
    assert ended.returncode == 0
    assert "training" in shown
    assert "50%" in shown
    assert "fit 2 of 4" in shown
