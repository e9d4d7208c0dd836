"""What every start makes sure of: a first segment, rules, a scorecard, room for decisions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.store import seeds
from app.store.database import Database

DEFAULT_SEGMENT: Final = "main"
MONTHS: Final = 3
"""Partitions are made for this month and the next two."""

_PATIENCE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class SeedDatabase:
    """Add what is missing; a second time, or in several instances at once, changes nothing.

    `rules` is version 1 of the rule set, `scorecard` the shipped scorecard, both as JSON.
    """

    database: Database
    now: Callable[[], datetime]
    rules: Mapping[str, Any]
    scorecard: Mapping[str, Any]

    def __call__(self) -> None:
        """Seed in one transaction.

        Raises:
            BusyError: The database was out of reach, or another instance seeds for a minute.

        """
        with self.database.begin(lock_timeout_ms=_PATIENCE_MS, statement_timeout_s=120) as tx:
            seeds.wait_for_others(tx)
            seeds.add_rule_set(tx, 1, self.rules)
            seeds.add_segment(tx, DEFAULT_SEGMENT, DEFAULT_SEGMENT)
            seeds.add_first_scorecard(tx, self.scorecard)
            seeds.make_partitions(tx, self.now().date(), MONTHS)
