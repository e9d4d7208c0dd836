"""Customers: master data, aliases, groups, merges."""

from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field

from app.api.accounts import AccountIn, Owner, TermsOut
from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import desk_of
from app.api.etags import conditional, etag, expected_versions, tagged
from app.api.strict import StrictRoute
from app.api.wire import PRINTABLE, AnswerModel, BusinessDate, Id, Page, WireModel, encode_cursor
from app.domain.callers import Caller
from app.domain.customers import KEEP, CompanySize, CustomerChange
from app.domain.scores import TrafficLight
from app.domain.segments import MAIN
from app.store.customer_lists import CustomerFilter
from app.usecases.customers import CustomerView

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)

_PLAIN: Final[dict[str, Any]] = {
    "name": "华东示例贸易有限公司",
    "kind": "company",
    "country": "CN",
    "uscc": "91110000600037341L",
    "lei": None,
    "industry": "F51",
    "parent_id": "G-7",
    "since": "2019-04-01",
    "active": True,
    "size": "MEDIUM",
    "aliases": ["CRM-55"],
    "currency": "CNY",
    "payment_terms_days": 60,
    "owner": "li.na",
}
_SHOWN: Final[dict[str, Any]] = {
    "customer_id": "C-1001",
    **_PLAIN,
    "accounts": [
        {
            "segment": "main",
            "currency": "CNY",
            "payment_terms_days": 60,
            "owner": "li.na",
            "status": "OPEN",
        }
    ],
    "version": 3,
}

Short = Annotated[str, Field(min_length=1, max_length=64, pattern=PRINTABLE)]


class CustomerIn(AccountIn):
    """Master data of a payer. Absent plain fields are cleared or take their default.

    Absent `parent_id`, `aliases`, `currency`, `payment_terms_days` and `owner` are kept; null
    clears them (`[]` clears `aliases`). The last three are of the account in segment `main`.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_PLAIN]})

    name: str = Field(min_length=1, max_length=200, pattern=PRINTABLE)
    kind: Literal["company", "sole_trader", "person"] = "company"
    country: str | None = Field(None, max_length=2, description="ISO 3166-1 alpha-2")
    uscc: str | None = Field(None, max_length=64, description="统一社会信用代码, GB 32100-2015")
    lei: str | None = Field(None, max_length=64, description="ISO 17442")
    industry: Short | None = None
    parent_id: Id | None = Field(None, description="The group it belongs to")
    since: BusinessDate | None = None
    active: bool = True
    size: CompanySize | None = Field(
        None, description="By people and turnover (统计上大中小微型企业)"
    )
    aliases: list[Id] = Field(default_factory=list, max_length=100)

    def to_change(self) -> CustomerChange:
        """Make what the use case takes; what was not sent is not said."""
        sent = self.model_fields_set
        return CustomerChange(
            name=self.name,
            kind=self.kind,
            country=self.country,
            uscc=self.uscc,
            lei=self.lei,
            industry=self.industry,
            since=self.since,
            active=self.active,
            size=self.size,
            parent_id=self.parent_id if "parent_id" in sent else KEEP,
            aliases=tuple(self.aliases) if "aliases" in sent else KEEP,
            account=self.to_account_change(),
        )


class CustomerOut(AnswerModel):
    """A customer as the caller may see it; `version` is what its ETag says.

    `currency`, `payment_terms_days` and `owner` are those of the account in segment `main`.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_SHOWN]})

    customer_id: str
    name: str
    kind: Literal["company", "sole_trader", "person"]
    country: str | None
    uscc: str | None
    lei: str | None
    industry: str | None
    parent_id: str | None
    since: date | None
    active: bool
    size: CompanySize | None
    aliases: list[str]
    currency: str | None
    payment_terms_days: int | None
    owner: str | None
    accounts: list[TermsOut]
    version: int


class CustomersOut(AnswerModel):
    """One page of customers, by id."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_SHOWN], "next_cursor": None}]}
    )

    items: list[CustomerOut]
    next_cursor: str | None


class MergeIn(WireModel):
    """Which record goes on; the one in the path ends, and its ids name this one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"into": "C-1001"}]})

    into: Id


