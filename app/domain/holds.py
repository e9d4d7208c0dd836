"""Order holds: orders that must not ship, and accounts that are stopped, until somebody decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from app.domain.money import Money

Kind = Literal["AUTOMATIC", "FORCED", "STOP"]
Status = Literal["OPEN", "RELEASED", "REJECTED", "CANCELLED"]


@dataclass(frozen=True, slots=True)
class OrderHold:
    """A hold as stored. A stop has no order; its `segment_id` None: it stops every segment.

    `ask` is the question that was held, as JSON (None: the order was never asked about), `owner`
    the credit specialist of the account. A closed hold never changes again.
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

    @property
    def amount(self) -> Money | None:
        """The order's value as it was last asked; None where nobody asked."""
        return None if self.ask is None else Money(*self.ask["amount"])


@dataclass(frozen=True, slots=True)
class HoldEvent:
    """One line of a hold's history: `action` is open, update, force, release, reject or cancel."""

    hold_id: str
    action: str
    client: str
    actor: str | None
    reason_code: str | None
    note: str | None
    data: Mapping[str, Any] | None
    at: datetime


@dataclass(frozen=True, slots=True)
class HoldFilter:
    """Which holds are asked for; None: any. `after` is (updated_at, hold_id) of the last one seen.

    `segments` are those within sight; a stop of every segment is within everybody's.
    """

    most: int
    after: tuple[datetime, str] | None = None
    status: Status | None = None
    owner: str | None = None
    segment: str | None = None
    customer_id: str | None = None
    order_id: str | None = None
    updated_since: datetime | None = None
    segments: frozenset[str] | None = None
