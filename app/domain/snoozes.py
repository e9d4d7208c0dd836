"""Rule snoozes: for one customer a rule only warns, by one person's word, for a reason and a time.

What no exemption of a policy lifts, no snooze lifts either: a hold or stop that a person placed, a
limit, a missing rate.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from app.domain.errors import FieldError
from app.domain.rules import Fired, RuleSet
from app.domain.rules_sets import NEVER_LIFTED

LONGEST: Final = timedelta(days=90)
"""The longest snooze, inclusive: what should last is written into the policy."""


@dataclass(frozen=True, slots=True)
class Snooze:
    """A rule that only warns, for one account, until `expires_at` (exclusive)."""

    snooze_id: str
    customer_id: str
    segment_id: str
    rule_id: str
    reason: str
    client: str
    actor: str | None
    created_at: datetime
    expires_at: datetime
    ended_by: str | None = None
    ended_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Tell whether it is in force at a moment."""
        return self.ended_at is None and at < self.expires_at


def check_snooze(rule_id: str, expires_at: datetime, rules: RuleSet, now: datetime) -> None:
    """Insist that a rule can be snoozed until a moment.

    Raises:
        FieldError: The policy in force has no such rule, the rule cannot be snoozed, or the time
            is over already or too long.

    """
    row = next((row for row in rules.rows if row.rule_id == rule_id), None)
    if row is None:
        raise FieldError("is no rule of the policy in force", "rule_id")
    if row.scope == "path" or row.reason in NEVER_LIFTED:
        raise FieldError("cannot be snoozed: raise the limit, or lift the hold", "rule_id")
    if expires_at <= now:
        raise FieldError("must be in the future", "expires_at")
    if expires_at - now > LONGEST:
        raise FieldError(f"must be within {LONGEST.days} days", "expires_at")


def snoozes_to_json(snoozes: Iterable[Snooze], at: datetime) -> dict[str, str]:
    """Write what is in force for an account's inputs: rule ids with their ends."""
    return {one.rule_id: one.expires_at.isoformat() for one in snoozes if one.holds(at)}


def split_snoozed(
    fired: Iterable[Fired], told: Mapping[str, Any] | None, at: datetime
) -> tuple[list[Fired], list[Fired]]:
    """Split what fired into what stands and what is snoozed; `told` is of `snoozes_to_json`."""
    if not told:
        return list(fired), []
    stands: list[Fired] = []
    snoozed: list[Fired] = []
    for one in fired:
        until = told.get(one.row.rule_id)
        lifted = (
            until is not None
            and at < datetime.fromisoformat(until)
            and one.row.scope != "path"
            and one.row.reason not in NEVER_LIFTED
        )
        (snoozed if lifted else stands).append(one)
    return stands, snoozed
