"""The load: clients with customers of their own, whose answers they predict, and shared ones.

What a client asks of its own customer must, or must not, be approved: `tests.model` says which,
as soon as an answer is there. What it asks of a shared customer may be answered either way. What
was not answered is asked again with the same key until it is, before anything else.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import httpx2

from tests.faults.client_log import ClientLog
from tests.faults.clients import UNDECIDED, money
from tests.model import Model, Told

SHARED: Final = ("S-1", "S-2")
SHARED_LIMIT: Final = 3_000
OWN_LIMIT: Final = 200
TODAY: Final = "2026-06-15"
_LATE_S: Final = 90.0


class WrongError(AssertionError):
    """A client was told what must not be."""


@dataclass
class Book:
    """What all clients have in common: how to reach the service, the log, and the end."""

    connect: Callable[[], httpx2.Client]
    log: ClientLog
    over: threading.Event = field(default_factory=threading.Event)
    wrong: list[str] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tally(self, what: str) -> None:
        """Count what clients were told."""
        with self.lock:
            self.told[what] = self.told.get(what, 0) + 1


@dataclass
class Customer:
    """One client: its own customer, the model of it, and its dice."""

    book: Book
    place: int
    dice: random.Random
    model: Model = field(default_factory=Model)
    numbers: "count[int]" = field(default_factory=count)
    versions: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def name(self) -> str:
        """The customer that nobody else touches."""
        return f"T-{self.place}"

    def work(self) -> None:
        """Ask and tell until it is over; what goes wrong is kept for the end."""
        try:
            with self.book.connect() as client:
                self.model.parents[self.name], self.model.limits[self.name] = None, OWN_LIMIT
                while not self.book.over.is_set():
                    self._turn(client)
                    time.sleep(self.dice.random() / 50)
        except (AssertionError, KeyError, ValueError, httpx2.HTTPError) as error:
            self.book.wrong.append(f"client {self.place}: {error!r}")

    def _turn(self, client: httpx2.Client) -> None:
        acts = (self._ask, self._ask, self._ask_shared, self._check, self._tell, self._release)
        self.dice.choice(acts)(client)

    def _order(self) -> str:
        return f"{self.name}-{self.dice.randrange(6)}"

    def _ask(self, client: httpx2.Client) -> None:
        order, amount = self._order(), 10 * self.dice.randrange(1, 15)
        answer = self._until_told(client, self.name, order, amount)
        expected = self.model.ask(self.name, order, amount)
        told = answer.json()
        reasons = told["reasons"] if "outcome" in told else ()
        found = Told(
            str(told.get("outcome") or told.get("code")), frozenset(one["code"] for one in reasons)
        )
        self.book.tally(f"own {found.said}")
        if found != expected:
            raise WrongError(f"{order} of {amount}: {found} where {expected} must be: {told}")
        if found.said == "HOLD":
            self._cancel(client, order, str(told["order_hold_id"]))

    def _cancel(self, client: httpx2.Client, order: str, hold_id: str) -> None:
        """End a hold before anything changes, else the service would release it when it can."""
        key = f"{self.place}-{next(self.numbers)}"
        path, headers = f"/v1/order-holds/{hold_id}/cancel", {"Idempotency-Key": key}
        answer = self._insist(client, path, {"reason_code": "GONE"}, headers, key)
        if not answer.is_success:
            raise WrongError(f"{path}: {answer.text}")
        self.model.end_hold(order, reject=False)

    def _ask_shared(self, client: httpx2.Client) -> None:
        order = f"X-{self.place}-{next(self.numbers)}"
        until = self.dice.choice((None, 1, 2, 5))
        answer = self._until_told(client, self.dice.choice(SHARED), order, 10, expires_in=until)
        self.book.tally(f"shared {answer.json().get('outcome')}")

    def _until_told(
        self,
        client: httpx2.Client,
        customer: str,
        order: str,
        amount: int,
        **more: object,
    ) -> httpx2.Response:
        """Ask with one key until there is an answer; now and then once more, for the same bytes."""
        key = f"{self.place}-{next(self.numbers)}"
        body = {
            "customer_id": customer,
            "check_point": "ORDER",
            "order": {"id": order},
            "amount": money(f"{amount}.00"),
            **more,
        }
        headers = {"Idempotency-Key": key}
        answer = self._insist(client, "/v1/authorizations", body, headers, key)
        if answer.is_success and self.dice.random() < 0.1:
            again = self._insist(client, "/v1/authorizations", body, headers, key)
            if again.content != answer.content:
                raise WrongError(f"{key}: {again.text} where {answer.text} was told before")
        return answer

    def _insist(
        self, client: httpx2.Client, path: str, body: object, headers: dict[str, str], key: str
    ) -> httpx2.Response:
        """Send until it is answered; the client log hears of every attempt at an authorization."""
        until = time.monotonic() + _LATE_S
        while time.monotonic() < until:
            answer = self._send(client, path, body, headers, key)
            if answer is not None and answer.status_code not in UNDECIDED:
                return answer
            self.book.tally("unknown" if answer is None else "busy")
            time.sleep(0.05 + self.dice.random() / 10)
        raise WrongError(f"{path} {key}: no answer within {_LATE_S:g} s")

    def _send(
        self, client: httpx2.Client, path: str, body: object, headers: dict[str, str], key: str
    ) -> httpx2.Response | None:
        if path != "/v1/authorizations":
            try:
                return client.post(path, json=body, headers=headers)
            except httpx2.TransportError:
                return None
        with self.book.log.sending(key) as answered:
            try:
                answer = client.post(path, json=body, headers=headers)
            except httpx2.TransportError:
                return None
            answered(answer.status_code, answer.content)
            return answer

    def _check(self, client: httpx2.Client) -> None:
        """Check a limit; one that is not answered is forgotten, for it changes nothing."""
        body = {
            "customer_id": self.dice.choice((self.name, *SHARED)),
            "check_point": "QUOTE",
            "order": {"id": f"Q-{self.place}-{next(self.numbers)}"},
            "amount": money("10.00"),
        }
        with self.book.log.sending(None) as answered:
            try:
                answer = client.post("/v1/limit-checks", json=body)
            except httpx2.TransportError:
                return
            answered(answer.status_code, answer.content)
            self.book.tally(f"check {answer.status_code}")

    def _tell(self, client: httpx2.Client) -> None:
        """Report a fact of the own customer until it is known to have arrived."""
        kind = self.dice.choice(("delivery", "invoice", "payment", "payment"))
        amount = self.dice.choice((0, 10, 20, 30, 40))
        document, order = self.dice.randrange(4), self._order()
        fact: dict[str, Any] = {
            "type": kind,
            "customer_id": self.name,
            "version": next(self.versions),
            f"{kind}_id": f"{self.name}-{document}",
            "amount": {"amount": f"{amount}", "currency": "CNY"},
        }
        if kind == "delivery":
            fact["order_id"] = order
        elif kind == "invoice":
            line = {"order_id": order, "amount": fact["amount"], "final": self.dice.random() < 0.3}
            fact |= {"issue_date": TODAY, "due_date": "2100-01-01"}
            fact["lines"] = [line] if amount else []
        else:
            part = {"invoice_id": f"{self.name}-{document}", "amount": fact["amount"]}
            fact |= {"paid_date": TODAY, "allocations": [part] if amount else []}
        event_id = f"E-{self.place}-{next(self.numbers)}"
        head = {"source": "erp", "segment": "main", "occurred_at": f"{TODAY}T04:00:00Z"}
        event = {**head, "event_id": event_id, **fact}
        answer = self._insist(client, "/v1/ledger-events", {"events": [event]}, {}, event_id)
        results = [one["result"] for one in answer.json()["results"]]
        self.book.tally(f"fact {results[0]}")
        expected = self.model.fact(fact)
        if results[0] not in {expected, "duplicate"}:  # who asks again may hear of the first time
            raise WrongError(f"{event}: {answer.text} where {expected} must be")
        self.book.log.applied("erp", event_id)

    def _release(self, client: httpx2.Client) -> None:
        order = self._order()
        body = {"customer_id": self.name, "order_id": order}
        key = f"{self.place}-{next(self.numbers)}"
        headers = {"Idempotency-Key": key}
        answer = self._insist(client, "/v1/authorizations/release", body, headers, key)
        root = self.model.orders.get(order)
        granted = root is not None and root.granted
        if answer.is_success != granted:
            raise WrongError(f"release of {order}: {answer.text}, granted: {granted}")
        if granted:
            self.model.give_back(order)
        self.book.tally(f"release {answer.status_code}")
