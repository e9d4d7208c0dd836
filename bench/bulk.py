"""Large requests: batches of authorizations, and facts in bulk with pgbench beside them."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from itertools import count
from typing import Final

import psycopg

from bench import facts, figures
from bench.asks import head, request
from bench.databases import Side
from bench.figures import Key
from bench.load import Plan
from bench.reach import LEVEL
from bench.rounds import Meter, Row, of_aval, say
from bench.tallies import Tally

_REST_S: Final = 2.0
"""What was measured before leaves work to the server and to `aval work`."""

BATCH: Final = 1_000
"""Authorizations of a batch, and events of a request at the numbers of connections."""


@dataclass(frozen=True, slots=True)
class Reports:
    """Mixed facts, `size` a request; every connection reports on other customers `B-…`."""

    run: str
    customers: int
    token: str
    size: int = BATCH
    wanted: bytes = b'"result":"applied"'

    def requests(self, place: int) -> Iterator[bytes]:
        """Write the requests of one connection, one deal of five documents after the other."""
        start, sender = head("POST", "/v1/ledger-events", self.token), f"{self.run}-{place}"
        for number in count():
            events = [
                facts.mixed(sender, event) | {"customer_id": self._customer(place, event // 5)}
                for event in range(number * self.size, (number + 1) * self.size)
            ]
            yield request(start, f"{sender}-{number}", json.dumps({"events": events}).encode())

    def _customer(self, place: int, deal: int) -> str:
        return f"B-{(place * BATCH + deal % BATCH) % self.customers}"


def in_batches(
    meter: Meter, side: Side, echo: Row, customers: int, each: Mapping[int, int]
) -> None:
    """Authorize in batches; `each` is how many a connection, by the number of connections.

    The echo is asked before and after each of them, when the machine has rested, and compared with
    that one alone: its pace changes within minutes.
    """
    refusal = _probe(side)
    if refusal:
        meter.found.missing[figures.BATCH, side.name] = refusal
        return
    row = of_aval(side, figures.BATCH, "batch", customers, size=BATCH)
    beside = replace(echo, what=figures.BESIDE, side=side.name)
    for connections, batches in each.items():
        before = _ask_echo(meter, beside, connections)
        done = meter.whole(row, row.source(meter.next_run()), connections, batches)
        after = _ask_echo(meter, beside, connections)
        if done is not None and before is not None and after is not None:
            tally = meter.found.tallies[Key(row.what, row.side, connections)]
            tally.besides.append((before + after) / 2)


def reporting(meter: Meter, side: Side, customers: int, each: Mapping[int, int]) -> None:
    """Report facts; `each` is how many requests a connection, by the number of connections."""
    row = of_aval(side, figures.REPORTS, "", customers)
    for connections, requests in each.items():
        source = Reports(f"r{meter.next_run()}", customers, side.token)
        meter.whole(row, source, connections, requests)


def beside_pgbench(meter: Meter, side: Side, turns: int) -> None:
    """Report facts in the largest requests and run pgbench on the same server, in turns."""
    say(f"facts and pgbench on {side.name}")
    try:
        rows = facts.measure(side.url, side.service.port, side.token, turns=turns)
    except (AssertionError, OSError, psycopg.Error) as error:
        meter.failures.append(f"facts in bulk on {side.name}: {error}")
        meter.found.missing[figures.FACTS, side.name] = str(error)
        return
    clients = {load.name: load.senders for load in facts.LOADS}
    for row in rows:
        if row.rate is None:
            meter.found.missing[row.name, side.name] = row.how
        else:
            what = row.name.removesuffix(", two senders")
            key = figures.Key(what, side.name, clients.get(row.name, facts.CLIENTS))
            meter.found.add(key, Tally(seconds=1.0, items=round(row.rate)))


def _ask_echo(meter: Meter, beside: Row, batches_at: int) -> float | None:
    time.sleep(_REST_S)
    plan = Plan(beside.port, beside.source(meter.next_run()), LEVEL, 1.0, 0.3)
    return meter.measure(beside, plan, batches_at)


def _probe(side: Side) -> str:
    """Ask for an empty batch: what is there refuses it with 422; empty, or why there is none."""
    path = "/v1/authorizations/batch"
    wire = HTTPConnection("127.0.0.1", side.service.port, timeout=10)
    headers = {"Authorization": f"Bearer {side.token}", "Content-Type": "application/json"}
    wire.request("POST", path, '{"items":[]}', headers)
    status = wire.getresponse().status
    wire.close()
    return f"POST {path} answers {status}" if status in {404, 405} else ""
