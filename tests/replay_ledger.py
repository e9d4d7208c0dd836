"""The main job on a real ledger: every invoice is an order first, then its facts, day by day.

`python -m tests.replay_ledger FILE` replays a ledger file (the columns of `aval import ledger`)
through HTTP against a service of its own, whose clock follows the ledger's days, and checks that
every counter is exact, every decision judges the same again and nothing is owed at the end.
"""

import csv
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

from app.main import create_app
from app.settings import Settings
from app.store.checker import check_ledger
from app.store.database import Database
from app.store.embedded import start_embedded
from app.store.migrate import migrate
from app.telemetry import set_up_log
from app.usecases.decisions import ReplayDecisions
from app.usecases.keys import CreateKey
from tests.server import NO_TLS, Clock, ServiceThread

FIRST_DAY = datetime(2012, 1, 1, tzinfo=UTC)
"""Before the first invoice of the ledger."""

LIMIT_FACTOR = Decimal("1.5")
"""Limits are this times a customer's largest invoice: most orders pass, some are held."""


@dataclass(frozen=True)
class Line:
    """One paid invoice of the ledger."""

    customer_id: str
    invoice_id: str
    issued: date
    due: date
    paid: date
    amount: str
    currency: str

    @property
    def money(self) -> dict[str, str]:
        """The amount as the wire's money."""
        return {"amount": self.amount, "currency": self.currency}


