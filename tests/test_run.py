"""`make run` as a new user meets it: a sample ledger, three lines to try, a quick second run."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from app.cli.run import MARK
from app.store.embedded import running_url
from tests.conftest import Here
from tests.server import NO_TLS
from tests.states import put_state
from tests.test_serve import AVAL, environment, free_port

FIRST_S = 150.0
LINE = re.compile(
    r"curl -sS (?P<url>\S+) .*?(?:Idempotency-Key: (?P<key>[^']+)'.*?)?-d '(?P<body>\{.*\})'"
)


@contextmanager
def run_sample(state: Path, output: Path) -> Iterator[list[re.Match[str]]]:
    """Run until the lines to try are printed; ends with Ctrl-C, which must be clean."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            [AVAL, "run", "--port", "0"],
            env=environment(AVAL_STATE_DIR=str(state)),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + FIRST_S
        while "what would unblock it" not in (said := output.read_text(encoding="utf-8")):
            assert process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.05)
        yield list(LINE.finditer(said))
        process.send_signal(signal.SIGINT)
        assert process.wait(FIRST_S) == 0, output.read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait()


def follow(line: re.Match[str], state: Path) -> dict[str, Any]:
    """Do what a printed line does."""
    token = (state / "api-key").read_text(encoding="ascii").strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    if line["key"]:
        headers["Idempotency-Key"] = line["key"]
    answer = httpx2.post(
        line["url"],
        content=line["body"],
        headers=headers,
        timeout=20,
        trust_env=False,
        verify=NO_TLS,
    )
    told: dict[str, Any] = json.loads(answer.content)
    assert answer.is_success, told
    return told


def last_report(state: Path) -> datetime:
    """When the sample's source last reported, which is what makes a ledger stale or not."""
    url = running_url(state)
    assert url is not None
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT max(last_at) FROM feed").fetchone()
    assert found is not None
    at: datetime = found[0]
    return at


@pytest.mark.timeout(320)
def test_three_lines_to_try_and_a_second_run(tmp_path: Path) -> None:
    state, output = tmp_path / "state", tmp_path / "output"
    with run_sample(state, output) as lines:
        check, authorization, held = (follow(line, state) for line in lines)
        reported = last_report(state)
    assert (check["outcome"], check["authorization_id"]) == ("APPROVE", None)
    assert authorization["outcome"] == "APPROVE"
    assert authorization["authorization_id"]
    assert held["outcome"] == "HOLD"
    assert "PAY" in {row["action"] for row in held["unblock"]}
    assert "making a sample ledger" in output.read_text(encoding="utf-8")

    with run_sample(state, output) as lines:
        assert follow(lines[1], state) == authorization
        assert last_report(state) > reported
    assert "making a sample ledger" not in output.read_text(encoding="utf-8")


def test_a_sample_never_goes_into_somebodys_database(tmp_path: Path, here: Here) -> None:
    theirs = "postgresql://nobody@nowhere/x"
    ended = here("run --port 0", AVAL_STATE_DIR=str(tmp_path), AVAL_DATABASE_URL=theirs)
    assert ended.returncode == 2
    assert ended.stderr.startswith("aval: AVAL_DATABASE_URL: must not be set")
    assert list(tmp_path.iterdir()) == []


def test_a_mark_that_says_nothing_of_use_is_one_line(
    tmp_path: Path, ready_state: Path, here: Here
) -> None:
    put_state(ready_state, tmp_path)
    mark = tmp_path / MARK / "state"
    mark.parent.mkdir()
    told = "2026-11-29 compl"
    mark.write_text(told, encoding="utf-8")
    ended = here("run --port 0", AVAL_STATE_DIR=str(tmp_path), AVAL_OPS_PORT=str(free_port()))
    assert ended.returncode != 0
    assert f"{mark}: does not say how far the sample came" in ended.stderr.splitlines()[-1]
    assert mark.read_text(encoding="utf-8") == told
