"""The use cases of figures together: what they are made of, and whether the ERP has the same."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.store.database import Database
from app.usecases.exposure import ListExposure


@dataclass(frozen=True, slots=True)
class Figures:
    """One field a use case."""

    list_exposure: ListExposure

    @classmethod
    def over(
        cls, database: Database, now: Callable[[], datetime], new_id: Callable[[], str]
    ) -> Self:
        """Make them on one database; `new_id` gives ids that rise."""
        return cls(ListExposure(database, now))
