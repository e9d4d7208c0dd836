"""Score on demand beside MLflow: `python -m bench.scoring`, on a quiet machine.

Both serve the same booster to 8 connections, in turns. Aval reads the customer's ledger, computes
features, predicts, explains by exact TreeSHAP, stores the score and answers with reasons; `mlflow
models serve` is given the features and predicts. MLflow is installed into an environment of its
own below a temporary folder, from the package registry; `AVAL_BENCH_MLFLOW_PYTHON` names a Python
that has it. Where it cannot be had, its row says why.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Final

from app.domain.feature_catalogue import CATALOGUE
from bench import databases, figures
from bench.asks import head
from bench.databases import Side
from bench.load import Plan, Requests
from bench.processes import Group
from bench.rounds import Meter, Row, meter, say
from bench.scoring_booster import FEATURES
from bench.seeds import Size, seed
from bench.servers import NotRunningError, Server, aval, mlflow

CONNECTIONS: Final = 8
CUSTOMERS: Final = 500
GIVEN: Final = "AVAL_BENCH_MLFLOW_PYTHON"

ON_DEMAND: Final = "score on demand, with reasons"
PREDICTED: Final = "mlflow models serve, same booster, no reasons"


@dataclass(frozen=True, slots=True)
class Scores:
    """Customers drawn at random are scored now, by the model."""

    token: str
    run: int
    wanted: bytes = b'"source":"model"'
    size: int = 1

    def requests(self, place: int) -> Iterator[bytes]:
        """Write the requests of one connection."""
        draw = Random(f"{self.run} {place}").randrange
        while True:
            path = f"/v1/customers/B-{draw(CUSTOMERS)}/score"
            start = head("POST", path, self.token)
            yield start + b"\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass(frozen=True, slots=True)
class Rows:
    """One row of features a request."""

    wanted: bytes = b'"predictions":'
    size: int = 1

    def requests(self, place: int) -> Iterator[bytes]:
        """Write the requests of one connection."""
        draw = Random(place).random
        names = [one.name for one in CATALOGUE[:FEATURES]]
        start = head("POST", "/invocations", "")
        while True:
            row = [round(draw() * 30, 3) for _ in names]
            told = {"dataframe_split": {"columns": names, "data": [row]}}
            body = json.dumps(told).encode()
            length = f"Content-Length: {len(body)}".encode()
            yield start + b"\r\nContent-Type: application/json\r\n" + length + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured: who is asked, by which requests."""

    what: str
    server: Server
    source: Requests


def main() -> int:
    """Measure in turns and print rates and their ratio; exit 1 if an answer was not as wished."""
    seconds, rounds = (float(sys.argv[1]), 3) if len(sys.argv) > 1 else (5.0, 3)
    found = figures.Found()
    with tempfile.TemporaryDirectory(prefix="aval-bench-") as name, meter(found) as counter:
        folder = Path(name)
        model = folder / "model"
        _run(sys.executable, "-m", "bench.scoring_booster", str(model))
        with databases.embedded(folder / figures.EMBEDDED) as side:
            _prepare(side, folder, model)
            _in_turns(counter, side, folder, (model, seconds, rounds))
    rates = {}
    for key, tally in found.tallies.items():
        rates[key.what] = tally.rate
        middle, late = tally.percentiles_ms(50, 99)
        cpu_ms = tally.each_us(tally.service_s) / 1000
        print(f"{key.what}: {tally.rate:.0f}/s, p50 {middle:.1f} ms, p99 {late:.1f} ms,", end=" ")
        print(f"CPU of its processes {cpu_ms:.2f} ms each, odd answers {tally.odd}")
    for (what, _), why in found.missing.items():
        print(f"{what}: {why}")
    if len(rates) == len((ON_DEMAND, PREDICTED)):
        print(f"ratio: {rates[ON_DEMAND] / rates[PREDICTED]:.2f}")
    for failure in counter.failures:
        print(f"broke off: {failure}")
    return 1 if counter.failures or any(tally.odd for tally in found.tallies.values()) else 0


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode:
        raise NotRunningError((done.stderr.strip().splitlines() or ["it failed"])[-1])
    return done.stdout


def _prepare(side: Side, folder: Path, model: Path) -> None:
    """Make customers, and let the booster be champion."""
    say(f"making {CUSTOMERS} customers and a champion")
    seed(side, Size(CUSTOMERS, members=1))
    state = folder / figures.EMBEDDED
    origin = str(model / "origin.json")
    aval(state, side.url, "model", "import", str(model), "--origin", origin)
    aval(state, side.url, "model", "promote", "bench", "1", "--reason", "bench")


def _in_turns(counter: Meter, side: Side, folder: Path, told: tuple[Path, float, int]) -> None:
    model, seconds, rounds = told
    ours = Asked(ON_DEMAND, side.service, Scores(side.token, 1))
    try:
        with _mlflow(folder, model) as server:
            for _ in range(rounds):
                for asked in (ours, Asked(PREDICTED, server, Rows())):
                    _measure(counter, asked, seconds)
    except NotRunningError as missing:
        counter.found.missing[PREDICTED, figures.NOWHERE] = str(missing)
        _measure(counter, ours, seconds)


def _measure(counter: Meter, asked: Asked, seconds: float) -> None:
    port = asked.server.port
    row = Row(asked.what, figures.NOWHERE, port, "", CUSTOMERS, Group(asked.server.pid))
    counter.measure(row, Plan(port, asked.source, CONNECTIONS, seconds, 1.0))


@contextmanager
def _mlflow(folder: Path, model: Path) -> Iterator[Server]:
    """Serve the booster by MLflow until the block ends.

    Raises:
        NotRunningError: It cannot be had, or does not start.

    """
    python = os.environ.get(GIVEN) or _install(folder / "mlflow")
    with mlflow(Path(python), model, folder / "mlflow.log") as server:
        yield server


def _install(place: Path) -> str:
    say("installing mlflow")
    _run(sys.executable, "-m", "venv", str(place))
    python = str(place / "bin" / "python")
    booster = f"lightgbm=={version('lightgbm')}"
    _run(python, "-m", "pip", "install", "--quiet", "mlflow", booster)
    return python


if __name__ == "__main__":
    sys.exit(main())
