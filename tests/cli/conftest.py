"""Commands run in the process of the test: a process of its own is seconds of imports."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from app.cli.main import execute


@dataclass(frozen=True)
class Ran:
    """How a command ended; `err` without lines of progress."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Commands:
    """Runs `aval` in this process on the test's database."""

    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ran:
        """Run one command."""
        code = execute(arguments)
        said = self.capture.readouterr()
        lines = [one for one in said.err.splitlines() if not one.startswith("aval: import: ")]
        return Ran(code, said.out, "\n".join(lines))


@pytest.fixture
def run_aval(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Commands]:
    """Give the commands; what they do to the log is undone."""
    monkeypatch.setenv("AVAL_DATABASE_URL", database_url)
    monkeypatch.setenv("AVAL_STATE_DIR", str(tmp_path / "state"))
    root, log = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    yield Commands(capsys)
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**log)
