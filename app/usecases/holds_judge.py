"""Judge open holds again, as the questions they were: what nothing stands against any more passes.

The same judging as an ask's, on a lane of its own, without keys. Only a person ends a forced hold
or a stop: neither is ever taken here, and what became one meanwhile is left alone.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock
from typing import Final, Literal

import structlog

from app.domain.callers import Caller
from app.domain.decisions import Question
from app.domain.errors import BusyError, CreditError
from app.domain.holds import SYSTEM
from app.domain.rules import Outcome, RuleSet
from app.domain.snapshots import question_from_json
from app.store.holds_ground import Moved
from app.store.holds_lane import Held, HoldLane
from app.store.lane import LostError
from app.store.lane_rows import Record
from app.telemetry import DECISION_REASONS, HOLDS_JUDGED, ORDER_HOLDS_CLOSED
from app.usecases.asks import Ask
from app.usecases.authorizations import AuthorizeOrders
from app.usecases.batches import Batch, BehindError
from app.usecases.lane_tries import CatchUp, let_catch_up
from app.usecases.records import Judged, record_of

Result = Literal["RELEASED", "HELD", "KEPT", "REJECTED", "REFUSED", "BUSY", "FAILED"]
"""KEPT: it would pass, but the policy or the segment's mode wants a person or a new question.

REFUSED: it cannot be asked as it was (the order has moved on). BUSY: somebody works on it."""

_RESULTS: Final[Mapping[Outcome, Result]] = {
    "APPROVE": "RELEASED",
    "HOLD": "HELD",
    "REJECT": "REJECTED",
}
_CLEARED: Final = "REASONS_CLEARED"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of judging a hold again; `codes` are the reasons that hold it now."""

    hold_id: str
    result: Result
    codes: tuple[str, ...] = ()
    decision_id: str | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """How holds are judged: for whom, and whether what stays held is recorded as a decision too.

    Unless `thorough`, a hold whose reasons are the same as before leaves no trace.
    """

    caller: Caller = SYSTEM
    thorough: bool = False


@dataclass(frozen=True, slots=True)
class _Pass:
    """A batch under way."""

    batch: Batch
    again: Again
    chosen: list[Judged] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class JudgeHolds(AuthorizeOrders):
    """Judge holds, the oldest first, each on what those before it left."""

    again: Again = Again()

    async def judge(
        self, lane: HoldLane, wanted: Sequence[Moved], waiting: set[int]
    ) -> list[Verdict]:
        """Judge holds in one transaction; who is busy, or stands behind such, is BUSY.

        `waiting` are roots of which an older hold is busy: those found here are added at the end.

        Raises:
            BusyError: A lock or the database was out of reach; nothing was changed.

        """
        held, behind = _in_turn(wanted, await lane.take(wanted), waiting)
        turns = {one.hold_id for one in held}
        busy = [Verdict(one.hold_id, "BUSY") for one in wanted if one.hold_id not in turns]
        if not held:
            await lane.rollback()
            waiting |= behind
            return busy
        at = self.now()
        asks = [self._ask(one) for one in held]
        batch = await self._batch(lane, at, await lane.meet(held, at), asks)
        work = _Pass(batch, self.again)
        verdicts = [self._one(work, *pair) for pair in zip(held, asks, strict=True)]
        done = await self._answer(lane, work.chosen, batch)
        if not done and not batch.entries:
            await lane.rollback()
        else:
            await lane.record(_told(record_of(batch, done, []), self.again), batch.accounts)
        waiting |= behind
        return busy + verdicts

    def _ask(self, held: Held) -> Ask:
        question = replace(question_from_json(held.ask), customer_id=held.customer_id)
        seen = held.ask.get("seen")
        return Ask("AUTHORIZATION", self.again.caller, question, self.new_id(), seen=seen)

    def _one(self, work: _Pass, held: Held, ask: Ask) -> Verdict:
        """Judge one hold; what passes is taken over, and what is held for other reasons now."""
        spared = _spared(work.batch, held, ask.question)
        if spared is not None:
            return Verdict(held.hold_id, spared, _codes_of(held))
        judged = self._judge(work.batch, ask)
        if isinstance(judged, CreditError):
            return Verdict(held.hold_id, "REFUSED", (judged.code,))
        codes = tuple(row.reason for row in judged.judgement.reasons)
        result = _RESULTS[judged.judgement.outcome]
        other = work.again.thorough or codes != _codes_of(held) or _needs_person(judged, held)
        if result == "RELEASED" or (result == "HELD" and other):
            work.chosen.append(judged)
            return Verdict(held.hold_id, result, codes, ask.decision_id)
        return Verdict(held.hold_id, result, codes)


def _spared(batch: Batch, held: Held, question: Question) -> Literal["BUSY", "KEPT"] | None:
    """Tell of a hold that is not to be judged: it has changed, or a person must decide."""
    order = batch.orders.get((question.segment_id, question.order_id))
    if order is None or order.hold_id != held.hold_id or order.hold_kind != "AUTOMATIC":
        return "BUSY"
    enforced = batch.segment(question.segment_id).mode == "ENFORCE"
    return None if enforced and held.auto_release is not False else "KEPT"


def _needs_person(judged: Judged, held: Held) -> bool:
    """Tell whether a policy of today leaves to a person what one of before did not."""
    by_itself = all(row.row.auto_release for row in judged.judgement.reasons)
    return not by_itself and held.auto_release is not False


