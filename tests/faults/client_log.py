"""What clients saw, and whether the ledger agrees: nothing lost, one answer a key, in real time.

A client writes down when it asked and what it was answered. An answer that arrived is stored and
is that answer; equal keys got equal bytes; and who asks after an answer has arrived meets an
account at least as new as that answer left it, a reported fact's answer included.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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
class Applied:
    """One fact whose report was acknowledged; the moment is one by which the answer was there."""

    source: str
    event_id: str
    answered_at: float

    @property
    def name(self) -> str:
        """Name it."""
        return f"event {self.event_id} of {self.source}"


@dataclass
class ClientLog:
    """What all clients of a run sent, in no order; threads may share it."""

    client: str = "tests"
    requests: list[Sent] = field(default_factory=list)
    events: list[Applied] = field(default_factory=list)
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
            self.events.append(Applied(source, event_id, self.clock()))

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
        known = ledger.left_by_events(self.events)
        for event in self.events:
            if event.name not in known:
                yield f"{event.name}: acknowledged, and it is not there"
        told = [(one.answered_at, one.name, known.get(one.name, {})) for one in self.events]
        yield from _out_of_time(self.requests, decisions, told)


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


Seqs = Mapping[int, int]
"""By account, the seq at which it was met or left."""


def _out_of_time(
    requests: list[Sent],
    decisions: Mapping[str, Mapping[str, Any]],
    facts: Iterable[tuple[float, str, Seqs]],
) -> Iterator[str]:
    """Sweep through the run: whoever asks must meet all that was answered before it asked.

    A fact comes with the moment by which it was answered, its name, and what it left.
    """
    asked: dict[str, float] = {}
    answered: dict[str, float] = {}
    for one in requests:
        if one.key is not None or one.acknowledged:
            name = _name(one)
            asked[name] = min(one.sent_at, asked.get(name, one.sent_at))
            if one.acknowledged:
                answered[name] = min(one.answered_at, answered.get(name, one.answered_at))
    known = [name for name in answered if name in decisions]
    # of one moment nobody knows what was first: who asked then need not have met it
    moments = [(asked[name], 0, name, _met(decisions[name])) for name in known]
    moments += [(answered[name], 1, name, _left(decisions[name])) for name in known]
    moments += [(at, 1, name, left) for at, name, left in facts]
    newest: dict[int, tuple[int, str]] = {}
    for _, answers, name, seqs in sorted(moments, key=lambda one: one[:3]):
        for account_id, seq in seqs.items():
            told, by = newest.get(account_id, (0, ""))
            if answers and told < seq:
                newest[account_id] = seq, name
            elif not answers and seq < told:
                yield f"{name}: met account {account_id} at {seq}, asked after {by} had been told \
{told}"


def _met(row: Mapping[str, Any]) -> Seqs:
    """Give the seqs at which a decision met its accounts."""
    situation = row["inputs"]["situation"]
    accounts = (*situation["accounts"], *situation.get("freed", ()))
    return {account["id"]: account.get("seq", 0) for account in accounts}


def _left(row: Mapping[str, Any]) -> Seqs:
    """Give the seqs at which a decision left its accounts."""
    return {**_met(row), **row["left"]}


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

    def left_by_events(self, events: list[Applied]) -> dict[str, dict[int, int]]:
        """Give where those of the events that are there left the accounts that they moved.

        All that one transaction wrote is there at once: of a batch of facts, what they did together
        to an account. One that moved nothing, as most that are stale, has no account.
        """
        query = (
            "SELECT n.name, j.account_id, max(j.seq) AS seq FROM ledger_event e"
            " JOIN unnest(%s::text[], %s::text[], %s::text[]) AS n(source, event_id, name)"
            " ON n.source = e.source AND n.event_id = e.event_id"
            " LEFT JOIN journal j ON j.xmin = e.xmin GROUP BY n.name, j.account_id"
        )
        found: dict[str, dict[int, int]] = {}
        columns = zip(*[(one.source, one.event_id, one.name) for one in events], strict=True)
        for row in self.connection.execute(query, [[*one] for one in columns] or [[], [], []]):
            left = found.setdefault(row["name"], {})
            if row["account_id"] is not None:
                left[row["account_id"]] = row["seq"]
        return found
