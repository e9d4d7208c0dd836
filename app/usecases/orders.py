"""The use cases of orders together: order holds, authorizations, decisions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.store.database import Database
from app.usecases.asks import Answer, Ask
from app.usecases.decisions import (
    CompareDecisions,
    ListDecisions,
    ReadDecision,
    ReplayDecision,
)
from app.usecases.holds import ListHolds, PlaceHold, ReadHold
from app.usecases.releases import EndHold, ReleaseHold
from app.usecases.reservations import ListAuthorizations, ReadAuthorization, ReleaseAuthorization
from app.usecases.trials import ReportPilot, TryRuleSet


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the use cases share: the clock, new ids, and the way to the lanes."""

    now: Callable[[], datetime]
    new_id: Callable[[], str]
    ask: Callable[[Ask], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Orders:
    """One field a use case."""

    list_holds: ListHolds
    read_hold: ReadHold
    place_hold: PlaceHold
    release_hold: ReleaseHold
    end_hold: EndHold
    list_authorizations: ListAuthorizations
    read_authorization: ReadAuthorization
    release_authorization: ReleaseAuthorization
    list_decisions: ListDecisions
    read_decision: ReadDecision
    replay_decision: ReplayDecision
    compare_decisions: CompareDecisions
    try_rule_set: TryRuleSet
    report_pilot: ReportPilot

    @classmethod
    def over(cls, database: Database, around: Surroundings) -> Self:
        """Make them on one database."""
        now, new_id = around.now, around.new_id
        return cls(
            ListHolds(database),
            ReadHold(database),
            PlaceHold(database, now, new_id),
            ReleaseHold(database, now, new_id, around.ask),
            EndHold(database, now),
            ListAuthorizations(database),
            ReadAuthorization(database),
            ReleaseAuthorization(database, now),
            ListDecisions(database),
            ReadDecision(database),
            ReplayDecision(database),
            CompareDecisions(database),
            TryRuleSet(database, now),
            ReportPilot(database, now),
        )
