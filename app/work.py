"""The composition root of background work: settings and a database become loops that run beside.

A loop is a name, a pause and a pass; a pass is portions: use case calls in a thread, each a short
transaction that is safe beside its twins in other processes. Imported by `aval work` only.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import structlog

from app.domain.errors import BusyError
from app.domain.feature_catalogue import NAMES
from app.scoring.shelf import Shelf
from app.settings import Settings
from app.store.database import Database
from app.store.holds_lane import HoldLane
from app.store.ids import IdSource
from app.store.processors import ask_quietly
from app.telemetry import WORK_ITEMS, WORK_LEFT, WORK_RUNS, WORK_SECONDS
from app.texts import TEXTS
from app.usecases.adjust_limits import AdjustLimits
from app.usecases.catch_up import catch_up_on
from app.usecases.escalation import EscalateHolds
from app.usecases.expiry import ExpireAuthorizations
from app.usecases.facts_lapse import LapseDue
from app.usecases.facts_requeue import RequeueFacts
from app.usecases.facts_tally import TallyFacts
from app.usecases.health_models import WatchHealth
from app.usecases.holds_judge import HoldsJudge
from app.usecases.holds_release import ReleaseCleared
from app.usecases.horizons import CountOrders
from app.usecases.limits_due import SettleLimits
from app.usecases.models import RegisterModel
from app.usecases.portions import Cursor, Portion
from app.usecases.registry import ModelPolicy, Models
from app.usecases.revaluation import RevaluePositions
from app.usecases.reviews import WatchLimits
from app.usecases.score_outcomes import CountOutcomes
from app.usecases.score_raters import RateByCard, Rater
from app.usecases.score_refresh import ListNight, RefreshScores
from app.usecases.score_terms import rate_by_model
from app.usecases.training import DEFAULT_NAME, TrainCandidate, TrainModel
from app.usecases.training_again import TrainAgain

COUNT_EVERY_S: Final = 10.0
"""Pause between looks whether the outcomes of yesterday are counted, in seconds."""

HEALTH_EVERY_S: Final = 600.0
"""Pause between looks whether the champion's health was looked at within a day, in seconds."""

REQUEUE_EVERY_S: Final = 10.0
"""Pause between looks for facts whose customer or rate is there by now, in seconds."""

SETTLE_EVERY_S: Final = 60.0
"""Pause between looks for limits that began or lapsed by today, in seconds."""

TALLY_EVERY_S: Final = 30.0
"""Pause between counts of facts that wait and of figures that drift, in seconds."""

TRAIN_LOOK_S: Final = 86_400.0
"""Pause between looks whether a model is old enough to train anew, in seconds."""

MOST_BACKOFF_S: Final = 60.0
"""The longest wait after failures, in seconds, where the loop's own pause is not longer."""

_MOST_LOOPS: Final = 16

_log = structlog.get_logger(__name__)


def _nothing() -> None:
    """End nothing: a portion is short."""


@dataclass(frozen=True, slots=True)
class Loop:
    """Work that is short, repeated and idempotent; `every_s` is the pause after a whole pass.

    `portion` does a bounded part and says where to go on; it begins anew with None. `end` breaks
    off, from another thread, a portion that may take minutes.
    """

    name: str
    every_s: float
    portion: Callable[[Cursor | None], Portion]
    end: Callable[[], None] = _nothing


@contextmanager
def rating(settings: Settings, database: Database) -> Iterator[Rater]:
    """Yield who rates: the model that stands, loaded here too, else the scorecard."""
    place, key_file = settings.model_store, settings.model_key_file
    shelf = Shelf.at(settings.state_dir, place, key_file, settings.model_trusted_keys)
    policy = ModelPolicy(every_s=settings.model_look_s, answer_s=settings.model_answer_s)
    models = Models.over(database, shelf, policy, lambda: datetime.now(UTC), IdSource())
    rater = rate_by_model(settings, models.scorer)
    models.watch.begin()
    try:
        yield rater
    finally:
        models.watch.end()
        rater.stop()


