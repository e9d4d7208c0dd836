"""The use cases of figures together: what they are made of, and whether the ERP has the same."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.store.database import Database
from app.usecases.adjustments import AdjustDrift, ReverseAdjustment
from app.usecases.exposure import ListExposure
from app.usecases.forced import ListForced
from app.usecases.reconciliation import CompareSnapshot, ListDrifts, ReadSnapshot


@dataclass(frozen=True, slots=True)
class Figures:
    """One field a use case."""

    list_exposure: ListExposure
    list_forced: ListForced
    compare_snapshot: CompareSnapshot
    read_snapshot: ReadSnapshot
    list_drifts: ListDrifts
    adjust_drift: AdjustDrift
    reverse_adjustment: ReverseAdjustment

    @classmethod
    def over(
        cls, database: Database, now: Callable[[], datetime], new_id: Callable[[], str]
    ) -> Self:
        """Make them on one database; `new_id` gives ids that rise."""
        return cls(
            ListExposure(database, now),
            ListForced(database, now),
            CompareSnapshot(database, now, new_id),
            ReadSnapshot(database),
            ListDrifts(database),
            AdjustDrift(database, now, new_id),
            ReverseAdjustment(database, now, new_id),
        )
