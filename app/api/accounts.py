"""Accounts: the terms that master data sets, and how an account stands."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from app.api.auth import authenticate, needs
from app.api.conventions import refusals
from app.api.desk import desk_of
from app.api.etags import conditional, etag, expected_versions, tagged
from app.api.lean import LeanRoute, declare, read_asked
from app.api.reads import account_bytes, send_json
from app.api.strict import StrictRoute
from app.api.wire import PRINTABLE, AnswerModel, Id, MoneyOut, QueryModel, WireModel
from app.domain.callers import Caller
from app.domain.customers import KEEP, AccountChange, AccountTerms
from app.domain.segments import MAIN

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)
lean_router = APIRouter(prefix="/v1", tags=["customers"], route_class=LeanRoute)

Owner = Annotated[str, Field(min_length=1, max_length=64, pattern=PRINTABLE)]
"""The credit specialist responsible, by whatever name the company uses."""

_TERMS: Final[dict[str, Any]] = {"currency": "CNY", "payment_terms_days": 60, "owner": "li.na"}


class AccountIn(WireModel):
    """An account's own fields; an absent one is kept, null clears it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TERMS]})

    currency: str | None = Field(None, max_length=3, description="The payer's own currency")
    payment_terms_days: int | None = Field(None, ge=0, le=3650, description="Days net")
    owner: Owner | None = Field(None, description="The credit specialist responsible")

    def to_account_change(self) -> AccountChange:
        """Make what the use case takes; what was not sent is not said."""
        sent = self.model_fields_set
        return AccountChange(
            currency=self.currency if "currency" in sent else KEEP,
            payment_terms_days=self.payment_terms_days if "payment_terms_days" in sent else KEEP,
            owner=self.owner if "owner" in sent else KEEP,
        )


class TermsOut(AnswerModel):
    """The terms of one account."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"segment": "main", **_TERMS, "status": "OPEN"}]}
    )

    segment: str
    currency: str
    payment_terms_days: int | None
    owner: str | None
    status: Literal["OPEN", "STOPPED"]

    @classmethod
    def of(cls, term: AccountTerms) -> "TermsOut":
        """Write terms for the wire."""
        return cls(
            segment=term.segment_id,
            currency=term.currency,
            payment_terms_days=term.payment_terms_days,
            owner=term.owner,
            status=term.status,
        )


class CategoriesOut(AnswerModel):
    """Exposure by category, in the account's currency."""

    OPEN_DELIVERY: MoneyOut
    OPEN_ITEM: MoneyOut
    NOTE_RECEIVABLE: MoneyOut
    PREPAYMENT: MoneyOut = Field(description="Negative: it lowers exposure")


class OverdueOut(AnswerModel):
    """What is past its due date, and for how many days the oldest of it; 0: nothing is."""

    amount: MoneyOut
    days: int


def _cny(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "CNY"}


_ACCOUNT: Final[dict[str, Any]] = {
    "customer_id": "C-1001",
    "segment": "main",
    "effective_limit": _cny("500000.00"),
    "covers": _cny("100000.00"),
    "unlimited": False,
    "limit_expired": False,
    "exposure": _cny("110000.00"),
    "exposure_by_category": {
        "OPEN_DELIVERY": _cny("20000.00"),
        "OPEN_ITEM": _cny("100000.00"),
        "NOTE_RECEIVABLE": _cny("0.00"),
        "PREPAYMENT": _cny("-10000.00"),
    },
    "authorized": _cny("40000.00"),
    "forced": _cny("0.00"),
    "headroom": _cny("350000.00"),
    "groups": [{"customer_id": "G-1", "headroom": _cny("40000.00")}],
    "utilization": "0.2200",
    "overdue": {"amount": _cny("12500.00"), "days": 4},
    "status": "OPEN",
    "traffic_light": "YELLOW",
    "as_of": "2026-12-01T02:03:04Z",
    "seq": 4711,
}


class GroupRoomOut(AnswerModel):
    """What a group above an account has left, in the currency of the group's account."""

    customer_id: str
    headroom: MoneyOut


class AccountOut(AnswerModel):
    """An account with the limit of the business date, in one snapshot.

    A group's account counts its members' use too. `utilization` is exposure ÷ limit.
    `traffic_light` is the worse of score and account.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_ACCOUNT]})

    customer_id: str
    segment: str
    effective_limit: MoneyOut | None
    covers: MoneyOut = Field(description="What covers add to `effective_limit`, which has it in it")
    unlimited: bool
    limit_expired: bool
    exposure: MoneyOut
    exposure_by_category: CategoriesOut
    authorized: MoneyOut
    forced: MoneyOut
    headroom: MoneyOut | None
    groups: list[GroupRoomOut] = Field(
        description="Groups in whose limit its orders must fit too, the nearest first"
    )
    utilization: str | None
    overdue: OverdueOut
    status: Literal["OPEN", "STOPPED"]
    traffic_light: Literal["GREEN", "YELLOW", "RED"]
    as_of: datetime
    seq: int


class AccountQuery(QueryModel):
    """Which of the customer's accounts."""

    segment: Id = MAIN


@lean_router.get(
    "/customers/{customer_id}/account",  # noqa: FAST003 - read from the raw request
    operation_id="getAccount",
    summary="How does the account stand?",
    response_model=AccountOut,
    responses=refusals(404),
    openapi_extra=declare("customer:read", AccountQuery),
)
async def get_account(request: Request) -> Response:
    """Answer one account; nothing is locked or written."""
    caller = await authenticate(request, "customer:read")
    ref, query = read_asked(request, AccountQuery)
    view = await desk_of(request).reads.account(caller, ref, query.segment)
    return send_json(account_bytes(view))


def _which(customer_id: Id, segment: Id) -> tuple[str, str]:
    return customer_id, segment


@router.put(
    "/customers/{customer_id}/accounts/{segment}",
    operation_id="putAccount",
    summary="Set the account's own fields in a segment",
    responses=refusals(404, 409, 412) | {200: tagged(), 201: {"model": TermsOut, **tagged()}},
    openapi_extra=conditional(),
)
def put_account(
    account: Annotated[tuple[str, str], Depends(_which)],
    body: AccountIn,
    caller: Annotated[Caller, Depends(needs("customer:write"))],
    request: Request,
    response: Response,
) -> TermsOut:
    """Answer 201 where the account is new; its ETag is the customer's."""
    put = desk_of(request).parties.put_terms
    change = body.to_account_change()
    term, version, created = put(caller, account, change, expected_versions(request))
    response.headers["ETag"] = etag(version)
    response.status_code = 201 if created else 200
    return TermsOut.of(term)
