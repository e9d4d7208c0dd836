"""The FastAPI application of a composition; imported by entry points only."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from app import telemetry
from app.api.conventions import install
from app.api.express import ExpressApp, express_routes
from app.api.idempotency import require_declared_keys
from app.api.routes import ROUTERS
from app.composition import Composition, Lane, compose
from app.settings import Settings

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

_GC: Final = (50000, 20, 100)
"""Thresholds of garbage collection after start-up, by generation.

What a batch of orders or facts holds until it is answered is tens of thousands of objects: a tenth
of this had all of them looked at again and again, 6 % of what a batch costs. It takes no more
memory in the end (158 MB after batches and facts over 128 connections).
"""


def create_app(
    settings: Settings, database_url: str, clock: Callable[[], datetime] | None = None
) -> FastAPI:
    """Make the application; it connects, checks the schema and seeds when it is started.

    Without a `clock` it goes by the database's.
    """
    return application(compose(settings, database_url, clock))


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
        redirect_slashes=False,  # behind a proxy it would lead to another scheme
    )
    install(app)
    app.take(express_routes(ROUTERS))
    _finish_openapi(app)
    app.state.desk = parts.desk
    # As they are, without `include_router`, which nothing here needs: it makes every route once
    # more for each application, at the first request, and finds the way through two routers.
    app.router.routes.extend(route for router in ROUTERS for route in router.routes)
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
