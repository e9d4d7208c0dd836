"""Financial statements of customers, which scores may rest on."""

from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import desk_of
from app.api.strict import StrictRoute
from app.api.wire import PRINTABLE, AnswerModel, BusinessDate, Page, WireModel, encode_cursor
from app.domain.callers import Caller
from app.domain.errors import FieldError
from app.domain.financials import ITEMS, RATIO_NAMES, StoredStatement
from app.usecases.financials import StatementAsk

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)

_STATEMENT: Final[dict[str, Any]] = {
    "period_end": "2025-12-31",
    "known_on": "2026-04-20",
    "currency": "CNY",
    "figures": {"sales": "12500000.00", "net_profit": "430000.00", "total_assets": "9100000.00"},
    "ratios": {"current_ratio": "1.62"},
    "source": "annual report",
}
_KEPT: Final[dict[str, Any]] = {
    "customer_id": "C-1001",
    **_STATEMENT,
    "created_at": "2026-04-20T08:00:00Z",
}

Decimals = dict[str, Annotated[str, Field(min_length=1, max_length=40)]]


class StatementIn(WireModel):
    """The statement of a year; figures and ratios are decimal strings, by their names.

    `figures` are lines of the statement, all in one currency and unit. `ratios` are for who has no
    lines; one that is given wins over the one computed. `known_on` (absent: today) is the day from
    which a score may rest on it.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_STATEMENT]})

    period_end: BusinessDate
    known_on: BusinessDate | None = None
    currency: Annotated[str, Field(min_length=3, max_length=3)] | None = None
    figures: Decimals = Field(default_factory=dict, description=f"Any of: {', '.join(ITEMS)}")
    ratios: Decimals = Field(default_factory=dict, description=f"Any of: {', '.join(RATIO_NAMES)}")
    source: str = Field(default="client", min_length=1, max_length=64, pattern=PRINTABLE)

    def to_ask(self) -> StatementAsk:
        """Make what the use case takes."""
        return StatementAsk(
            self.period_end, self.known_on, self.currency, self.figures, self.ratios, self.source
        )


class StatementOut(AnswerModel):
    """The statement of a year as it is kept; in lists the one that holds."""

    model_config = ConfigDict(json_schema_extra={"examples": [_KEPT]})

    customer_id: str
    period_end: date
    known_on: date
    currency: str | None
    figures: dict[str, str]
    ratios: dict[str, str]
    source: str
    created_at: datetime


class StatementsOut(AnswerModel):
    """One page of statements, the newest year first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_KEPT], "next_cursor": None}]}
    )

    items: list[StatementOut]
    next_cursor: str | None


def _out(customer_id: str, stored: StoredStatement) -> StatementOut:
    one = stored.statement
    return StatementOut(
        customer_id=customer_id,
        period_end=one.period_end,
        known_on=one.known_on,
        currency=one.currency,
        figures=dict(one.figures),
        ratios=dict(one.ratios),
        source=one.source,
        created_at=stored.created_at,
    )


@router.put(
    "/customers/{customer_id}/financials",
    operation_id="putFinancials",
    summary="Tell the financial statement of a year",
    responses={201: {"model": StatementOut, "description": "New, or changed"}, **refusals(404)},
)
def put_financials(
    customer_id: str,
    body: StatementIn,
    caller: Annotated[Caller, Depends(needs("customer:write"))],
    request: Request,
    response: Response,
) -> StatementOut:
    """Answer 201 for a statement that is new or says something else, 200 for one that is known."""
    told = desk_of(request).parties.put_statement(caller, customer_id, body.to_ask())
    response.status_code = 201 if told.is_new else 200
    return _out(told.customer_id, told.stored)


@router.get(
    "/customers/{customer_id}/financials",
    operation_id="listFinancials",
    summary="List financial statements",
    responses=refusals(404),
)
def list_financials(
    customer_id: str,
    page: Annotated[Page, Query()],
    caller: Annotated[Caller, Depends(needs("customer:read"))],
    request: Request,
) -> StatementsOut:
    """Answer one page of the statements that hold, the newest year first."""
    before, most = _before(page), page.limit + 1
    own_id, found = desk_of(request).parties.list_statements(caller, customer_id, before, most)
    items = [_out(own_id, one) for one in found[: page.limit]]
    more = len(found) > len(items)
    cursor = encode_cursor([items[-1].period_end.isoformat()]) if more else None
    return StatementsOut(items=items, next_cursor=cursor)


def _before(page: Page) -> date | None:
    key = page.after(str)
    try:
        return None if key is None else date.fromisoformat(str(key[0]))
    except ValueError:
        raise FieldError("is not a cursor of this list", "cursor") from None
