"""Facts: apply what ERPs report, let go what waited, show what waits.

A batch is one transaction; each event has its own answer. State is the newest version of each
document, so batches may come in any order and as often as they like.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Final

import structlog

from app.domain.callers import Caller
from app.domain.errors import BusyError, FieldError
from app.domain.facts import Event, Result, customer_cause, rate_cause
from app.domain.facts_orders import Stamp
from app.domain.segments import Segment
from app.store import facts_causes, facts_inbox, segments
from app.store.copies import TakenError
from app.store.database import Database
from app.store.facts_inbox import Waiting
from app.telemetry import count_ledger_event
from app.usecases.causes import announce, there
from app.usecases.facts_batch import Done, Task, run_batch
from app.usecases.facts_events import parse_event
from app.usecases.facts_quarantine import (
    CloseQuarantined,
    ListQuarantine,
    need_waiting,
    publish_waiting,
)
from app.usecases.facts_scope import AccountsMissingError, Scope, WidenError
from app.usecases.groups import MergedError, ensure_accounts
from app.usecases.turns import Turns

ATTEMPTS: Final = 8
"""How often a batch begins again because others were first, before it is given up as busy."""

LOCK_TIMEOUT_MS: Final = 10_000
"""How long a batch waits for another one: a full batch takes about a second."""

MOST_BODIES: Final = 4
"""Bodies of batches that a process holds at once, each at most 8 MiB."""

AT_WORK: Final = 2
"""Batches that are applied at once: one keeps this process busy while another keeps the server so.

