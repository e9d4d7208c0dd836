"""Put a ledger in through the use cases of the service: customers first, then their facts."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import sleep
from typing import Final, TypeVar

from app.cli.ledger_batches import LedgerBatch, ReadRow, ledger_batches
from app.cli.ledger_rows import contradiction, new_customer, payment_id
from app.cli.tables_rejects import Reject
from app.cli.tables_shape import TableRow
from app.domain.callers import Caller
from app.domain.customers import CustomerChange
from app.domain.errors import BusyError, FieldError
from app.domain.facts import Event, Result
from app.store.facts_seen import Seen
from app.usecases.customers import CustomerView
from app.usecases.facts_events import parse_events

IMPORTER: Final = Caller("aval-import", frozenset({"admin"}))
"""Who speaks where a command imports: limits are proposed and approved in this name."""

_TRIES: Final = 4
_PAUSE_S: Final = 0.5

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Doors:
    """The use cases that a ledger goes in by."""

    apply_facts: Callable[[Caller, Sequence[Event]], Sequence[Result]]
    make_customer: Callable[[Caller, str, CustomerChange], CustomerView]
    find_customers: Callable[[Collection[str]], Mapping[str, str]]
    take_currencies: Callable[[str, Mapping[str, str]], None]
    see_invoices: Callable[[str, Mapping[str, str]], Mapping[str, Seen]]


@dataclass(slots=True)
class LedgerCounts:
    """What became of a ledger: rows, events by result, customers that were new.

    `sums_minor` adds up the amounts of the rows that could be read, by currency.
    """

    rows: int = 0
    rejected: int = 0
    new_customers: int = 0
    events: Counter[str] = field(default_factory=Counter)
    sums_minor: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class LedgerSource:
    """Where a ledger's rows come from; `progress` tells how far (0 to 1) reading them is."""

    rows: Iterable[TableRow]
    progress: Callable[[], float] = lambda: 1.0


@dataclass(frozen=True, slots=True)
class _Read:
    batch: LedgerBatch
    events: Sequence[Event]
    progress: float


@dataclass(slots=True)
class LedgerImport:
    """One run over a ledger; `reject` takes the rows that are not taken, with the reason.

    `customers` are the ids of the ledger's customers so far, by the ids the ledger uses.
    """

    doors: Doors
    source: str
    segment: str
    reject: Callable[[Reject], None]
    counts: LedgerCounts = field(default_factory=LedgerCounts)
    customers: dict[str, str] = field(default_factory=dict)

    def run(self, source: LedgerSource, told: Callable[[LedgerCounts, float], None]) -> None:
        """Apply the rows, batch by batch, each in one transaction; the next is read meanwhile.

        `told` hears after each batch how far reading is (0 to 1). A run that breaks off may be
        repeated: what was applied is found to be there.

        Raises:
            FileRefusedError: The file changed meanwhile, or cannot be read on.
            BusyError: The database was out of reach; the batches before are applied.

        """
        batches = self._read(source)
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(next, batches, None)
            while (found := coming.result()) is not None:
                coming = reader.submit(next, batches, None)
                self._take(found)
                told(self.counts, found.progress)

    def _read(self, source: LedgerSource) -> Iterator[_Read]:
        for batch in ledger_batches(source.rows, source=self.source, segment=self.segment):
            events = parse_events(batch.events) if batch.events else []
            yield _Read(batch, events, source.progress())

    def _take(self, found: _Read) -> None:
        batch = found.batch
        self.counts.rows += batch.size
        for reject in batch.rejects:
            self._reject(reject)
        for read in batch.rows:
            self.counts.sums_minor[read.row.amount.currency] += read.row.amount.minor
        if found.events:
            self._make_customers(batch.rows)
            denied = self._denied(batch.rows)
            places = [place for place in range(len(found.events)) if _goes(batch, place, denied)]
            events = [found.events[place] for place in places]
            results = insist(lambda: self.doors.apply_facts(IMPORTER, events))
            self._count(batch, zip(places, results, strict=True), denied)

    def _denied(self, rows: Sequence[ReadRow]) -> dict[int, FieldError]:
        """Find the rows that what is held speaks against, by line."""
        payments = {read.row.invoice_id: payment_id(read.row.invoice_id) for read in rows}
        seen = insist(lambda: self.doors.see_invoices(self.segment, payments))
        found = ((read, contradiction(read.row, seen[read.row.invoice_id])) for read in rows)
        return {read.found.line: error for read, error in found if error is not None}

    def _reject(self, reject: Reject) -> None:
        self.counts.rejected += 1
        self.reject(reject)

    def _count(
        self,
        batch: LedgerBatch,
        results: Iterable[tuple[int, Result]],
        denied: Mapping[int, FieldError],
    ) -> None:
        refused: set[int] = set()
        for read in batch.rows:
            if (error := denied.get(read.found.line)) is not None:
                refused.add(read.found.line)
                self._reject(
                    Reject(read.found.line, error.field or "", error.detail, read.found.original)
                )
        for place, result in results:
            self.counts.events[result.result] += 1
            line = batch.owners[place].found.line
            # What follows from a row's first problem says no more.
            if line in refused:
                continue
            if result.problem is not None:
                refused.add(line)
                problem = result.problem
                self._reject(batch.quarantined(place, problem.field, problem.detail))
            elif result.result == "stale":
                refused.add(line)
                version = batch.owners[place].row.version
                detail = f"a newer version than {version} is known; raise it to change that"
                self._reject(batch.quarantined(place, "version", detail))

    def _make_customers(self, rows: Iterable[ReadRow]) -> None:
        first: dict[str, ReadRow] = {}
        for read in rows:
            if read.row.customer_id not in self.customers:
                first.setdefault(read.row.customer_id, read)
        if not first:
            return
        self.customers |= insist(lambda: self.doors.find_customers(first))
        for ref, read in first.items():
            if ref not in self.customers:
                self._make_customer(read)
        currencies: dict[str, str] = {}
        for ref, read in first.items():
            currencies.setdefault(self.customers[ref], read.row.amount.currency)
        insist(lambda: self.doors.take_currencies(self.segment, currencies))

    def _make_customer(self, read: ReadRow) -> None:
        """Make a customer by what the ledger says of it; its currency is for `take_currencies`.

        Another import may have made it since it was looked for: it stays as that said.
        """
        body = new_customer(read.row)
        customer_id = read.row.customer_id
        try:
            change = CustomerChange(body["name"], country=body.get("country"))
            found = self._make(customer_id, change)
        except FieldError:  # two capitals that are no country
            found = self._make(customer_id, CustomerChange(body["name"]))
        self.customers[customer_id] = found.customer.customer_id
        self.counts.new_customers += found.created

    def _make(self, customer_id: str, change: CustomerChange) -> CustomerView:
        return insist(lambda: self.doors.make_customer(IMPORTER, customer_id, change))


def _goes(batch: LedgerBatch, place: int, denied: Mapping[int, FieldError]) -> bool:
    """Tell whether an event is to be applied: an invoice that something else paid is not paid."""
    error = denied.get(batch.owners[place].found.line)
    return error is None or error.field == "disputed" or batch.events[place]["type"] != "payment"


def insist(act: Callable[[], _T]) -> _T:
    """Try again, a few times, where somebody else was in the way; every step may be repeated.

    Raises:
        BusyError: The database or a lock was out of reach each time.

    """
    for attempt in range(1, _TRIES):
        try:
            return act()
        except BusyError:
            sleep(_PAUSE_S * attempt)
    return act()