class CustomersQuery(Page):
    """Which customers; `owner` and `traffic_light` look at accounts of `segment`, or of `main`."""

    owner: Owner | None = None
    segment: Id | None = None
    traffic_light: Literal["GREEN", "YELLOW", "RED"] | None = None
    q: str | None = Field(None, min_length=1, max_length=200, description="In name or id")

    def to_filter(self) -> CustomerFilter:
        """Make what the use case takes: one item more than a page, to see whether more follow."""
        after = self.after(str)
        return CustomerFilter(
            most=self.limit + 1,
            after=after[0] if after else None,
            owner=self.owner,
            segment=self.segment,
            light=TrafficLight(self.traffic_light) if self.traffic_light else None,
            text=self.q,
        )


def _out(view: CustomerView) -> CustomerOut:
    held = view.customer
    main = next((term for term in view.accounts if term.segment_id == MAIN), None)
    return CustomerOut(
        customer_id=held.customer_id,
        name=held.name,
        kind=held.kind,
        country=held.country,
        uscc=held.uscc,
        lei=held.lei,
        industry=held.industry,
        parent_id=held.parent_id,
        since=held.since,
        active=held.active,
        size=held.size,
        aliases=list(held.aliases),
        currency=main.currency if main else None,
        payment_terms_days=main.payment_terms_days if main else None,
        owner=main.owner if main else None,
        accounts=[TermsOut.of(term) for term in view.accounts],
        version=held.version,
    )


def _tagged(view: CustomerView, response: Response) -> CustomerOut:
    response.headers["ETag"] = etag(view.customer.version)
    response.status_code = 201 if view.created else 200
    return _out(view)


@router.put(
    "/customers/{customer_id}",
    operation_id="putCustomer",
    summary="Make a customer or replace its master data",
    responses=refusals(404, 409, 412) | {200: tagged(), 201: {"model": CustomerOut, **tagged()}},
    openapi_extra=conditional(),
)
def put_customer(
    customer_id: Id,
    body: CustomerIn,
    caller: Annotated[Caller, Depends(needs("customer:write"))],
    request: Request,
    response: Response,
) -> CustomerOut:
    """Answer 201 for a new customer, with its account in segment `main`."""
    put = desk_of(request).parties.put_customer
    found = put(caller, customer_id, body.to_change(), expected_versions(request))
    return _tagged(found, response)


@router.get(
    "/customers/{customer_id}",
    operation_id="getCustomer",
    summary="Read a customer by id or alias",
    responses=refusals(404) | {200: tagged()},
)
def get_customer(
    customer_id: Id,
    caller: Annotated[Caller, Depends(needs("customer:read"))],
    request: Request,
    response: Response,
) -> CustomerOut:
    """Answer the customer that the id names."""
    return _tagged(desk_of(request).parties.read_customer(caller, customer_id), response)


@router.get(
    "/customers",
    operation_id="listCustomers",
    summary="List customers",
    responses=refusals(404),
)
def list_customers(
    query: Annotated[CustomersQuery, Query()],
    caller: Annotated[Caller, Depends(needs("customer:read"))],
    request: Request,
) -> CustomersOut:
    """Answer one page, by id; merged records are not listed."""
    found = desk_of(request).parties.list_customers(caller, query.to_filter())
    items = [_out(view) for view in found[: query.limit]]
    more = len(found) > len(items)
    return CustomersOut(
        items=items, next_cursor=encode_cursor([items[-1].customer_id]) if more else None
    )


@router.post(
    "/customers/{customer_id}/merge",
    operation_id="mergeCustomer",
    summary="Join two records of one payer",
    responses=refusals(404, 409) | {200: tagged()},
)
def merge_customer(
    customer_id: Id,
    body: MergeIn,
    caller: Annotated[Caller, Depends(needs("customer:write"))],
    request: Request,
    response: Response,
) -> CustomerOut:
    """Answer the record that goes on; merging again changes nothing."""
    return _tagged(
        desk_of(request).parties.merge_customers(caller, customer_id, body.into), response
    )
