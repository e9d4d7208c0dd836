"""The ERP's figures against ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.domain.errors import FieldError
from app.domain.exposure import Category
from app.domain.money import Money

DriftStatus = Literal["OPEN", "ADJUSTED", "SUPERSEDED"]
Verdict = Literal["MATCH", "DRIFT", "UNKNOWN_CUSTOMER"]


@dataclass(frozen=True, slots=True)
class Told:
    """What the ERP has of a customer's own account; what was paid ahead is not negative.

    `ref` is an id or alias of the customer.
    """

    ref: str
    segment_id: str
    category: Category
    amount: Money


@dataclass(frozen=True, slots=True)
class Ours:
    """What we have of it: None and 0 where we know no such customer or it has no account yet.

    `seq` is the account's in the same snapshot; `account_id` None: it has none yet.
    """

    customer_id: str | None
    minor: int
    seq: int
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """A figure that differs; it is `theirs` - `ours`: what the ERP has and we do not.

    `moved`: documents moved the account between the snapshot's moment and the comparison, so that
    the difference may be those alone.
    """

    drift_id: str
    reconciliation_id: str
    source: str
    customer_id: str
    segment_id: str
    category: Category
    ours: Money
    theirs: Money
    seq: int
    status: DriftStatus
    compared_at: datetime
    moved: bool = False

    @property
    def amount(self) -> Money:
        """What adjusting it would add to our figure."""
        return Money(self.theirs.minor - self.ours.minor, self.ours.currency)


@dataclass(frozen=True, slots=True)
class Compared:
    """One line's result; `ours` and `drift` are None for an unknown customer."""

    told: Told
    verdict: Verdict
    ours: Money | None = None
    drift: Drift | None = None


def refuse_twice(told: Sequence[Told], ours: Sequence[Ours]) -> None:
    """Insist that no figure is told twice, under one id or two.

    Raises:
        FieldError: One is; names the second item.

    """
    seen: dict[tuple[str, str, str, str], int] = {}
    for line, (one, held) in enumerate(zip(told, ours, strict=True)):
        name = one.ref if held.customer_id is None else held.customer_id
        key = (name, one.segment_id, one.category, one.amount.currency)
        first = seen.setdefault(key, line)
        if first != line:
            raise FieldError(f"tells the same figure as items[{first}]", f"items[{line}]")


def verdict_of(told: Told, ours: Ours) -> Verdict:
    """Compare one figure, exactly."""
    if ours.customer_id is None:
        return "UNKNOWN_CUSTOMER"
    return "MATCH" if told.amount.minor == ours.minor else "DRIFT"


def count_verdicts(found: Sequence[Compared]) -> Mapping[Verdict, int]:
    """Count results by kind."""
    counts: dict[Verdict, int] = {"MATCH": 0, "DRIFT": 0, "UNKNOWN_CUSTOMER": 0}
    for one in found:
        counts[one.verdict] += 1
    return counts
