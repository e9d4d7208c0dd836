"""The use cases that handlers reach, put together once by the composition root."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.usecases.facts import Facts
from app.usecases.figures import Figures
from app.usecases.health import CheckReadiness
from app.usecases.keys import Authenticate, CreateKey, ListKeys, RevokeKey
from app.usecases.lane_sets import Lanes
from app.usecases.orders import Orders
from app.usecases.parties import Parties
from app.usecases.reads import Reads
from app.usecases.registry import Models
from app.usecases.rules import RuleSets
from app.usecases.rules_sheets import RuleSheets
from app.usecases.scores import Scores
from app.usecases.snoozes import Snoozes


@dataclass(frozen=True, slots=True)
class Desk:
    """Every use case, one field each; made in `app/main.py`."""

    lanes: Lanes
    new_id: Callable[[], str]
    authenticate: Authenticate
    check_readiness: CheckReadiness
    create_key: CreateKey
    list_keys: ListKeys
    revoke_key: RevokeKey
    parties: Parties
    orders: Orders
    facts: Facts
    figures: Figures
    scores: Scores
    reads: Reads
    models: Models
    rules: RuleSets
    rule_sheets: RuleSheets
    snoozes: Snoozes


def desk_of(request: Request) -> Desk:
    """Reach the use cases from a handler that reads the raw request."""
    desk = request.app.state.desk
    if not isinstance(desk, Desk):
        message = "the composition root did not set app.state.desk"
        raise TypeError(message)
    return desk


DeskDep = Annotated[Desk, Depends(desk_of)]
"""A handler's parameter that brings the use cases."""
