"""A town whose ERP tells its own figures every night."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any

from app.domain.adjustments import Adjustment
from app.domain.callers import Caller
from app.domain.exposure import Category
from app.domain.money import Money
from app.domain.reconciliation import Drift, Told
from app.store.ids import IdSource
from app.store.reconciliations import DriftFilter, Stored
from app.usecases.adjustments import AdjustmentView
from app.usecases.figures import Figures
from app.usecases.reconciliation import Snapshot
from tests.usecases.town import Town, seeing

CLERK = Caller("erp", frozenset({"ledger:write", "ledger:read"}), actor="li.na")


@dataclass
class Nightly:
    """Amounts are minor units of CNY unless a currency is named."""

    town: Town
    figures: Figures = field(init=False)
    numbers: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        """Put the use cases together."""
        self.figures = Figures.over(self.town.database, self.town.clock, IdSource())

    def told(self, customer_id: str, category: Category, minor: int, currency: str = "CNY") -> Told:
        """Write one figure of the ERP."""
        return Told(customer_id, "main", category, Money(minor, currency))

    def snapshot(self, *items: Told, **more: Any) -> Snapshot:  # noqa: ANN401 - any field
        """Write a snapshot of this moment; its digest is that of its items."""
        name = str(more.get("name", f"S-{next(self.numbers)}"))
        as_of: datetime = more.get("as_of", self.town.clock())
        digest = sha256(repr((items, as_of)).encode()).digest()
        source = str(more.get("source", "erp"))
        return Snapshot(source, name, as_of, items, digest)

    def compare(self, *items: Told, **more: Any) -> Stored:  # noqa: ANN401 - any field
        """Compare a snapshot as if ten minutes had passed."""
        self.town.clock.advance(minutes=10)
        return self.figures.compare_snapshot(CLERK, self.snapshot(*items, **more))[0]

    def drifts(self, **wanted: Any) -> list[Drift]:  # noqa: ANN401 - any filter
        """List what is open."""
        return self.figures.list_drifts(CLERK, DriftFilter(500, **wanted))

    def drift(
        self, customer_id: str, category: Category, minor: int, currency: str = "CNY"
    ) -> Drift:
        """Let the ERP tell a figure that differs, and give the drift."""
        stored = self.compare(self.told(customer_id, category, minor, currency))
        assert stored.drifted == 1, stored
        return next(one for one in self.drifts() if one.drift_id == stored.results[0]["drift_id"])

    def adjust(self, drift: Drift, caller: Caller = CLERK) -> Adjustment:
        """Adjust a drift."""
        seen: list[AdjustmentView] = []
        keyed = self.town.keyed(caller)
        self.figures.adjust_drift(keyed, drift.drift_id, "missing", seeing(seen))
        return seen[0].adjustment

    def set_to(
        self, customer_id: str, category: Category, minor: int, currency: str = "CNY"
    ) -> Adjustment:
        """Bring a figure to what the ERP has."""
        return self.adjust(self.drift(customer_id, category, minor, currency))

    def reverse(self, made: Adjustment, caller: Caller = CLERK) -> Adjustment:
        """Take an adjustment back."""
        seen: list[AdjustmentView] = []
        keyed = self.town.keyed(caller)
        self.figures.reverse_adjustment(keyed, made.adjustment_id, "came", seeing(seen))
        return seen[0].adjustment

    def ago(self, **before: int) -> datetime:
        """Give a moment before now."""
        return self.town.clock() - timedelta(**before)
