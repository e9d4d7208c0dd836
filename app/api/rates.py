"""Exchange rates."""

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import desk_of
from app.api.idempotency import answer_of, fingerprint_of, keyed, read_key, send
from app.api.strict import StrictRoute
from app.api.wire import PRINTABLE, AnswerModel, BusinessDate, Page, WireModel, encode_cursor
from app.domain.callers import Caller
from app.domain.money import Rate
from app.usecases.asks import Answer
from app.usecases.keyed import Keyed
from app.usecases.rates import RateAsk

router = APIRouter(prefix="/v1", tags=["rates"], route_class=StrictRoute)

_RATE: Final[dict[str, Any]] = {
    "base": "USD",
    "quote": "CNY",
    "rate": "7.1234",
    "rate_date": "2026-12-01",
    "source": "PBOC",
}

Currency = Annotated[str, Field(min_length=3, max_length=3)]


class RateIn(WireModel):
    """1 `base` = `rate` `quote`; `rate` is a plain decimal string, at most 18 fraction digits.

    One that is more than five times off the one before it (of the same pair, in either direction,
    by `rate_date`; where there is none, the one after it) is 409 `rate_implausible`, unless
    `confirmed` says that it is meant.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_RATE]})

    base: Currency
    quote: Currency
    rate: str = Field(min_length=1, max_length=40)
    rate_date: BusinessDate
    source: str = Field(min_length=1, max_length=64, pattern=PRINTABLE)
    confirmed: bool = False

    def to_ask(self) -> RateAsk:
        """Make what the use case takes."""
        return RateAsk(**self.model_dump())


class RateOut(AnswerModel):
    """A stored rate; of one base, quote and date the one with the highest `rate_id` counts.

    Of one date a rate from base to quote goes before one stored the other way round, whichever
    was stored last.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"rate_id": 12, **_RATE}]})

    rate_id: int
    base: str
    quote: str
    rate: str
    rate_date: date
    source: str


class RatesOut(AnswerModel):
    """One page of rates, the one stored last first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"rate_id": 12, **_RATE}], "next_cursor": None}]}
    )

    items: list[RateOut]
    next_cursor: str | None


class RatesQuery(Page):
    """Which pair, as stored; absent: any."""

    base: Currency | None = None
    quote: Currency | None = None


def _out(stored: tuple[int, Rate]) -> RateOut:
    rate_id, rate = stored
    return RateOut(
        rate_id=rate_id,
        base=rate.base,
        quote=rate.quote,
        rate=f"{rate.rate:f}",
        rate_date=date.fromisoformat(rate.rate_date),
        source=rate.source,
    )


def _added(stored: tuple[int, Rate]) -> Answer:
    return answer_of(_out(stored), 201)


@router.post(
    "/fx-rates",
    operation_id="addFxRate",
    summary="Store an exchange rate",
    status_code=201,
    response_model=RateOut,
    responses=refusals(409),
    openapi_extra=keyed(),
)
def add_fx_rate(
    body: RateIn, caller: Annotated[Caller, Depends(needs("rate:write"))], request: Request
) -> Response:
    """Answer 201; facts that waited for this rate are applied."""
    question = Keyed(caller, read_key(request), fingerprint_of(request, body))
    return send(desk_of(request).parties.add_rate(question, body.to_ask(), _added))


@router.get(
    "/fx-rates",
    operation_id="listFxRates",
    summary="List stored exchange rates",
    responses=refusals(),
)
def list_fx_rates(
    query: Annotated[RatesQuery, Query()],
    _: Annotated[Caller, Depends(needs("rate:write"))],
    request: Request,
) -> RatesOut:
    """Answer one page, the one stored last first."""
    after = query.after(int)
    pair, before = (query.base, query.quote), after[0] if after else None
    found = desk_of(request).parties.list_rates(pair, before, query.limit + 1)
    items = [_out(stored) for stored in found[: query.limit]]
    more = len(found) > len(items)
    return RatesOut(items=items, next_cursor=encode_cursor([items[-1].rate_id]) if more else None)
