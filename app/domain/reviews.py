"""When limits are to be looked at again, and which of them end soon."""

from dataclasses import dataclass
from datetime import date, timedelta

from app.domain.limits import LimitKind
from app.domain.money import Money


@dataclass(frozen=True, slots=True)
class Review:
    """An account with a base limit, and when somebody is to look at it.

    `last_on` is the day of the last review, or of the approval where nobody reviewed it since.
    """

    account_id: int
    customer_id: str
    segment_id: str
    owner: str | None
    risk_class: str
    limit: Money | None
    last_on: date
    due_on: date

    @property
    def key(self) -> str:
        """What stands for it in the order of the list, beside its day."""
        return f"{self.customer_id}/{self.segment_id}"


def due_on(last_on: date, valid_to: date | None, days: int) -> date:
    """Say when a limit is to be reviewed: after so many days, but no later than it ends."""
    regular = last_on + timedelta(days=days)
    return regular if valid_to is None else min(regular, valid_to)


@dataclass(frozen=True, slots=True)
class Ending:
    """A limit or cover that ends soon, with nothing approved that follows it."""

    limit_id: str
    account_id: int
    customer_id: str
    segment_id: str
    owner: str | None
    kind: LimitKind
    limit: Money | None
    unlimited: bool
    valid_to: date
