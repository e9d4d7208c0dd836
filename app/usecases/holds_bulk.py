"""Many order holds at once: judged again, or released by a person, each with its own result."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

from app.domain.callers import Caller
from app.domain.errors import BusyError, CreditError
from app.domain.holds import HoldFilter, OrderHold
from app.store import holds, holds_ground, holds_list, requests
from app.store.database import Database
from app.usecases.asks import Answer
from app.usecases.holds import Render, seen_by
from app.usecases.holds_judge import Again, HoldsJudge, Verdict
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.releases import ReleaseHold, Releasing
from app.usecases.turns import Turns

_AT_ONCE: Final = 100
"""Holds judged in one transaction."""

_JUDGING: Final = 2
"""Requests that have holds judged again at once: of one the next hundred, of one it waits."""

_TURN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Reevaluated:
    """What came of each hold, in the order they were judged; `more` fit the filter."""

    verdicts: Sequence[tuple[OrderHold, Verdict]]
    more: bool


@dataclass(frozen=True, slots=True)
class ReevaluateHolds:
    """Judge open automatic holds again, as new questions, the oldest first.

    Releases what no rule stands against any more, and what the policy leaves to rules. Everything
    that was judged is a decision of its own, so that each hold says how it stands now.
    """

    database: Database
    judge: HoldsJudge
    now: Callable[[], datetime]
    turns: Turns = field(default_factory=lambda: Turns(_JUDGING, 1, _TURN_S))

    async def in_turn(
        self, keyed: Keyed, wanted: HoldFilter, render: Callable[[Reevaluated], Answer]
    ) -> Answer:
        """Do so in a thread, once it is the caller's turn: one judges, and others wait in none.

        Raises:
            BusyError: It was not its turn in time; nothing was changed.
            CreditError: As it is raised there.

        """
        async with self.turns.one(keyed.caller.client):
            return await asyncio.to_thread(self, keyed, wanted, render)

    def __call__(
        self, keyed: Keyed, wanted: HoldFilter, render: Callable[[Reevaluated], Answer]
    ) -> Answer:
        """Answer what was released and why the others are not; a repeat gets the same bytes.

        A repeat that comes while the first still runs, or after it died, judges once more, which
        changes nothing that is settled.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.
            KeyReusedError: The key was used with another question.
            BusyError: The database was out of reach.

        """
        known = stored(self.database, keyed)
        if known is not None:
            return known
        with self.database.read() as tx:
            found = holds_list.page(tx, seen_by(tx, keyed.caller, wanted))
        judged, more = found[: wanted.most - 1], len(found) == wanted.most
        verdicts: list[Verdict] = []
        waiting: set[int] = set()
        for first in range(0, len(judged), _AT_ONCE):
            verdicts += self._some(keyed.caller, judged[first : first + _AT_ONCE], waiting)
        verdicts = self._known(verdicts)
        by_id = {one.hold_id: one for one in judged}
        answer = render(Reevaluated([(by_id[one.hold_id], one) for one in verdicts], more))
        return keep(self.database, keyed, answer)

    def _some(self, caller: Caller, some: Sequence[OrderHold], waiting: set[int]) -> list[Verdict]:
        at = self.now()
        with self.database.read() as tx:
            wanted = holds_ground.named(tx, at, [one.hold_id for one in some])
        return self.judge(wanted, Again(caller, thorough=True), self.now, waiting)

    def _known(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """Tell of what seemed busy whether it is released: the answer to a COMMIT may be lost."""
        busy = [one.hold_id for one in verdicts if one.result == "BUSY"]
        if not busy:
            return list(verdicts)
        with self.database.read() as tx:
            found = {one: holds.get(tx, one) for one in busy}
        released = {
            key: Verdict(key, "RELEASED", (), one.decision_id)
            for key, one in found.items()
            if one is not None and one.status == "RELEASED"
        }
        return [released.get(one.hold_id, one) for one in verdicts]


@dataclass(frozen=True, slots=True)
class ReleaseHolds:
    """Release many holds as one person would one after the other; each stands alone."""

    release: ReleaseHold

    async def __call__(
        self, keyed: Keyed, hold_ids: Sequence[str], releasing: Releasing, form: "Form"
    ) -> Answer:
        """Answer a result each, in their order; a repeat gets the same bytes.

        Each release has a key of its own that follows from this one: a repeat after a crash or
        after a BUSY one goes on where it ended.

        Raises:
            KeyReusedError: The key was used with another question.
            BusyError: The database was out of reach.

        """
        database = self.release.database
        known = await asyncio.to_thread(_begun, database, keyed)
        if known is not None:
            return known
        results: list[Answer | CreditError] = []
        for hold_id in hold_ids:
            own = sha256(keyed.key.encode() + b"\0" + hold_id.encode()).hexdigest()
            each = Keyed(keyed.caller, f"mass-release:{own}", keyed.digest)
            try:
                results.append(await self.release(each, hold_id, releasing, form.one))
            except CreditError as refusal:
                results.append(refusal)
        answer = form.all(hold_ids, results)
        if any(isinstance(one, BusyError) for one in results):
            return answer  # not kept: what was busy is tried again under the same key
        return await asyncio.to_thread(keep, database, keyed, answer)


@dataclass(frozen=True, slots=True)
class Form:
    """How a hold that was released is written, and the results together."""

    one: Render
    all: Callable[[Sequence[str], Sequence[Answer | CreditError]], Answer]


def _begun(database: Database, keyed: Keyed) -> Answer | None:
    """Give the answer a key got before; for a new one note its question, before anything is done.

    Else two questions under one key at once would both release what they name.

    Raises:
        KeyReusedError: The key was used with another question, answered or not.

    """
    known = stored(database, keyed)
    if known is None:
        name = sha256(keyed.key.encode()).hexdigest()
        with database.begin() as tx:
            once(tx, keyed.caller, f"mass-release-{name}", keyed.digest, lambda: Answer(200, b"{}"))
    return known


def stored(database: Database, keyed: Keyed) -> Answer | None:
    """Give the answer a key got before; None for a new one.

    Raises:
        KeyReusedError: The key was used with another question.

    """
    with database.begin() as tx:
        if requests.find(tx, keyed.caller.client, keyed.key) is None:
            return None
        return once(tx, keyed.caller, keyed.key, keyed.digest, _nothing)


def _nothing() -> Answer:
    raise BusyError("the key is being cleared away; try again")


def keep(database: Database, keyed: Keyed, answer: Answer) -> Answer:
    """Store what a key got, unless a twin was first: then its answer is the one."""
    with database.begin() as tx:
        return once(tx, keyed.caller, keyed.key, keyed.digest, lambda: answer)
