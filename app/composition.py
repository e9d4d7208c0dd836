"""What one process is made of: settings become a database, use cases, lanes and a desk.

Imports everybody; imported by the entry points, of which `main` makes an application of it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any, Final, Protocol

import orjson

from app.api.desk import Desk
from app.domain.rules_standard import STANDARD
from app.scoring.shelf import Shelf
from app.settings import Settings
from app.store import lane as store_lane
from app.store import read_lane as store_read_lane
from app.store.clock import ServerClock
from app.store.database import OVERFLOW, Database
from app.store.guesses import Guesses
from app.store.holds_lane import HoldLane
from app.store.ids import IdSource
from app.store.processors import Courtesy, ask_quietly
from app.store.revision import require_schema
from app.usecases.apart import CONNECTIONS
from app.usecases.authorizations import AuthorizeOrders
from app.usecases.catch_up import catch_up_on
from app.usecases.clocks import ClockWatch
from app.usecases.facts import ApplyFacts, Facts
from app.usecases.facts_quarantine import CloseQuarantined, ListQuarantine
from app.usecases.figures import Figures
from app.usecases.groups import accounts_on
from app.usecases.hangs import HangWatch
from app.usecases.health import CheckReadiness, Part
from app.usecases.holds_judge import HoldsJudge
from app.usecases.keys import Authenticate, CreateKey, ListKeys, RevokeKey
from app.usecases.lane_sets import Lanes
from app.usecases.lanes import BatchingLane, Decide, LaneSizes
from app.usecases.orders import Orders, Surroundings
from app.usecases.parties import Parties
from app.usecases.read_lane import ReadLane
from app.usecases.reads import Reads
from app.usecases.registry import ModelPolicy, Models
from app.usecases.rules import RuleSets
from app.usecases.rules_sheets import RuleSheets
from app.usecases.score_orders import OrderPds
from app.usecases.score_terms import RaterLane, rate_by_model, score_terms
from app.usecases.scores import Scores
from app.usecases.seeds import SeedDatabase
from app.usecases.snoozes import Snoozes

_OTHER_LANES: Final = 4
"""Connections for lanes of fixed number: limit checks, reads."""


class Lane(Part, Protocol):
    """What works beside the requests, from start to stop of the application."""

    async def start(self) -> None:
        """Begin to work."""
        ...

    async def stop(self) -> None:
        """Finish what was taken in, then end."""
        ...


@dataclass(frozen=True, slots=True)
class Inner:
    """Connections that no flood of requests uses up: by them callers are recognised.

    Lanes have accounts made by them; they are closed after all others have stopped.
    """

    database: Database
    hangs: HangWatch

    async def start(self) -> None:
        """Connect nothing yet."""
        await self.hangs.start()

    async def stop(self) -> None:
        """Close them."""
        await self.hangs.stop()
        self.database.close()

    def alive(self) -> bool:
        """Say whether they are watched; what they are needed for says what else is wrong."""
        return self.hangs.alive()


@dataclass(frozen=True, slots=True)
class Composition:
    """All that one process needs, made and not yet connected to anything."""

    database: Database
    seed: SeedDatabase
    desk: Desk
    lanes: Sequence[Lane]

    def prepare(self) -> None:
        """Refuse a schema that does not suit, then seed; a second time changes nothing.

        Raises:
            SchemaOldError: The schema is none this program works on.
            BusyError: The database was out of reach.

        """
        require_schema(self.database)
        self.seed()


def compose(
    settings: Settings, database_url: str, clock: Callable[[], datetime] | None = None
) -> Composition:
    """Put everything together on a database, which is reached when it is first needed.

    Without a `clock` the database's is kept.
    """
    now = ServerClock() if clock is None else clock
    prepare, met = settings.prepare == "on", ask_quietly(settings.database_nice)
    database = Database(database_url, pool_size=settings.pool_size, prepare=prepare, met=met)
    seed = SeedDatabase(database, now, STANDARD, _scorecard())
    new_id = IdSource()
    models = compose_models(settings, database, now, new_id)
    rater = rate_by_model(settings, models.scorer)
    scores = Scores.over(database, now, score_terms(settings, rater))
    inner = Database(database_url, pool_size=CONNECTIONS, overflow=0, prepare=prepare, met=met)
    lanes = _lanes(settings, AuthorizeOrders(now, new_id), OrderPds(inner, rater), inner)
    reading = _read_lane(settings, database_url, now)
    facts = Facts(
        ApplyFacts(database, now, new_id, scores.rescore.afterwards),
        ListQuarantine(database),
        CloseQuarantined(database, now),
    )
    around = Surroundings(now, new_id, lanes.ask, _judge(settings, inner, new_id))
    desk = Desk(
        lanes=lanes,
        new_id=new_id,
        authenticate=Authenticate(inner, time.monotonic),
        check_readiness=CheckReadiness(inner, [lanes, reading]),
        create_key=CreateKey(database, now),
        list_keys=ListKeys(database),
        revoke_key=RevokeKey(database, now),
        parties=Parties.over(database, now, facts.let_go),
        orders=Orders.over(database, around),
        facts=facts,
        figures=Figures.over(database, now, new_id),
        scores=scores,
        reads=Reads.over(reading, scores.rescore.cooldown),
        models=models,
        rules=RuleSets.over(database, now),
        rule_sheets=RuleSheets.over(database, now),
        snoozes=Snoozes(database, now, new_id),
    )
    guarded = Inner(inner, HangWatch(inner))
    beside: list[Lane] = [guarded, lanes, reading, models.watch, RaterLane(rater)]
    if isinstance(now, ServerClock):
        beside.insert(1, ClockWatch(inner, now))
    return Composition(database, seed, desk, beside)


def compose_models(
    settings: Settings, database: Database, now: Callable[[], datetime], new_id: IdSource
) -> Models:
    """Put the registry and the scoring process together; neither is reached before it is needed."""
    place, key_file = settings.model_store, settings.model_key_file
    shelf = Shelf.at(settings.state_dir, place, key_file, settings.model_trusted_keys)
    four_eyes = settings.model_four_eyes == "on"
    looks = (settings.model_look_s, settings.model_answer_s)
    policy = ModelPolicy(four_eyes, *looks, scores_by=settings.score_model)
    return Models.over(database, shelf, policy, now, new_id)


def connections_of(settings: Settings) -> int:
    """Say how many database connections one process that answers may open at most."""
    lanes = settings.lanes + settings.large_lanes + _OTHER_LANES
    return settings.pool_size + OVERFLOW + CONNECTIONS + lanes


def _lanes(settings: Settings, authorize: AuthorizeOrders, pds: OrderPds, inner: Database) -> Lanes:
    make_account, guesses = accounts_on(inner), Guesses()
    catch_up = catch_up_on(inner, settings.work_batch)

    def lane(decide: Decide, sizes: LaneSizes, *, aside: bool = False) -> BatchingLane:
        prepare, courtesy = settings.prepare == "on", Courtesy(settings.database_nice, aside)
        connection = store_lane.Lane(inner.url, prepare=prepare, met=courtesy, guesses=guesses)
        return BatchingLane(connection, decide, make_account, sizes, catch_up)

    sizes = LaneSizes(settings.lane_batch, settings.lane_queue, settings.lane_wait_s)
    large, aside = sizes.for_large(), settings.large_lanes_aside == "on"
    usual = sizes if settings.large_lanes else sizes.roomy()
    return Lanes(
        [lane(authorize, usual) for _ in range(settings.lanes)],
        lane(authorize.check, sizes),
        [lane(authorize, large, aside=aside) for _ in range(settings.large_lanes)],
        pds=pds,
    )


def _judge(settings: Settings, database: Database, new_id: IdSource) -> HoldsJudge:
    """Judge holds again on request; the connection lives as long as the request."""
    url, prepare, met = database.url, settings.prepare == "on", ask_quietly(settings.database_nice)
    catch_up = catch_up_on(database, settings.work_batch)
    return HoldsJudge(lambda: HoldLane(url, prepare=prepare, met=met), new_id, catch_up)


def _read_lane(settings: Settings, url: str, now: Callable[[], datetime]) -> ReadLane:
    prepare, courtesy = settings.prepare == "on", Courtesy(settings.database_nice)
    source = store_read_lane.ReadConnection(url, prepare=prepare, met=courtesy)
    return ReadLane(source, now, settings.lane_batch, settings.lane_queue)


def _scorecard() -> dict[str, Any]:
    file = resources.files("app.scoring").joinpath("standard_scorecard.json")
    data: dict[str, Any] = orjson.loads(file.read_bytes())
    return data