def _codes_of(held: Held) -> tuple[str, ...]:
    return tuple(str(reason["code"]) for reason in held.reasons)


def _in_turn(
    wanted: Sequence[Moved], held: Sequence[Held], waiting: Collection[int]
) -> tuple[list[Held], set[int]]:
    """Leave out what stands behind an older hold of the same payer or group that is busy.

    Gives the roots of which one is busy, too; `waiting` are those known of before.
    """
    taken = {one.hold_id: one for one in held}
    behind = set(waiting)
    turns = []
    for one in wanted:
        if one.hold_id not in taken:
            behind.add(one.root)
        elif one.root not in behind:
            turns.append(taken[one.hold_id])
    return turns, behind


def _told(record: Record, again: Again) -> Record:
    """Say in the history that no person released it, and why it was."""
    for event in record.hold_events:
        event["data"] = {**event["data"], "automatic": again.caller.client == SYSTEM.client}
        if event["action"] == "release":
            event["reason_code"] = _CLEARED
    return record


_TURN_S: Final = 10.0
"""How long somebody waits whose holds are to be judged while others are."""


@dataclass(frozen=True, slots=True)
class HoldsJudge:
    """Judges holds on a lane that is opened for them; what fails is tried in smaller parts.

    One lane at a time, so that a process never has more than one connection for it. `catch_up`
    books, on other connections, what time has changed on accounts.
    """

    open_lane: Callable[[], HoldLane]
    new_id: Callable[[], str]
    catch_up: CatchUp
    turn_s: float = _TURN_S
    rule_sets: dict[int, RuleSet] = field(default_factory=dict)
    turn: Lock = field(default_factory=Lock)

    def __call__(
        self,
        wanted: Sequence[Moved],
        again: Again,
        now: Callable[[], datetime],
        waiting: set[int] | None = None,
    ) -> list[Verdict]:
        """Judge holds and return what came of each; never within an event loop.

        A hold that meets locks is BUSY, and with it what is younger and of the same root: it would
        take the room. Roots of such are added to `waiting`, for who judges more of them later.
        One that meets a bug is FAILED and told in the log: the others are judged nevertheless.

        Raises:
            BusyError: Others are judged, and it was not their turn in time; nothing was changed.

        """
        if not wanted:
            return []
        if not self.turn.acquire(timeout=self.turn_s):
            raise BusyError("other holds are being judged; try again")
        try:
            judge = JudgeHolds(now, self.new_id, self.rule_sets, again)
            verdicts = asyncio.run(self._all(judge, wanted, set() if waiting is None else waiting))
        finally:
            self.turn.release()
        for one in verdicts:
            HOLDS_JUDGED.labels(one.result).inc()
            if one.result == "RELEASED":
                ORDER_HOLDS_CLOSED.labels(_CLEARED).inc()
            for code in one.codes if one.decision_id else ():
                DECISION_REASONS.labels(code).inc()
        return verdicts

    async def _all(
        self, judge: JudgeHolds, wanted: Sequence[Moved], waiting: set[int]
    ) -> list[Verdict]:
        lane = self.open_lane()
        try:
            verdicts: list[Verdict] = []
            parts, stuck = [list(wanted)], set[int]()
            while parts:
                part = parts.pop()
                told = await self._settle(judge, lane, part, (waiting, stuck))
                if told is None:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]  # the older ones go first
                else:
                    verdicts += told
            return verdicts
        finally:
            await lane.close()

    async def _settle(
        self,
        judge: JudgeHolds,
        lane: HoldLane,
        part: Sequence[Moved],
        known: tuple[set[int], set[int]],
    ) -> list[Verdict] | None:
        """Judge a part; None where it failed and can be made smaller.

        `known` are roots that wait behind who is busy, and accounts that could not be brought up to
        date; it is tried once.
        """
        waiting, stuck = known
        trouble = await _try(judge, lane, part, waiting)
        if isinstance(trouble, BehindError) and trouble.accounts - stuck:
            if await let_catch_up(self.catch_up, trouble):
                trouble = await _try(judge, lane, part, waiting)
            else:
                stuck |= trouble.accounts
        if isinstance(trouble, list):
            return trouble
        if isinstance(trouble, LostError):  # without a database smaller parts fare no better
            waiting |= {one.root for one in part}
            return [Verdict(one.hold_id, "BUSY") for one in part]
        if len(part) > 1:
            return None
        if isinstance(trouble, BusyError):
            waiting.add(part[0].root)
            return [Verdict(part[0].hold_id, "BUSY")]
        _log.error("hold_not_judged", hold_id=part[0].hold_id, exc_info=trouble)
        return [Verdict(part[0].hold_id, "FAILED")]


async def _try(
    judge: JudgeHolds, lane: HoldLane, part: Sequence[Moved], waiting: set[int]
) -> list[Verdict] | BaseException:
    """Judge a part once; what went wrong is undone and told."""
    # its own task: whatever it raises is looked at, and keeps nobody else from a judgement
    judging = asyncio.create_task(judge.judge(lane, part, waiting))
    await asyncio.wait([judging])
    trouble = judging.exception()
    if trouble is None:
        return judging.result()
    await lane.rollback()
    return trouble
