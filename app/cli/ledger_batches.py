"""Cut a ledger file into batches of events, and lead each event's result back to its row."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from app.cli.ledger_rows import LedgerRow, parse_ledger_row, row_events
from app.cli.tables_fields import RowRefusedError
from app.cli.tables_rejects import Reject
from app.cli.tables_shape import TableRow

EVENTS_AT_ONCE: Final = 3000
"""How many events a batch has at most; the ledger takes up to 5,000."""

_EVENTS_A_ROW: Final = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row as it stands in the file, and what it says."""

    found: TableRow
    row: LedgerRow


@dataclass(slots=True)
class LedgerBatch:
    """Some rows of a ledger. `owners[i]` is the row of `events[i]`; `rejects` broke a rule."""

    rows: list[ReadRow] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    owners: list[ReadRow] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many rows of the file the batch covers."""
        return len(self.rows) + len(self.rejects)

    def quarantined(self, index: int, field_name: str | None, reason: str) -> Reject:
        """Write the reject of an event the ledger quarantined, for the row it came from."""
        found, kind = self.owners[index].found, self.events[index]["type"]
        return Reject(found.line, field_name or "", f"{kind}: {reason}", found.original)


def ledger_batches(
    rows: Iterable[TableRow], *, source: str, segment: str, most_events: int = EVENTS_AT_ONCE
) -> Iterator[LedgerBatch]:
    """Read rows into batches of at most `most_events` events (and as many rejects)."""
    batch = LedgerBatch()
    for found in rows:
        row = read_row(found, parse_ledger_row)
        if isinstance(row, Reject):
            batch.rejects.append(row)
        else:
            read = ReadRow(found, row)
            events = row_events(row, source=source, segment=segment)
            batch.rows.append(read)
            batch.events += events
            batch.owners += [read] * len(events)
        if max(len(batch.events) + _EVENTS_A_ROW, len(batch.rejects) + 1) > most_events:
            yield batch
            batch = LedgerBatch()
    if batch.size:
        yield batch


def read_row(found: TableRow, parse: Callable[[Mapping[str, str]], T]) -> T | Reject:
    """Parse a table row, or say in a reject all that is wrong with it.

    A cell the file's format could not give (a formula) is named alone: what its text would break
    is beside the point.
    """
    faults = [(fault.field or "", fault.reason) for fault in found.faults]
    if not faults:
        try:
            return parse(found.cells)
        except RowRefusedError as refused:
            faults = [(error.field or "", error.detail) for error in refused.errors]
    fields = "; ".join(name for name, _ in faults if name)
    if len(faults) == 1:
        reason = faults[0][1]
    else:
        reason = "; ".join(f"{name}: {reason}" if name else reason for name, reason in faults)
    return Reject(found.line, fields, reason, found.original)