def loops(settings: Settings, database: Database, rater: Rater | None = None) -> list[Loop]:
    """Put the loops together; what fits the form of `Loop` is one more line here.

    `rater` None: the scorecard.
    """
    rates = rater or RateByCard()
    most = settings.work_batch
    cooldown = timedelta(seconds=settings.score_cooldown_s)
    found = [
        Loop("expire", settings.expire_every_s, ExpireAuthorizations(database, most)),
        Loop("count", settings.count_every_s, CountOrders(database, most)),
        Loop("settle", SETTLE_EVERY_S, SettleLimits(database, most)),
        Loop("lapse", settings.lapse_every_s, LapseDue(database, most)),
        Loop("requeue", REQUEUE_EVERY_S, RequeueFacts(database, most)),
        Loop("release", settings.release_every_s, releasing(settings, database)),
        Loop("escalate", settings.escalate_every_s, EscalateHolds(database, most)),
        Loop("revalue", settings.revalue_every_s, RevaluePositions(database, most)),
        Loop("score", settings.score_every_s, RefreshScores(database, rates, cooldown)),
        Loop("outcomes", COUNT_EVERY_S, CountOutcomes(database, settings.score_model)),
        Loop("health", HEALTH_EVERY_S, WatchHealth(database, settings.score_model)),
        Loop("night", settings.score_every_s, ListNight(database, settings.score_night_hour, most)),
        Loop("adjust", settings.adjust_every_s, AdjustLimits(database, most)),
        Loop("remind", settings.remind_every_s, WatchLimits(database)),
        Loop("tally", TALLY_EVERY_S, TallyFacts(database)),
    ]
    if settings.train_every_days:
        again = training(settings, database)
        found.append(Loop("train", TRAIN_LOOK_S, again, again.end))
    return found


def training(settings: Settings, database: Database) -> TrainAgain:
    """Train in a process of its own, for as long as it takes; only this loop waits for it."""
    place, key_file = settings.model_store, settings.model_key_file
    shelf = Shelf.at(settings.state_dir, place, key_file, settings.model_trusted_keys)

    def now() -> datetime:
        return datetime.now(UTC)

    register = RegisterModel(database, shelf, now, frozenset(NAMES), TEXTS.keys())
    return TrainAgain(
        TrainCandidate(TrainModel(database), register),
        settings.score_model or DEFAULT_NAME,
        timedelta(days=settings.train_every_days),
        now,
    )


def releasing(settings: Settings, database: Database) -> ReleaseCleared:
    """Judge holds on a lane beside the pool; its connection lives as long as a portion."""

    def open_lane() -> HoldLane:
        prepare, met = settings.prepare == "on", ask_quietly(settings.database_nice)
        return HoldLane(database.url, prepare=prepare, met=met)

    most = settings.work_batch
    judge = HoldsJudge(open_lane, IdSource(), catch_up_on(database, most))
    return ReleaseCleared(database, judge, most)


def open_database(settings: Settings, url: str) -> Database:
    """Make the pool, with room for all loops, each of which uses one connection at a time.

    Nothing is connected yet. Most loops rest most of the time: few connections are kept.
    """
    prepare, met = settings.prepare == "on", ask_quietly(settings.database_nice)
    return Database(url, pool_size=5, overflow=_MOST_LOOPS, prepare=prepare, met=met)


async def run(loops: Sequence[Loop], stop: asyncio.Event) -> None:
    """Run all loops until `stop`; a portion under way is finished, then nothing is begun.

    One that may take minutes is broken off. Each loop has a thread: none waits for another's.
    """
    with ThreadPoolExecutor(max(len(loops), 1), "work") as threads:
        async with asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(_repeat(loop, threads, stop), name=loop.name)
            await stop.wait()
            for loop in loops:
                loop.end()


async def _repeat(loop: Loop, threads: Executor, stop: asyncio.Event) -> None:
    failures = 0
    while not stop.is_set():
        failures = 0 if await _pass(loop, threads, stop) else failures + 1
        try:
            async with asyncio.timeout(pause_s(loop.every_s, failures)):
                await stop.wait()
        except TimeoutError:
            continue


def pause_s(every_s: float, failures: int) -> float:
    """Say how long to wait after a pass; `failures` in a row double it from 1 s up to a minute.

    A loop with a longer pause than that is tried again sooner, until it succeeds.
    """
    return every_s if not failures else min(MOST_BACKOFF_S, 2.0 ** min(failures - 1, 16))


async def _pass(loop: Loop, threads: Executor, stop: asyncio.Event) -> bool:
    """Do portions until none is left or `stop`; whatever goes wrong ends the pass, no more."""
    began, items, left = time.perf_counter(), 0, 0
    after: Cursor | None = None
    result: Literal["done", "busy", "failed"] = "done"
    try:
        while True:
            portion = await asyncio.get_running_loop().run_in_executor(threads, loop.portion, after)
            WORK_ITEMS.labels(loop.name).inc(portion.items)
            items, left, after = items + portion.items, left + portion.left, portion.after
            if after is None or stop.is_set():
                break
    except BusyError as busy:
        result = "busy"
        _log.warning("work_busy", loop=loop.name, reason=busy.detail)
    except Exception:  # noqa: BLE001 - told and tried again: one bug must not stop the other loops
        result = "failed"
        _log.exception("work_failed", loop=loop.name)
    WORK_RUNS.labels(loop.name, result).inc()
    WORK_SECONDS.labels(loop.name).observe(time.perf_counter() - began)
    if result == "done":
        WORK_LEFT.labels(loop.name).set(left)
    if items or left:
        tell = _log.warning if left else _log.info
        tell("work_done", loop=loop.name, items=items, left=left)
    return result == "done"
