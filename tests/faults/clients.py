"""Clients under faults: they ask, write down what they saw, and ask again until they know."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import httpx2

from app.store.checker import check_ledger
from tests.faults.client_log import ClientLog

PATIENCE_S: Final = 60.0
UNDECIDED: Final = frozenset({429, 503})


def money(amount: str) -> dict[str, str]:
    """Write an amount of CNY."""
    return {"amount": amount, "currency": "CNY"}


def order(key: str, customer_id: str, amount: str = "10.00") -> dict[str, object]:
    """Write an ask for an order that is named after its key."""
    return {
        "customer_id": customer_id,
        "check_point": "ORDER",
        "order": {"id": f"SO-{key}"},
        "amount": money(amount),
    }


def set_up(client: httpx2.Client, customers: Sequence[str], limit: str = "100.00") -> None:
    """Make customers with a limit; one that is there is left as it is."""
    for name in customers:
        assert client.put(f"/v1/customers/{name}", json={"name": name}).is_success
        body = {"kind": "base", "limit": money(limit), "valid_from": "2020-01-01", "reason": "t"}
        headers = {"Idempotency-Key": f"limit of {name}"}
        answer = client.post(f"/v1/customers/{name}/limits", json=body, headers=headers)
        assert answer.is_success, answer.text


def send(client: httpx2.Client, log: ClientLog, key: str, body: object) -> httpx2.Response | None:
    """Ask to authorize; None where the connection broke before an answer was there."""
    headers = {"Idempotency-Key": key}
    with log.sending(key) as answered:
        try:
            told = client.post("/v1/authorizations", json=body, headers=headers)
        except httpx2.TransportError:
            return None
        answered(told.status_code, told.content)
        return told


@dataclass
class Crowd:
    """Threads that ask without a pause; each question has a key and an order of its own."""

    clients: Sequence[Callable[[], httpx2.Client]]
    customers: Sequence[str]
    log: ClientLog = field(default_factory=ClientLog)
    over: threading.Event = field(default_factory=threading.Event)
    unknown: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    pause_s: float = 0.0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let them ask while the block lasts, from one starting line."""
        line = threading.Barrier(len(self.clients) + 1)
        threads = [
            threading.Thread(target=self._work, args=(place, open_client, line))
            for place, open_client in enumerate(self.clients)
        ]
        for thread in threads:
            thread.start()
        line.wait()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join(PATIENCE_S)
        assert not any(thread.is_alive() for thread in threads), "a client never got an answer"
        assert not self.troubles, self.troubles[0]

    def _work(
        self, place: int, open_client: Callable[[], httpx2.Client], line: threading.Barrier
    ) -> None:
        dice = random.Random(place)
        with open_client() as client:
            line.wait()
            for number in count():
                if self.over.is_set():
                    return
                key = f"{place}-{number}"
                body = order(key, dice.choice(self.customers))
                told = send(client, self.log, key, body)
                if told is None or told.status_code in UNDECIDED:
                    self.unknown.append((key, body))
                    time.sleep(0.01)
                elif not told.is_success:
                    self.troubles.append(f"{told.status_code} {told.text}")
                time.sleep(self.pause_s)

    def learn(self, client: httpx2.Client) -> None:
        """Ask again for all that is unknown until it is not."""
        for key, body in self.unknown:
            until = time.monotonic() + PATIENCE_S
            while (told := send(client, self.log, key, body)) is None or not told.is_success:
                assert time.monotonic() < until, f"{key} was never answered"
                time.sleep(0.05)


def assert_exact(url: str, log: ClientLog) -> None:
    """Let the checker and the client log look at everything."""
    report = check_ledger(url)
    assert report.clean, str(report)
    difference = log.difference(url)
    assert difference is None, difference
