"""The use cases of orders together: order holds, authorizations, decisions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.store.database import Database
from app.usecases.asks import Answer, Ask
from app.usecases.authority import Authorities
from app.usecases.decisions import (
    CompareDecisions,
    ListDecisions,
    ReadDecision,
    ReplayDecision,
)
from app.usecases.holds import ListHolds, PlaceHold, ReadHold
from app.usecases.holds_approve import ApproveRelease, DeclineRelease
from app.usecases.holds_bulk import ReevaluateHolds, ReleaseHolds
from app.usecases.holds_end import EndHold
from app.usecases.holds_judge import HoldsJudge
from app.usecases.holds_notes import CommentHold
from app.usecases.releases import ReleaseHold
from app.usecases.reservations import ListAuthorizations, ReadAuthorization, ReleaseAuthorization
from app.usecases.trials import ReportPilot, TryRuleSet


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the use cases share: the clock, new ids, the way to the lanes, and who judges holds."""

    now: Callable[[], datetime]
    new_id: Callable[[], str]
    ask: Callable[[Ask], Awaitable[Answer]]
    judge: HoldsJudge


@dataclass(frozen=True, slots=True)
class Orders:
    """One field a use case."""

    list_holds: ListHolds
    read_hold: ReadHold
    place_hold: PlaceHold
    release_hold: ReleaseHold
    end_hold: EndHold
    comment_hold: CommentHold
    approve_release: ApproveRelease
    decline_release: DeclineRelease
    release_holds: ReleaseHolds
    reevaluate_holds: ReevaluateHolds
    authorities: Authorities
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
        release = ReleaseHold(database, now, new_id, around.ask)
        return cls(
            ListHolds(database, now),
            ReadHold(database),
            PlaceHold(database, now, new_id),
            release,
            EndHold(database, now),
            CommentHold(database, now),
            ApproveRelease(release),
            DeclineRelease(database, now),
            ReleaseHolds(release),
            ReevaluateHolds(database, around.judge, now),
            Authorities(database, now),
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
