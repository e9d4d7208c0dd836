"""What a run found: rows of the table by what was measured, on which side, at how many clients."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bench.tallies import Tally

ECHO: Final = "echo"
NAIVE: Final = "naive"
UNIFORM: Final = "authorizations, uniform"
FRESH: Final = "authorizations, uniform, fresh tables"
HOT: Final = "authorizations, one account"
GROUP: Final = "authorizations, one group"
CHECK: Final = "limit checks"
ACCOUNT: Final = "account"
SCORE: Final = "stored score"
CARD: Final = "card"
BATCH: Final = "authorizations, batches of 1,000"
BESIDE: Final = "echo at 32, around batches"
REPORTS: Final = "facts, 1,000 mixed documents a request"
FACTS: Final = "facts in bulk, mixed documents"
TPC_B: Final = "pgbench TPC-B"
SLOW_NAIVE: Final = "naive, one group, slow commits"
SLOW_GROUP: Final = "authorizations, one group, slow commits"
HALF: Final = "authorizations, uniform, open loop at half the maximum"
TOP: Final = "authorizations, uniform, right before the open loop"
SMALL: Final = "authorizations, small ledger"
LARGE: Final = "authorizations, large ledger"
MET: Final = "right after a checkpoint"
"""Of either ledger, with its name before it: pages are met, and written into the log, first."""
WORKERS: Final = "authorizations, uniform, workers"

EMBEDDED: Final = "embedded"
SYSTEM: Final = "system"
SIDES: Final = (EMBEDDED, SYSTEM)
NOWHERE: Final = "–"
"""The side of what needs no database."""

DISK: Final = "disk"
"""Bytes an authorization adds to tables and indexes."""
WAL: Final = "write-ahead log"
"""Bytes an authorization adds to the write-ahead log."""
WAITED: Final = "waited for vacuums"
"""Seconds before the fixed schedule began; as many as `steps.SETTLE_S` if they were not over."""
ASIDE: Final = "processes aside"
"""How many of PostgreSQL's processes leave a processor to the service."""
MEMORY: Final = "memory"
"""Resident bytes of the serving process after everything, the most of its runs (after growth too).

Its peak is told beside it.
"""


class Key(NamedTuple):
    """A row of the table."""

    what: str
    side: str
    connections: int


@dataclass(slots=True)
class Found:
    """Everything that was measured, and why what is missing was not."""

    tallies: dict[Key, Tally] = field(default_factory=dict)
    numbers: dict[tuple[str, str], float] = field(default_factory=dict)
    missing: dict[tuple[str, str], str] = field(default_factory=dict)
    """By what and side: the reason."""

    def add(self, key: Key, tally: Tally) -> None:
        """Take over another round of a row."""
        self.tallies.setdefault(key, Tally()).add(tally)

    def rows(self) -> list[tuple[Key, Tally]]:
        """Give the rows of one thing together, in the order in which things were first measured."""
        first = dict.fromkeys(key.what for key in self.tallies)
        order = {what: place for place, what in enumerate(first)}
        return sorted(self.tallies.items(), key=lambda row: (order[row[0].what], *row[0][1:]))

    def why_not(self, what: str, side: str) -> str:
        """Say why something was not measured; a whole side may be missing (what: empty)."""
        return self.missing.get((what, side)) or self.missing.get(("", side)) or "not in this run"

    def best(self, what: str, side: str) -> Tally | None:
        """Give the row with the highest rate over all numbers of connections."""
        rows = [
            tally for key, tally in self.tallies.items() if (key.what, key.side) == (what, side)
        ]
        return max(rows, key=lambda tally: tally.rate, default=None)
