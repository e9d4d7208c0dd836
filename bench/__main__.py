"""`make bench`: the service beside a bare echo, in one run; prints a table, writes `RESULTS.md`."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from app.store.checker import check_ledger
from app.store.embedded import running_url
from bench import servers
from bench.load import Plan, Tally, Target, drive, request, send_all
from bench.report import machine, page, table, told_busy

RESULTS: Final = Path(__file__).with_name("RESULTS.md")
LEVELS: Final = (1, 8, 32)
WARM_S: Final = 0.4
LIMIT: Final = {"amount": "10000000000000.00", "currency": "CNY"}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A name for the table, where its requests go, and how many customers they are spread over."""

    name: str
    target: Target
    customers: int


@dataclass(frozen=True, slots=True)
class Run:
    """How long each measurement takes, how often it is repeated, and over how many customers."""

    seconds: float
    rounds: int
    customers: int


def main() -> int:
    """Run everything; exit 1 if an answer was not as wished or the checker found a difference."""
    run = _arguments()
    busy, began_s = told_busy(), time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="aval-bench-") as folder,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as load,
    ):
        state = Path(folder) / "state"
        with servers.echo(Path(folder)) as echo_port, servers.service(state) as port:
            token = (state / "api-key").read_text(encoding="ascii").strip()
            refused = load.submit(send_all, port, list(_customers(token, run.customers))).result()
            refused += load.submit(send_all, port, list(_limits(token, run.customers))).result()
            scenarios = _scenarios(echo_port, port, token, run.customers)
            found = _measure(load, scenarios, run)
            url = running_url(state) or ""
            report, told = check_ledger(url), machine(url, state)
    odd = refused + sum(tally.odd for tally in found.values())
    remarks = [
        (
            f"{run.rounds} rounds of {run.seconds:g} s each, {run.customers} customers;"
            f" {time.monotonic() - began_s:.0f} s in all"
        ),
        f"before it, other programs kept the processors busy by {busy}",
        f"answers that were not an approval: {odd}",
        f"`aval check-ledger` after it: {report}",
    ]
    measured = table([one.name for one in scenarios], LEVELS, found)
    _say("")
    print("\n".join([*told, "", measured, "", *remarks]))
    RESULTS.write_text(page(told, measured, remarks), encoding="utf-8")
    return 0 if odd == 0 and report.clean else 1


def _arguments() -> Run:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=2, help="how often each is repeated")
    parser.add_argument("--customers", type=int, default=500)
    return Run(**vars(parser.parse_args()))


def _scenarios(echo_port: int, port: int, token: str, customers: int) -> list[Scenario]:
    authorize = Target(port, "/v1/authorizations", token)
    return [
        Scenario("echo", Target(echo_port, "/v1/authorizations"), customers),
        Scenario("limit check", Target(port, "/v1/limit-checks", token), customers),
        Scenario(f"authorization, {customers} customers", authorize, customers),
        Scenario("authorization, one customer", authorize, 1),
    ]


def _customers(token: str, count: int) -> Iterator[bytes]:
    for number in range(count):
        head = Target(0, f"/v1/customers/B-{number}", token).head("PUT")
        yield request(head, f"customer-{number}", json.dumps({"name": f"B-{number}"}).encode())


def _limits(token: str, count: int) -> Iterator[bytes]:
    body = {"kind": "base", "limit": LIMIT, "valid_from": "2020-01-01", "reason": "bench"}
    for number in range(count):
        head = Target(0, f"/v1/customers/B-{number}/limits", token).head()
        yield request(head, f"limit-{number}", json.dumps(body).encode())


def _say(what: str) -> None:
    """Show on a terminal what goes on, in one line that is written over."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{what}\x1b[K")


def _measure(
    load: ProcessPoolExecutor, scenarios: list[Scenario], run: Run
) -> dict[tuple[str, int], Tally]:
    """Let the scenarios take turns at each number of connections."""
    found = {(one.name, level): Tally() for one in scenarios for level in LEVELS}
    for level in LEVELS:
        for turn in range(run.rounds):
            for one in scenarios if turn % 2 == 0 else reversed(scenarios):
                place = f"{scenarios.index(one)}-{level}-{turn}"
                _say(f"{one.name}, {level} connections")
                plan = Plan(one.target, level, one.customers, place, run.seconds, WARM_S)
                found[one.name, level].add(load.submit(drive, plan).result())
    return found


if __name__ == "__main__":
    sys.exit(main())
