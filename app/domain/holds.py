"""Order holds: orders that must not ship, and accounts that are stopped, until somebody decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from app.domain.callers import Caller
from app.domain.money import Money

Kind = Literal["AUTOMATIC", "FORCED", "STOP"]
Status = Literal["OPEN", "RELEASED", "REJECTED", "CANCELLED"]

SYSTEM: Final = Caller("aval", frozenset({"admin"}))
"""Who acts where nobody asked: it may judge, and ends nothing that a person placed."""


ProposalStatus = Literal["PROPOSED", "APPROVED", "DECLINED"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A release that waits, or waited, for a second person; `valid_until` as the release has it.

    An APPROVED one was carried out. `asked` is what the order was held for when it was proposed
    (None: not on record), by which an order that is asked for anew is told.
    """

    proposal_id: str
    status: ProposalStatus
    most: Money
    valid_until: datetime | None
    reason_code: str
    note: str | None
    proposed_by: str
    proposed_actor: str | None
    proposed_at: datetime
    asked: Mapping[str, Any] | None = None
    decided_by: str | None = None
    decided_actor: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderHold:
    """A hold as stored. A stop has no order; its `segment_id` None: it stops every segment.

    `ask` is the question that was held, as JSON (None: the order was never asked about), `owner`
    the credit specialist of the account. `auto_release` false: the policy wants a person.
    `escalated_to` is the role that hears of it by now, `proposal` the newest release that needed
    two persons. A closed hold never changes again; `authorized` does: it is what the authorization
    is for that a release made (None: none was, or it has ended).
    """

    hold_id: str
    kind: Kind
    status: Status
    customer_id: str
    account_id: int | None
    segment_id: str | None
    order_id: str | None
    reason_code: str | None
    reasons: Sequence[Mapping[str, Any]]
    unblock: Sequence[Mapping[str, Any]]
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    ask: Mapping[str, Any] | None = None
    decision_id: str | None = None
    authorization_id: str | None = None
    owner: str | None = None
    auto_release: bool = True
    escalation_level: int = 0
    escalated_to: str | None = None
    escalated_at: datetime | None = None
    proposal: Proposal | None = None
    authorized: Money | None = None

    @property
    def amount(self) -> Money | None:
        """The order's value as it was last asked; None where nobody asked."""
        return None if self.ask is None else Money(*self.ask["amount"])


@dataclass(frozen=True, slots=True)
class HoldEvent:
    """One line of a hold's history.

    `action` is open, update, force, comment, escalate, propose, decline, release, reject or cancel.
    """

    hold_id: str
    action: str
    client: str
    actor: str | None
    reason_code: str | None
    note: str | None
    data: Mapping[str, Any] | None
    at: datetime


Sort = Literal["updated_at", "opened_at", "amount"]
"""How a list is sorted: what changed longest ago first, the oldest first, the largest first."""

After = tuple[datetime | Decimal, str]
"""The sort key of the last hold seen, and its id."""


@dataclass(frozen=True, slots=True)
class HoldFilter:
    """Which holds are asked for; None: any. `after` is the last one seen, by `sort`.

    `least` are major units of the order's own currency (`currency` says which), inclusive.
    `opened_before` is exclusive, `updated_since` inclusive; `older_than_s` is read as of now.
    `segments` are those within sight; a stop of every segment is within everybody's.
    """

    most: int
    sort: Sort = "updated_at"
    after: After | None = None
    status: Status | None = None
    kind: Kind | None = None
    owner: str | None = None
    segment: str | None = None
    customer_id: str | None = None
    order_id: str | None = None
    reason: str | None = None
    currency: str | None = None
    least: Decimal | None = None
    older_than_s: int | None = None
    opened_before: datetime | None = None
    updated_since: datetime | None = None
    escalated_to: str | None = None
    proposed: bool | None = None
    segments: frozenset[str] | None = None
    hold_ids: Sequence[str] | None = None
