"""The composition root: settings become a database, use cases, lanes and the FastAPI application.

Imports everybody and is imported by entry points only.
"""

import gc
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from importlib.metadata import version
from typing import Any, Final, Protocol

import orjson
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from app import telemetry
from app.api.conventions import install
from app.api.desk import Desk
from app.api.express import ExpressApp, express_routes
from app.api.idempotency import require_declared_keys
from app.api.routes import ROUTERS
from app.domain.rules_standard import STANDARD
from app.scoring.shelf import Shelf
from app.settings import Settings
from app.store import lane as store_lane
from app.store import read_lane as store_read_lane
from app.store.database import OVERFLOW, Database
from app.store.holds_lane import HoldLane
from app.store.ids import IdSource
from app.store.migrate import require_head
from app.usecases.authorizations import AuthorizeOrders
from app.usecases.facts import ApplyFacts, Facts, ListQuarantine
from app.usecases.facts_lapse import LapseProvisional
from app.usecases.facts_quarantine import CloseQuarantined
from app.usecases.figures import Figures
from app.usecases.groups import ensure_accounts
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

VERSION: Final = version("aval")

_DESCRIPTION: Final = """\
The credit desk of a company that sells on credit: limits and their use, checks and reservations \
at every step of an order, facts from the ERP, scores, order holds. Money is a decimal string with \
its currency, gross. Refusals are RFC 9457 problems with a stable `code`."""

_TAGS: Final = [
    {"name": "customers", "description": "Who buys on which terms; segments, accounts, limits"},
    {"name": "rates", "description": "Exchange rates"},
    {"name": "scores", "description": "How likely a customer pays late, and why"},
    {"name": "authorizations", "description": "Limit checks, reservations and their decisions"},
    {"name": "facts", "description": "What happened, as the ERP reports it"},
    {"name": "holds", "description": "Orders that must not ship until somebody decides"},
    {"name": "rules", "description": "The credit policy"},
    {"name": "models", "description": "What scores are computed with"},
    {"name": "operations", "description": "For whoever runs the service"},
]

_OTHER_LANES: Final = 4
"""Connections for lanes of fixed number: limit checks, reads."""

_GC: Final = (5000, 20, 100)
"""Thresholds of garbage collection after start-up, by generation."""


class Lane(Part, Protocol):
    """What works beside the requests, from start to stop of the application."""

    async def start(self) -> None:
        """Begin to work."""
        ...

    async def stop(self) -> None:
        """Finish what was taken in, then end."""
        ...


@dataclass(frozen=True, slots=True)
class Composition:
    """All that one process needs, made and not yet connected to anything."""

    database: Database
    seed: SeedDatabase
    desk: Desk
    lanes: Sequence[Lane]

    def prepare(self) -> None:
        """Refuse an old schema, then seed; a second time changes nothing.

        Raises:
            SchemaOldError: The schema is not the one this program needs.
            BusyError: The database was out of reach.

        """
        require_head(self.database)
        self.seed()


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def compose(
    settings: Settings, database_url: str, now: Callable[[], datetime] = utc_now
) -> Composition:
    """Put everything together on a database, which is reached when it is first needed."""
    database = Database(
        database_url, pool_size=settings.pool_size, prepare=settings.prepare == "on"
    )
    seed = SeedDatabase(database, now, STANDARD, _scorecard())
    new_id = IdSource()
    models = compose_models(settings, database, now, new_id)
    rater = rate_by_model(settings, models.scorer)
    scores = Scores.over(database, now, score_terms(settings, rater))
    lanes = _lanes(settings, AuthorizeOrders(now, new_id), OrderPds(database, rater))
    reading = _read_lane(settings, database_url, now)
    facts = Facts(
        ApplyFacts(database, now, new_id, scores.rescore.afterwards),
        ListQuarantine(database),
        LapseProvisional(database, scores.rescore.afterwards),
        CloseQuarantined(database, now),
    )
    desk = Desk(
        lanes=lanes,
        new_id=new_id,
        authenticate=Authenticate(database, time.monotonic),
        check_readiness=CheckReadiness(database, [lanes, reading]),
        create_key=CreateKey(database, now),
        list_keys=ListKeys(database),
        revoke_key=RevokeKey(database, now),
        parties=Parties.over(database, now, facts.let_go),
        orders=Orders.over(
            database, Surroundings(now, new_id, lanes.ask, _judge(settings, database_url, new_id))
        ),
        facts=facts,
        figures=Figures.over(database, now, new_id),
        scores=scores,
        reads=Reads.over(reading, scores.rescore.cooldown),
        models=models,
        rules=RuleSets.over(database, now),
        rule_sheets=RuleSheets.over(database, now),
        snoozes=Snoozes(database, now, new_id),
    )
    return Composition(database, seed, desk, [lanes, reading, models.watch, RaterLane(rater)])


