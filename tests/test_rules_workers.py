"""Rule sets come into force one after the other while two workers are asked by 32 connections.

Version v warns of every order with a reason of its own, so that an answer tells what judged it.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from app.domain.rules import read_rule_set
from app.store import decisions, rules
from app.store.checker import check_ledger
from app.store.database import Database
from app.usecases.decisions import ReplayDecisions, replay_one
from app.usecases.keys import CreateKey
from tests.erp import Erp
from tests.server import NO_TLS
from tests.test_workers import Team, team

VERSIONS = range(2, 8)
CONNECTIONS = 32
CUSTOMERS = 16
PAUSE_S = 0.7


def policy(version: int) -> dict[str, Any]:
    code = f"SEEN_{version}"
    row = {"id": "all", "zh": "全部", "en": "all", "when": "order_amount_minor > 0"}
    return {
        "format": 2,
        "name": code,
        "texts": {code: {"zh": "已看", "en": "seen"}},
        "rows": [row | {"outcome": "WARN", "reason": code}],
    }


@dataclass(frozen=True, slots=True)
class Told:
    """What one order was answered, and when it was asked (seconds of the monotonic clock)."""

    asked_at: float
    decision_id: str
    version: int
    warnings: tuple[str, ...]


@dataclass
class Load:
    """Connections that ask one order after the other until the end."""

    port: int
    token: str
    over: threading.Event = field(default_factory=threading.Event)
    told: list[Told] = field(default_factory=list)

    async def ask(self, place: int) -> None:
        """Ask over one connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        number = 0
        while not self.over.is_set():
            order = f"SO-{place}-{number}"
            body = orjson.dumps(
                {
                    "customer_id": f"C-{(place + number) % CUSTOMERS}",
                    "check_point": "ORDER",
                    "order": {"id": order},
                    "amount": {"amount": "1.00", "currency": "CNY"},
                }
            )
            head = (
                f"POST /v1/authorizations HTTP/1.1\r\nHost: aval\r\nIdempotency-Key: {order}\r\n"
                f"Authorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            at = time.monotonic()
            writer.write(head.encode() + body)
            status, told = await _answer(reader)
            assert status == 201, told
            self._keep(at, told)
            number += 1
        writer.close()

    def _keep(self, at: float, body: bytes) -> None:
        told = orjson.loads(body)
        warnings = tuple(one["code"] for one in told["warnings"])
        self.told.append(Told(at, told["decision_id"], told["rule_set_version"], warnings))

    async def run(self) -> None:
        """Ask over all of them."""
        await asyncio.gather(*(self.ask(place) for place in range(CONNECTIONS)))


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length:")[2].split()[0])
    return int(head.split()[1]), await reader.readexactly(length)


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Team]:
    with team(tmp_path, database_url) as service:
        yield service


def _post(service: Team, token: str, path: str, key: str, body: object) -> None:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"{path}{key}"}
    url = f"{service.service.url}{path}"
    answer = httpx2.post(
        url, json=body, headers=headers, trust_env=False, verify=NO_TLS, timeout=30
    )
    assert answer.is_success, answer.text


def _approved(service: Team) -> None:
    with closing(Database(service.database_url)) as database:
        other = CreateKey(database, lambda: datetime.now(UTC))("approver", ["rule:approve"])
    for version in VERSIONS:
        path = "/v1/rule-sets"
        _post(service, service.token, path, f"{version}", {"rule_set": policy(version)})
        _post(service, service.token, f"{path}/{version}/propose", "", {})
        _post(service, other, f"{path}/{version}/approve", "", {})


def _activate(service: Team, done: dict[int, float], over: threading.Event) -> None:
    """Put one version after the other in force; keep when each was answered."""
    try:
        for version in VERSIONS:
            time.sleep(PAUSE_S)
            _post(service, service.token, f"/v1/rule-sets/{version}/activate", "", {})
            done[version] = time.monotonic()
        time.sleep(PAUSE_S)
    finally:
        over.set()


@pytest.mark.nightly  # six seconds of load on two workers, and all of it judged again
def test_each_decision_under_load_names_the_one_version_that_judged_it(service: Team) -> None:
    with httpx2.Client(
        base_url=service.service.url, headers=service.headers, trust_env=False, verify=NO_TLS
    ) as client:
        erp = Erp(client)
        for place in range(CUSTOMERS):
            erp.customer(f"C-{place}", "1000000000.00")
    _approved(service)
    since = datetime.now(UTC) - timedelta(minutes=1)
    load, done = Load(service.port, service.token), dict[int, float]()
    began = time.monotonic()
    activating = threading.Thread(target=_activate, args=(service, done, load.over))
    activating.start()
    asyncio.run(load.run())
    seconds = time.monotonic() - began
    activating.join()
    counts = Counter(one.version for one in load.told)
    rate = f"{len(load.told) / seconds:.0f} orders a second"
    print(f"{rate}; by version {sorted(counts.items())}")  # noqa: T201 - for who runs it
    assert set(counts) == {1, *VERSIONS}
    for one in load.told:
        seen = () if one.version == 1 else (f"SEEN_{one.version}",)
        assert tuple(code for code in one.warnings if code.startswith("SEEN_")) == seen, one
        # who asks after an activation was answered is judged by that version, or by a later one
        least = max((version for version, at in done.items() if at < one.asked_at), default=1)
        assert one.version >= least, one
    _judged_again(service.database_url, since, load.told)
    assert check_ledger(service.database_url).clean


def _judged_again(url: str, since: datetime, told: list[Told]) -> None:
    """Judge all of them by the version each names; the control: by the next one they differ."""
    with closing(Database(url)) as database:
        replayed = dict(ReplayDecisions(database)(since))
        assert {one.decision_id for one in told} <= replayed.keys()
        assert [key for key, differences in replayed.items() if differences] == []
        with database.read() as tx:
            for one in told[:: max(1, len(told) // 50)]:
                row = decisions.get(tx, one.decision_id)
                assert row is not None
                other = one.version + 1 if one.version + 1 in VERSIONS else VERSIONS.start
                differences = replay_one(row, read_rule_set(other, rules.data_of(tx, other)))
                assert "warnings" in {found.field for found in differences}
