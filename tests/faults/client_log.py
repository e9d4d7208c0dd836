"""What clients saw, and whether the ledger agrees: nothing lost, one answer a key, in real time.

A client writes down when it asked and what it was answered. An answer that arrived is stored and
is that answer; equal keys got equal bytes; and who asks after an answer has arrived meets an
account at least as new as that answer left it.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import psycopg
from psycopg.rows import dict_row

from app.store.checker_ground import unpacked


@dataclass
class Sent:
    """One request: `key` None for a limit check; moments are monotonic seconds.

    Until an answer has arrived `status` is None: whether it had an effect is unknown.
    """

    key: str | None
    sent_at: float
    answered_at: float = 0.0
    status: int | None = None
    body: bytes = b""

    @property
    def acknowledged(self) -> bool:
        """Whether a decision arrived."""
        return self.status in {200, 201}


@dataclass
class ClientLog:
    """What all clients of a run sent, in no order; threads may share it."""

    client: str = "tests"
    requests: list[Sent] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    clock: Callable[[], float] = time.monotonic
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def sending(self, key: str | None) -> Iterator[Callable[[int, bytes], None]]:
        """Note a request as it is sent; the block calls what it gets when the answer is there."""
        sent = Sent(key, self.clock())
        with self.lock:
            self.requests.append(sent)

        def answered(status: int, body: bytes) -> None:
            # the status comes last: who has one has all of it
            sent.answered_at, sent.body, sent.status = self.clock(), body, status

        yield answered

    def applied(self, source: str, event_id: str) -> None:
        """Note a fact whose report was acknowledged."""
        with self.lock:
            self.events.append((source, event_id))

    def difference(self, url: str) -> str | None:
        """Compare with the ledger; returns the first difference as a line, None where all agrees.

        Raises:
            psycopg.Error: The database could not be read.

        """
        with psycopg.connect(url, row_factory=dict_row) as connection:
            ledger = _Ledger(connection)
            return next(self._differences(ledger), None)

    def _differences(self, ledger: "_Ledger") -> Iterator[str]:
        heard = [one for one in self.requests if one.acknowledged]
        yield from _one_answer_a_key(heard)
        decisions = ledger.decisions(self.client, heard)
        for one in heard:
            found = decisions.get(_name(one))
            if found is None:
                yield f"{_name(one)}: acknowledged, and there is no such decision"
            elif found["answer"] != one.body:
                yield f"{_name(one)}: acknowledged was {one.body!r}, stored is {found['answer']}"
            elif one.key is not None and found["status"] != one.status:
                yield f"{_name(one)}: acknowledged with {one.status}, stored {found['status']}"
        known = ledger.known_events(self.events)
        for source, event_id in self.events:
            if (source, event_id) not in known:
                yield f"event {event_id} of {source}: acknowledged, and it is not there"
        yield from _out_of_time(self.requests, decisions)


def _name(one: Sent) -> str:
    """Name a decision: by its key, or a check by its id."""
    if one.key is not None:
        return f"key {one.key}"
    return f"decision {orjson.loads(one.body)['decision_id']}"


def _one_answer_a_key(heard: list[Sent]) -> Iterator[str]:
    bodies: dict[str, bytes] = {}
    owners: dict[str, str] = {}
    for one in heard:
        name = _name(one)
        if bodies.setdefault(name, one.body) != one.body:
            yield f"{name}: was answered {bodies[name]!r} and {one.body!r}"
        decision_id = orjson.loads(one.body)["decision_id"]
        if owners.setdefault(decision_id, name) != name:
            yield f"{name}: has decision {decision_id}, which is that of {owners[decision_id]}"


def _out_of_time(requests: list[Sent], decisions: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Sweep through the run: whoever asks must meet all that was answered before it asked."""
    asked: dict[str, float] = {}
    answered: dict[str, float] = {}
    for one in requests:
        if one.key is not None or one.acknowledged:
            name = _name(one)
            asked[name] = min(one.sent_at, asked.get(name, one.sent_at))
            if one.acknowledged:
                answered[name] = min(one.answered_at, answered.get(name, one.answered_at))
    known = [name for name in answered if name in decisions]
    moments = [(answered[name], False, name) for name in known]
    moments += [(asked[name], True, name) for name in known]
    newest: dict[int, tuple[int, str]] = {}
    for _, asks, name in sorted(moments):
        for account_id, met, left in _places(decisions[name]):
            before = newest.get(account_id, (0, ""))
            if asks and met < before[0]:
                yield (
                    f"{name}: met account {account_id} at {met}, asked after {before[1]} had been"
                    f" told {before[0]}"
                )
            elif not asks and before[0] < left:
                newest[account_id] = left, name


def _places(row: Mapping[str, Any]) -> Iterator[tuple[int, int, int]]:
    """Give each account of a decision with the seq it met and the seq it left."""
    situation = row["inputs"]["situation"]
    for account in (*situation["accounts"], *situation.get("freed", ())):
        met = account.get("seq", 0)
        yield account["id"], met, row["left"].get(account["id"], met)


class _Ledger:
    """What the database holds of the run."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self.connection = connection

    def decisions(self, client: str, heard: list[Sent]) -> dict[str, dict[str, Any]]:
        """Give decisions by name; `left` is where they left the accounts that they moved."""
        keys = [one.key for one in heard if one.key is not None]
        ids = [orjson.loads(one.body)["decision_id"] for one in heard if one.key is None]
        query = (
            "SELECT k.key, d.decision_id, d.status, d.record"
            " FROM decision d LEFT JOIN request_key k"
            " ON k.decision_id = d.decision_id AND k.client = %s AND k.key = any(%s)"
            " WHERE k.key IS NOT NULL OR d.decision_id = any(%s::uuid[])"
        )
        found: dict[str, dict[str, Any]] = {}
        by_id: dict[object, dict[str, Any]] = {}
        for row in self.connection.execute(query, (client, keys, ids)):
            name = f"key {row['key']}" if row["key"] else f"decision {row['decision_id']}"
            inputs, answer = unpacked(row["record"])
            told = {"status": row["status"], "inputs": orjson.loads(inputs), "answer": answer}
            found[name] = by_id[row["decision_id"]] = {**told, "left": {}}
        entries = "SELECT decision_id, account_id, seq FROM journal WHERE decision_id = any(%s)"
        for entry in self.connection.execute(entries, ([*by_id],)):
            by_id[entry["decision_id"]]["left"][entry["account_id"]] = entry["seq"]
        return found

    def known_events(self, events: list[tuple[str, str]]) -> set[tuple[str, str]]:
        """Give those of the events that are there."""
        query = (
            "SELECT e.source, e.event_id FROM ledger_event e JOIN unnest(%s::text[], %s::text[])"
            " AS n(source, event_id) ON n.source = e.source AND n.event_id = e.event_id"
        )
        names = [source for source, _ in events], [event_id for _, event_id in events]
        rows = self.connection.execute(query, names)
        return {(row["source"], row["event_id"]) for row in rows}