def compose_models(
    settings: Settings, database: Database, now: Callable[[], datetime], new_id: IdSource
) -> Models:
    """Put the registry and the scoring process together; neither is reached before it is needed."""
    place, key_file = settings.model_store, settings.model_key_file
    shelf = Shelf.at(settings.state_dir, place, key_file, settings.model_trusted_keys)
    four_eyes = settings.model_four_eyes == "on"
    policy = ModelPolicy(four_eyes, settings.model_look_s, settings.model_answer_s)
    return Models.over(database, shelf, policy, now, new_id)


def connections_of(settings: Settings) -> int:
    """Say how many database connections one process that answers may open at most."""
    return settings.pool_size + OVERFLOW + settings.lanes + _OTHER_LANES


def _lanes(settings: Settings, authorize: AuthorizeOrders, pds: OrderPds) -> Lanes:
    database = pds.database

    def make_account(customer_id: str, segment_id: str) -> None:
        with database.begin() as tx:
            ensure_accounts(tx, customer_id, segment_id)

    return Lanes(
        [_lane(settings, database.url, authorize, make_account) for _ in range(settings.lanes)],
        _lane(settings, database.url, authorize.check, make_account),
        pds=pds,
    )


def _lane(
    settings: Settings, url: str, decide: Decide, make_account: Callable[[str, str], object]
) -> BatchingLane:
    lane = store_lane.Lane(url, prepare=settings.prepare == "on")
    sizes = LaneSizes(settings.lane_batch, settings.lane_queue, settings.lane_wait_s)
    return BatchingLane(lane, decide, make_account, sizes)


def _judge(settings: Settings, url: str, new_id: IdSource) -> HoldsJudge:
    """Judge holds again on request; the connection lives as long as the request."""
    return HoldsJudge(lambda: HoldLane(url, prepare=settings.prepare == "on"), new_id)


def _read_lane(settings: Settings, url: str, now: Callable[[], datetime]) -> ReadLane:
    source = store_read_lane.ReadConnection(url, prepare=settings.prepare == "on")
    return ReadLane(source, now, settings.lane_batch, settings.lane_queue)


def create_app(
    settings: Settings, database_url: str, now: Callable[[], datetime] = utc_now
) -> FastAPI:
    """Make the application; it connects, checks the schema and seeds when it is started."""
    return application(compose(settings, database_url, now))


def application(parts: Composition) -> FastAPI:
    """Make the application of a composition, and close the composition when it stops."""
    app = ExpressApp(
        title="Aval",
        version=VERSION,
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        lifespan=_lifespan(parts),
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        separate_input_output_schemas=False,
    )
    install(app)
    app.take(express_routes(ROUTERS))
    _finish_openapi(app)
    app.state.desk = parts.desk
    for router in ROUTERS:
        app.include_router(router)
    return app


def _finish_openapi(app: FastAPI) -> None:
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        require_declared_keys(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign] # the documented way to extend it


def _lifespan(parts: Composition) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        telemetry.set_build(VERSION)
        try:
            await run_in_threadpool(parts.prepare)
            async with _running(parts):
                yield
        finally:
            parts.database.close()

    return lifespan


@asynccontextmanager
async def _running(parts: Composition) -> AsyncIterator[None]:
    started: list[Lane] = []
    try:
        for lane in parts.lanes:
            await lane.start()
            started.append(lane)
        parts.desk.check_readiness.open = True
        yield
    finally:
        parts.desk.check_readiness.open = False
        for lane in reversed(started):
            await lane.stop()


def tune_memory() -> None:
    """Leave what start-up made out of garbage collection, and collect less often.

    For processes that serve only: p99 of a check falls from 33 to 13 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC)


def _scorecard() -> dict[str, Any]:
    file = resources.files("app.scoring").joinpath("standard_scorecard.json")
    data: dict[str, Any] = orjson.loads(file.read_bytes())
    return data
