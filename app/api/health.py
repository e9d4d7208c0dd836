"""Whether the process lives and whether it can answer; needs no token."""

from typing import Literal

from fastapi import APIRouter
from pydantic import ConfigDict

from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel
from app.usecases.apart import READINESS

router = APIRouter(route_class=StrictRoute, tags=["operations"])


class Alive(AnswerModel):
    """The process runs; nothing is said of the database."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "alive"}]})

    status: Literal["alive"] = "alive"


class Ready(AnswerModel):
    """Requests are answered: the database is reached, its schema is current, the lanes run."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ready"}]})

    status: Literal["ready"] = "ready"


@router.get("/livez", operation_id="checkAlive", summary="Does the process run?")
async def check_alive() -> Alive:
    """Answer without looking at anything, so that a restart is asked for only where it helps."""
    return Alive()


@router.get(
    "/readyz",
    operation_id="checkReady",
    summary="Can requests be answered?",
    responses={503: refusals()[503]},
)
async def check_ready(desk: DeskDep) -> Ready:
    """Look at the database, its schema and the lanes; 503 `busy` names what is missing."""
    await READINESS.do(desk.check_readiness)
    return Ready()
