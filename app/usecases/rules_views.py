"""A version of the rules as people look at it, and a record of what somebody does with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from app.domain.callers import Caller
from app.store import rules, rules_force
from app.store.database import Tx
from app.store.rules import Event, StoredRuleSet
from app.store.rules_force import InForce
from app.telemetry.rules import RULE_SET_ACTIONS
from app.usecases.asks import Answer

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RuleSetView:
    """A version, where it is in force and where it will be; with its history if asked for."""

    stored: StoredRuleSet
    segments: Sequence[InForce]
    history: Sequence[Event] = ()

    @property
    def active_in(self) -> list[str]:
        """The segments within sight that are judged by it."""
        return [one.segment_id for one in self.segments if one.version == self._version]

    @property
    def next_in(self) -> list[InForce]:
        """The segments within sight that will be judged by it."""
        return [one for one in self.segments if one.next_version == self._version]

    @property
    def _version(self) -> int:
        return self.stored.life.version

    @property
    def status(self) -> str:
        """How far it has come: ACTIVE where in force anywhere, SUPERSEDED once it was."""
        if self.active_in:
            return "ACTIVE"
        later = self.next_in or not self.stored.activated
        return self.stored.life.status if later else "SUPERSEDED"


Render = Callable[[RuleSetView], Answer]
"""Writes the answer, once."""


def view(tx: Tx, caller: Caller, version: int, at: datetime) -> RuleSetView:
    """Read a version with its history, and where within sight it is in force.

    Raises:
        NotFoundError: There is no such version.

    """
    found = in_sight(tx, caller, at)
    return RuleSetView(rules.one(tx, version, at), found, rules.history(tx, version))


def in_sight(tx: Tx, caller: Caller, at: datetime) -> list[InForce]:
    """Read what the segments within sight are judged by."""
    return [one for one in rules_force.in_force(tx, at) if caller.sees(one.segment_id)]


def counted(answer: Answer, action: str, version: int | None, caller: Caller) -> Answer:
    """Count and log what was done, once it is committed; an answer given again did nothing."""
    if not answer.replayed:
        RULE_SET_ACTIONS.labels(action).inc()
        log.info("rule_set", action=action, version=version, client=caller.client)
    return answer
