"""Control totals: what a file holds as a whole, compared with what its sender says it holds.

They are counted over the whole file before anything of it is applied. A row counts, and its amount
is added, also when the row is going to be rejected: the sender counted it too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from app.cli.tables_shape import TableRow
from app.domain.errors import FieldError, FileRefusedError
from app.domain.money import DIGITS, minor_to_text, parse_money

_MOST_ROWS: Final = 10**12


@dataclass(frozen=True, slots=True)
class Expected:
    """What the sender says: rows (None: not said), sums in minor units of the currencies named."""

    rows: int | None = None
    sums_minor: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class ControlTotals:
    """Rows, sums in minor units by currency, and rows whose amount could not be read."""

    rows: int = 0
    sums_minor: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0

    def add(self, row: TableRow) -> None:
        """Count a row and add its amount, whatever its sign."""
        self.rows += 1
        faulty = {fault.field for fault in row.faults} & {None, "amount", "currency"}
        try:
            money = parse_money(row.cells.get("amount", ""), row.cells.get("currency", ""))
        except FieldError:
            self.unreadable += 1
            return
        if faulty:
            self.unreadable += 1
            return
        sums = self.sums_minor
        sums[money.currency] = sums.get(money.currency, 0) + money.minor

    def verify(self, expected: Expected, file: str) -> None:
        """Compare with what the sender says; a currency of which nothing is said is not compared.

        Raises:
            FileRefusedError: They differ; every difference is named.

        """
        wrong = list(self._differences(expected))
        if not wrong:
            return
        if self.unreadable:
            wrong.append(f"{self.unreadable} rows have no readable amount")
        raise FileRefusedError(
            f"{file}: the control totals differ, nothing was applied: {'; '.join(wrong)}"
        )

    def _differences(self, expected: Expected) -> Iterable[str]:
        if expected.rows is not None and expected.rows != self.rows:
            yield f"{expected.rows} rows expected, {self.rows} found"
        for currency, minor in expected.sums_minor.items():
            found = self.sums_minor.get(currency, 0)
            if found != minor:
                yield (
                    f"{minor_to_text(minor, currency)} {currency} expected,"
                    f" {minor_to_text(found, currency)} {currency} found"
                )


def count_totals(rows: Iterable[TableRow]) -> ControlTotals:
    """Read a whole table for its control totals."""
    totals = ControlTotals()
    for row in rows:
        totals.add(row)
    return totals


def parse_expected(rows: int | None, totals: Iterable[str]) -> Expected:
    """Read `--expect-rows N` and each `--expect-total CUR=AMOUNT`.

    Raises:
        FieldError: A negative count, no `CUR=AMOUNT`, an unknown currency, a currency named twice.

    """
    if rows is not None and not 0 <= rows <= _MOST_ROWS:
        raise FieldError(f"{rows} is not a number of rows", "--expect-rows")
    sums: dict[str, int] = {}
    for text in totals:
        currency, sign, amount = text.partition("=")
        if not sign:
            raise FieldError(f"{text!r} is not like CNY=12500.00", "--expect-total")
        if currency not in DIGITS:
            raise FieldError(f"{currency!r} is not an ISO 4217 currency", "--expect-total")
        if currency in sums:
            raise FieldError(f"{currency} is given twice", "--expect-total")
        try:
            sums[currency] = parse_money(amount, currency).minor
        except FieldError as error:
            raise FieldError(error.detail, "--expect-total") from error
    return Expected(rows, sums)
