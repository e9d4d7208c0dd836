"""Financial statements from a file: a row is the body of `PUT /v1/customers/{id}/financials`.

A column that is named as a line of a statement is a figure, one that is named as a ratio is one; an
empty cell is a missing value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.cli.tables_fields import Fields
from app.cli.tables_shape import Columns
from app.domain.financials import ITEMS, RATIO_NAMES

_SOURCE_LENGTH: Final = 64

STATEMENT_COLUMNS: Final = Columns(
    required=("customer_id", "period_end"),
    optional=("known_on", "currency", "source", *ITEMS, *RATIO_NAMES),
    aliases={
        "客户编号": "customer_id",
        "报表截止日": "period_end",
        "获知日期": "known_on",
        "币种": "currency",
        "营业收入": "sales",
        "净利润": "net_profit",
        "资产总计": "total_assets",
        "负债合计": "total_liabilities",
        "所有者权益合计": "equity",
    },
    ratios=frozenset(RATIO_NAMES),
)


@dataclass(frozen=True, slots=True)
class StatementRow:
    """A statement; `body` is what the request takes."""

    customer_id: str
    body: dict[str, Any]


def parse_statement_row(row: Mapping[str, str]) -> StatementRow:
    """Read a statement.

    Raises:
        RowRefusedError: All that is wrong with the shape of the row, a FieldError each.

    """
    fields = Fields(row)
    customer_id = fields.id("customer_id")
    period_end, known_on = fields.day("period_end"), fields.day_or_none("known_on")
    currency = fields.currency("currency")
    source = fields.text("source", _SOURCE_LENGTH)
    fields.check()
    body: dict[str, Any] = {
        "period_end": period_end.isoformat(),
        "source": source or "import",
        "figures": _given(fields, ITEMS),
        "ratios": _given(fields, RATIO_NAMES),
    }
    if known_on is not None:
        body["known_on"] = known_on.isoformat()
    return StatementRow(customer_id, body | ({"currency": currency} if currency else {}))


def _given(fields: Fields, names: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name in names if (value := fields.raw(name))}