Each takes ten times its body in memory; more of them only wait for each other.
"""

BODY_S: Final = 60.0
"""How long a body may take once it is read: 8 MiB over a line of a little more than 1 Mbit/s."""

TURN_S: Final = 30.0
"""How long a batch waits for its turn; a full one takes about a second."""

_AT_ONCE: Final = 500
_ITSELF: Final = Caller("aval", frozenset({"admin"}))
_log = structlog.get_logger(__name__)


def _nobody(_account_ids: Sequence[int]) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class ApplyFacts:
    """Take facts in. `after` hears, after the commit, of accounts whose documents changed.

    A lock that somebody else holds is waited for `lock_timeout_ms`.
    """

    database: Database
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    after: Callable[[Sequence[int]], None] = _nobody
    lock_timeout_ms: int = LOCK_TIMEOUT_MS

    def __call__(self, caller: Caller, events: Sequence[Event]) -> list[Result]:
        """Apply a batch (see `parse_events`); one result an event, in order.

        Raises:
            FieldError: A segment is unknown, or outside what the caller may see; nothing is done.
            BusyError: Locks or the database were out of reach; nothing was changed.

        """
        done = self._run(caller, events)
        pairs = zip(events, done.results, strict=True)
        kinds = Counter((event.kind, result.result) for event, result in pairs)
        for (kind, word), number in kinds.items():
            count_ledger_event(kind, word, number)
        counts: dict[str, int] = Counter(result.result for result in done.results)
        _log.info("ledger_events", client=caller.client, **counts)
        self.after(sorted(done.accounts))
        self._look_again(done.results)
        if done.known:
            self._settle(done.known)
        return done.results

    def requeue(self, cause: str | None = None, until_s: float = math.inf) -> int:
        """Apply what waits for a cause (None: for any but a person); returns how many wait no more.

        Causes are `customer:<id or alias>`, `rate:<from>:<to>`, in either direction, and those of
        documents. Rows that still cannot be applied stay, with the reason they have now, and so do
        those that there is no time for: no other portion begins after `until_s` of the monotonic
        clock.

        Raises:
            BusyError: Locks or the database were out of reach; what was applied so far stands.

        """
        causes = None if cause is None else [_plain(cause)]
        applied = last = 0
        while True:
            with self.database.read() as tx:
                rows = facts_causes.next_waiting(tx, causes, last, _AT_ONCE)
            if not rows:
                return applied
            last = rows[-1].quarantine_id
            applied += self.again(rows)
            if monotonic() > until_s:
                _log.info("facts_left_waiting", cause=cause, applied=applied)
                return applied

    def again(self, rows: Sequence[Waiting]) -> int:
        """Apply rows that wait; returns how many wait no more.

        Raises:
            BusyError: Locks or the database were out of reach; nothing was changed.

        """
        done = self._run(_ITSELF, [parse_event(row.payload) for row in rows], rows)
        self.after(sorted(done.accounts))
        return sum(result.problem is None for result in done.results)

    def retry(self, caller: Caller, quarantine_id: str) -> Result:
        """Apply one fact that waits, whatever it waits for; where it still cannot be, it stays.

        Raises:
            NotFoundError: There is no such row within sight.
            EventNotWaitingError: It was applied or closed already.
            BusyError: Locks or the database were out of reach; nothing was changed.

        """
        with self.database.read() as tx:
            row = need_waiting(tx, caller, quarantine_id)
        done = self._run(caller, [parse_event(row.payload)], [row])
        self.after(sorted(done.accounts))
        return done.results[0]

    def _run(self, caller: Caller, events: Sequence[Event], rows: Sequence[Waiting] = ()) -> Done:
        known = self._segments(caller, events)
        at, scope = self.now(), Scope()
        task = Task(caller, at, events, known, Stamp(at, self.new_id), rows)
        for _ in range(ATTEMPTS):
            try:
                with self.database.begin(lock_timeout_ms=self.lock_timeout_ms) as tx:
                    done = run_batch(tx, task, scope)
            except WidenError as found:
                scope.accounts |= found.accounts
                scope.orders |= found.orders
            except AccountsMissingError as found:
                with suppress(MergedError):  # the next attempt finds whose the id is by now
                    self._make_accounts(found.missing)
            except TakenError:
                continue
            else:
                if done.waiting_changed:
                    publish_waiting(self.database)
                return done
        raise BusyError("other batches kept changing the same documents; try again")

    def _segments(self, caller: Caller, events: Sequence[Event]) -> dict[str, Segment]:
        with self.database.read() as tx:
            known = {one.segment_id: one for one in segments.every(tx)}
        for place, event in enumerate(events):
            if event.segment_id not in known or not caller.sees(event.segment_id):
                raise FieldError(f"no segment {event.segment_id!r}", f"events[{place}].segment")
        return known

    def _make_accounts(self, missing: Iterable[tuple[str, str]]) -> None:
        """Make accounts, each in its own transaction: nothing else is locked meanwhile."""
        for segment_id, customer_id in missing:
            with self.database.begin() as tx:
                ensure_accounts(tx, customer_id, segment_id)

    def _look_again(self, results: Iterable[Result]) -> None:
        """Let go what came to wait just while its cause came to be.

        Whoever brings a cause looks for what waits after its commit, as this does after its own;
        one of the two sees the other's.
        """
        causes = {one.problem.cause for one in results if one.problem}
        if not causes:
            return
        try:
            with self.database.read() as tx:
                found = there(tx, causes, self.now())
        except BusyError as trouble:  # the batch is in; background work looks for them too
            _log.warning("quarantine_not_requeued", reason=trouble.detail)
        else:
            announce(self.requeue, sorted(found))

    def _settle(self, known: Mapping[str, int]) -> None:
        """Look again at what says nothing new of documents: it ends, unless it contradicts them.

        `known` are versions that are held at least: what waits with a newer one is not touched.
        """
        try:
            with self.database.read() as tx:
                rows = facts_inbox.waiting_of(tx, known)
            rows = [row for row in rows if row.version <= known[row.document]]
            for first in range(0, len(rows), _AT_ONCE):
                some = rows[first : first + _AT_ONCE]
                self._run(_ITSELF, [parse_event(row.payload) for row in some], some)
        except BusyError as trouble:  # the batch is in; a repeat tries this again
            _log.warning("quarantine_not_settled", reason=trouble.detail)


def _plain(cause: str) -> str:
    """Write a cause as the quarantine does; a pair of currencies is one in both directions."""
    kind, _, rest = cause.partition(":")
    if kind == "rate":
        return rate_cause(*rest.split(":", 1))
    return customer_cause(rest) if kind == "customer" else cause


@dataclass(frozen=True, slots=True)
class Facts:
    """The use cases of facts together.

    Whoever takes batches from others has one of `arriving` from before the body is read, and one
    of `applying` from before it is parsed: a slow sender keeps nobody from being applied.
    """

    apply: ApplyFacts
    list_quarantine: ListQuarantine
    close_quarantined: CloseQuarantined
    arriving: Turns = field(default_factory=lambda: Turns(MOST_BODIES, MOST_BODIES - 1, TURN_S))
    applying: Turns = field(default_factory=lambda: Turns(AT_WORK, AT_WORK, TURN_S))
    body_s: float = BODY_S

    def let_go(self, cause: str, until_s: float) -> None:
        """Apply what waits for a cause; see `ApplyFacts.requeue`."""
        self.apply.requeue(cause, until_s)