@dataclass
class Tally:
    """What happened: outcomes by kind of question, and facts by result."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, name: str) -> None:
        """Count one."""
        self.counts[name] += 1

    def __str__(self) -> str:
        """List the counts."""
        return ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))


def read_ledger(rows: Iterable[dict[str, str]]) -> list[Line]:
    """Read paid invoices; amounts get the two digits of their currency."""
    return [
        Line(
            row["customer_id"],
            row["invoice_id"],
            date.fromisoformat(row["issue_date"]),
            date.fromisoformat(row["due_date"]),
            date.fromisoformat(row["paid_date"]),
            f"{Decimal(row['amount']):.2f}",
            row["currency"],
        )
        for row in rows
        if row["paid_date"]
    ]


@dataclass
class Replay:
    """Speaks to a service as an ERP would; `clock` is the service's."""

    client: httpx2.Client
    clock: Clock
    tally: Tally = field(default_factory=Tally)

    def run(self, lines: list[Line]) -> Tally:
        """Replay the whole ledger in time order."""
        self.set_up(lines)
        days: dict[date, tuple[list[Line], list[Line]]] = defaultdict(lambda: ([], []))
        for line in lines:
            days[line.issued][0].append(line)
            days[max(line.paid, line.issued)][1].append(line)
        for day in sorted(days):
            # nine in the morning in Shanghai, so that the business date is the ledger's day
            self.clock.at = datetime(day.year, day.month, day.day, 1, tzinfo=UTC)
            issued, paid = days[day]
            for line in issued:
                self.sell(line)
            self.report(_delivery(line, self.clock.at) for line in issued)
            self.report(_invoice(line, self.clock.at) for line in issued)
            self.report(_payment(line, self.clock.at) for line in paid)
        return self.tally

    def set_up(self, lines: list[Line]) -> None:
        """Make every customer, with a limit from its largest invoice."""
        largest: dict[str, Decimal] = defaultdict(Decimal)
        for line in lines:
            largest[line.customer_id] = max(largest[line.customer_id], Decimal(line.amount))
        currency = lines[0].currency
        for customer_id, amount in largest.items():
            path = f"/v1/customers/{quote(customer_id, safe='')}"
            self.send("PUT", path, {"name": customer_id, "currency": currency})
            limit = {"amount": f"{amount * LIMIT_FACTOR:.2f}", "currency": currency}
            body = {"kind": "base", "limit": limit, "valid_from": "2011-01-01", "reason": "replay"}
            self.send("POST", f"{path}/limits", body, key=f"limit {customer_id}")

    def sell(self, line: Line) -> None:
        """Ask before the order, then reserve; a person releases what is held."""
        ask = {
            "customer_id": line.customer_id,
            "check_point": "ORDER",
            "order": {"id": f"SO-{line.invoice_id}", "version": 1},
            "amount": line.money,
        }
        self.tally.add("check " + self.send("POST", "/v1/limit-checks", ask)["outcome"])
        decision = self.send("POST", "/v1/authorizations", ask, key=f"order {line.invoice_id}")
        self.tally.add("authorization " + decision["outcome"])
        if decision["outcome"] == "HOLD":
            path = f"/v1/order-holds/{decision['order_hold_id']}/release"
            body = {"reason_code": "SHIPPED_IN_HISTORY", "note": "the ledger says it went"}
            self.send("POST", path, body, key=f"release {line.invoice_id}")
            self.tally.add("release")

    def report(self, events: Iterator[dict[str, Any]]) -> None:
        """Report facts; every one is applied."""
        batch = list(events)
        if not batch:
            return
        answer = self.send("POST", "/v1/ledger-events", {"events": batch})
        for result in answer["results"]:
            self.tally.add("fact " + result["result"])

    def send(
        self, method: str, path: str, body: dict[str, Any], key: str | None = None
    ) -> dict[str, Any]:
        """Send a request that must succeed."""
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = self.client.request(method, path, json=body, headers=headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        told: dict[str, Any] = answer.json()
        return told


def _event(line: Line, kind: str, at: datetime, **fields: object) -> dict[str, Any]:
    return {
        "source": "replay",
        "event_id": f"{kind} {line.invoice_id}",
        "type": kind,
        "customer_id": line.customer_id,
        "segment": "main",
        "occurred_at": at.isoformat(),
        "version": 1,
        "amount": line.money,
        **fields,
    }


def _delivery(line: Line, at: datetime) -> dict[str, Any]:
    order_id = f"SO-{line.invoice_id}"
    return _event(line, "delivery", at, delivery_id=f"DN-{line.invoice_id}", order_id=order_id)


def _invoice(line: Line, at: datetime) -> dict[str, Any]:
    return _event(
        line,
        "invoice",
        at,
        invoice_id=line.invoice_id,
        issue_date=line.issued.isoformat(),
        due_date=line.due.isoformat(),
        lines=[{"order_id": f"SO-{line.invoice_id}", "amount": line.money}],
    )


def _payment(line: Line, at: datetime) -> dict[str, Any]:
    return _event(
        line,
        "payment",
        at,
        payment_id=f"P-{line.invoice_id}",
        paid_date=line.paid.isoformat(),
        allocations=[{"invoice_id": line.invoice_id, "amount": line.money}],
    )


def exposures(client: httpx2.Client) -> Iterator[tuple[str, str, str]]:
    """List every customer with its exposure and what is still authorized."""
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/v1/customers", params={"limit": "500", **cursor}).json()
        for customer in page["items"]:
            customer_id = customer["customer_id"]
            path = f"/v1/customers/{quote(customer_id, safe='')}/account"
            account = client.get(path).json()
            yield customer_id, account["exposure"]["amount"], account["authorized"]["amount"]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def main(path: Path) -> int:
    """Replay a file against a service on a database of its own; returns the exit status."""
    set_up_log("warning", "console")  # a line a request would bury the result
    clock = Clock(FIRST_DAY)
    with path.open(encoding="utf-8", newline="") as file:
        lines = read_ledger(csv.DictReader(file))
    with (
        tempfile.TemporaryDirectory() as folder,
        start_embedded(Path(folder)) as server,
    ):
        migrate(server.url)
        settings = Settings(state_dir=Path(folder))
        with (
            ServiceThread(create_app(settings, server.url, clock)) as service,
            closing(Database(server.url)) as database,
        ):
            token = CreateKey(database, clock)("replay", ["admin"])
            headers = {"Authorization": f"Bearer {token}"}
            with httpx2.Client(
                base_url=service.url, headers=headers, trust_env=False, verify=NO_TLS
            ) as client:
                tally = Replay(client, clock).run(lines)
                owing = [one for one in exposures(client) if one[1:] != ("0.00", "0.00")]
            replayed = list(ReplayDecisions(database)(FIRST_DAY))
        report = check_ledger(server.url)
    other = [decision_id for decision_id, differences in replayed if differences]
    told = (
        str(tally),
        str(report),
        f"{len(replayed)} decisions judged again, differently: {other or 'none'}",
        f"customers that still owe: {owing or 'none'}",
    )
    sys.stdout.write("\n".join(told) + "\n")
    return 0 if report.clean and not owing and not other else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
