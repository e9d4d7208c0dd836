"""Put master data and limits in through the use cases of the service, row by row."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

import orjson
from fastapi.exceptions import RequestValidationError

from app.api.customers import CustomerIn
from app.api.financials import StatementIn
from app.api.limits import LimitIn
from app.api.problems import render
from app.api.strict import validate
from app.cli.financial_rows import StatementRow, parse_statement_row
from app.cli.import_ledger import IMPORTER, insist
from app.cli.ledger_batches import read_row
from app.cli.master_rows import CustomerRow, LimitRow, parse_customer_row, parse_limit_row
from app.cli.tables_rejects import Reject
from app.cli.tables_shape import TableRow
from app.domain.customers import CustomerChange
from app.domain.errors import BusyError, CreditError, CustomerUnknownError, VersionStaleError
from app.usecases.asks import Answer
from app.usecases.customers import PutCustomer, ReadCustomer
from app.usecases.financials import PutStatement
from app.usecases.idempotency import fingerprint
from app.usecases.keyed import Keyed
from app.usecases.limits import LimitAsk, LimitView, ProposeLimit
from app.usecases.limits_again import KeyToday

_LIMITS: Final = "/v1/customers/{customer_id}/limits"
_PARENT: Final = "parent_id"
_LOOKS: Final = 5
"""How often a customer is read anew because somebody else changed it in between."""

_Row = TypeVar("_Row", CustomerRow, LimitRow, StatementRow)


@dataclass(slots=True)
class RowCounts:
    """What became of a file's rows: how many there were, and results by name."""

    rows: int = 0
    rejected: int = 0
    results: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why a row was not taken."""

    field: str
    reason: str


@dataclass(slots=True)
class MasterImport:
    """One run over a file; `reject` takes the rows that are not taken, `told` hears of each row.

    Each row is one transaction. Where the database is out of reach BusyError ends the run; the
    rows before it are applied, and the run may be repeated.
    """

    reject: Callable[[Reject], None]
    told: Callable[[RowCounts], None]
    counts: RowCounts = field(default_factory=RowCounts)

    def put_customers(self, rows: Iterable[TableRow], put: PutCustomer) -> None:
        """Make or replace customers; a row whose group comes further down waits for it."""
        waiting: list[tuple[TableRow, CustomerRow, _Refused]] = []
        for found, row in self._read(rows, read_customer):
            refused = self._try(partial(_put, put, row))
            if refused is not None and refused.field == _PARENT:
                waiting.append((found, row, refused))
            elif refused is not None:
                self._reject(found, refused)
        while waiting:
            again = [
                (found, row, refused)
                for found, row, _ in waiting
                if (refused := self._try(partial(_put, put, row))) is not None
            ]
            if len(again) == len(waiting):
                break
            waiting = again
        for found, _, refused in waiting:
            self._reject(found, refused)

    def set_limits(self, rows: Iterable[TableRow], propose: ProposeLimit) -> None:
        """Set limits; a row sets none again while the one that came of it counts."""
        for found, row in self._read(rows, read_limit):
            refused = self._try(partial(_propose, propose, row))
            if refused is not None:
                self._reject(found, refused)

    def try_limits(self, rows: Iterable[TableRow], would: Callable[[LimitRow], str]) -> None:
        """Say of each row what it would change if it were the only one; nothing is set."""
        for found, row in self._read(rows, read_limit):
            refused = self._try(partial(would, row))
            if refused is not None:
                self._reject(found, refused)

    def put_statements(self, rows: Iterable[TableRow], put: PutStatement) -> None:
        """Take in financial statements; one that is known already is not kept again."""
        for found, row in self._read(rows, read_statement):
            refused = self._try(partial(_tell, put, row))
            if refused is not None:
                self._reject(found, refused)

    def _read(
        self, rows: Iterable[TableRow], read: Callable[[TableRow], _Row | Reject]
    ) -> Iterable[tuple[TableRow, _Row]]:
        for found in rows:
            self.counts.rows += 1
            row = read(found)
            if isinstance(row, Reject):
                self.counts.rejected += 1
                self.reject(row)
            else:
                yield found, row
            self.told(self.counts)

    def _try(self, act: Callable[[], str]) -> _Refused | None:
        """Count what `act` names as its result, or say why it was refused.

        Raises:
            BusyError: The database was out of reach.

        """
        try:
            self.counts.results[insist(act)] += 1
        except BusyError:
            raise
        except (CreditError, RequestValidationError) as refusal:
            broken = render(refusal, "")
            first = next(iter(broken["errors"]), None)
            if first is None:
                return _Refused("", broken["detail"])
            return _Refused(first["field"], first["message"])
        return None

    def _reject(self, found: TableRow, refused: _Refused) -> None:
        self.counts.rejected += 1
        self.reject(Reject(found.line, refused.field, refused.reason, found.original))


def read_customer(found: TableRow) -> CustomerRow | Reject:
    """Read a row of master data."""
    return read_row(found, parse_customer_row)


def read_limit(found: TableRow) -> LimitRow | Reject:
    """Read a row of limits."""
    return read_row(found, parse_limit_row)


def read_statement(found: TableRow) -> StatementRow | Reject:
    """Read a row of financial statements."""
    return read_row(found, parse_statement_row)


def _tell(put: PutStatement, row: StatementRow) -> str:
    ask = validate(StatementIn, row.body).to_ask()
    return "new" if put(IMPORTER, row.customer_id, ask).is_new else "known"


def _put(put: PutCustomer, row: CustomerRow) -> str:
    """Put a customer, with what its row does not speak of as it is by then.

    Raises:
        VersionStaleError: Others changed it each time between the look and the change.

    """
    change = validate(CustomerIn, row.body).to_change()
    for _ in range(_LOOKS - 1):
        try:
            return _fill_and_put(put, row, change)
        except VersionStaleError:
            continue
    return _fill_and_put(put, row, change)


def _fill_and_put(put: PutCustomer, row: CustomerRow, change: CustomerChange) -> str:
    expected = None
    if row.keeps:
        try:
            held = ReadCustomer(put.database)(IMPORTER, row.customer_id).customer
        except CustomerUnknownError:
            pass  # a new one
        else:
            kept = {name: getattr(held, name) for name in row.keeps}
            change, expected = replace(change, **kept), [held.version]
    return "new" if put(IMPORTER, row.customer_id, change, expected).created else "known"


def _propose(propose: ProposeLimit, row: LimitRow) -> str:
    keyed, ask = limit_question(row, propose)
    return limit_result(propose(keyed, row.customer_id, ask, _answer))


def limit_question(row: LimitRow, propose: ProposeLimit) -> tuple[Keyed, LimitAsk]:
    """Make what the use case is asked: the key is the row's content while its limit counts.

    Raises:
        CreditError: The segment or the customer of a row that was imported before is gone.

    """
    ask = validate(LimitIn, row.body).to_ask()
    digest = fingerprint("POST", _LIMITS, {"customer_id": row.customer_id}, row.body)
    key_today = KeyToday(propose.database, propose.now)
    return key_today(Keyed(IMPORTER, row.key, digest), row.customer_id, ask), ask


def limit_result(answer: Answer) -> str:
    """Name what became of a row."""
    if answer.replayed:
        return "duplicate"
    return "approved" if answer.status == 201 else "proposed"  # noqa: PLR2004 - as over HTTP


def _answer(view: LimitView) -> Answer:
    approved = view.record.status == "APPROVED"
    told = {"limit_id": view.record.limit_id, "status": view.record.status}
    return Answer(201 if approved else 202, orjson.dumps(told))
