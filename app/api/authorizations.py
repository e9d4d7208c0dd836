"""May this order go? `checkLimit` asks, `authorizeOrder` asks and reserves."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from app.api.advice import UnblockOut
from app.api.auth import authenticate, secured
from app.api.conventions import body_of, refusals
from app.api.desk import desk_of
from app.api.express import ExpressRoute
from app.api.idempotency import keyed, read_key, send
from app.api.plain_asks import AUTHORIZATIONS, CHECKS, DEFAULT_EXPIRY_S, LONGEST_S
from app.api.strict import read_raw, validate
from app.api.wire import (
    AnswerModel,
    BusinessDate,
    Id,
    MoneyOut,
    PositiveMoneyIn,
    Version,
    WireModel,
)
from app.domain.callers import Caller
from app.domain.decisions import Question
from app.usecases.asks import Ask, canonical, fingerprint

router = APIRouter(prefix="/v1", tags=["authorizations"], route_class=ExpressRoute)

_ROUTE: Final = b"POST /v1/authorizations "
"""Goes into the fingerprint, alone or in a batch."""

Short = Annotated[str, Field(min_length=1, max_length=64)]


class OrderIn(WireModel):
    """The order in question; `attributes` is the ERP's own space."""

    id: Id
    version: Version | None = None
    type: Literal["sale", "return", "internal"] = "sale"
    attributes: dict[Short, Annotated[str, Field(max_length=256)]] = Field(
        default_factory=dict, max_length=20
    )


_ASK: Final[dict[str, Any]] = {
    "customer_id": "C-1001",
    "segment": "main",
    "check_point": "GOODS_ISSUE",
    "order": {"id": "SO-778", "version": 3, "type": "sale", "attributes": {"salesperson": "E-17"}},
    "delivery_id": "DN-12",
    "amount": {"amount": "12500.00", "currency": "CNY"},
    "payment_terms_days": 60,
    "ship_date": "2026-12-01",
    "expires_in": 259200,
}


class AskIn(WireModel):
    """May this order go? `amount` is its whole value as it stands, delivered part included."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ASK]})

    customer_id: Id
    segment: Id = "main"
    check_point: Literal["QUOTE", "ORDER", "DELIVERY", "GOODS_ISSUE", "INVOICE"]
    order: OrderIn
    delivery_id: Id | None = None
    amount: PositiveMoneyIn
    payment_terms_days: Annotated[int, Field(ge=0, le=3650)] | None = None
    ship_date: BusinessDate | None = None
    expires_in: Annotated[int, Field(ge=1, le=LONGEST_S)] | None = Field(
        None,
        description="Seconds until what is left is freed; null: until released. Absent: 90 days at"
        " QUOTE and ORDER, from `counts_from` on where the decision has one; else 3 days",
    )

    def to_question(self) -> Question:
        """Make the question; an absent `expires_in` takes the check point's default."""
        expires_in, default = self.expires_in, "expires_in" not in self.model_fields_set
        if default:
            expires_in = DEFAULT_EXPIRY_S[self.check_point]
        return Question(
            customer_id=self.customer_id,
            segment_id=self.segment,
            check_point=self.check_point,
            order_id=self.order.id,
            amount=self.amount.to_money(),
            version=self.order.version,
            order_type=self.order.type,
            attributes=self.order.attributes,
            delivery_id=self.delivery_id,
            payment_terms_days=self.payment_terms_days,
            ship_date=self.ship_date,
            expires_in=expires_in,
            expires_by_default=default and self.ship_date is not None,
        )


class AuthorizeIn(AskIn):
    """An ask that reserves; a quote is for limit checks only."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ASK]})

    check_point: Literal["ORDER", "DELIVERY", "GOODS_ISSUE", "INVOICE"]


class ReasonOut(AnswerModel):
    """A rule that fired: what was seen and what is allowed, in words too."""

    code: str
    rule_id: str
    customer_id: str
    observed: str | None
    threshold: str | None
    zh: str
    en: str


class FxOut(AnswerModel):
    """How two currencies met: 1 `base` = `rate` `quote`."""

    base: str
    quote: str
    rate: str
    rate_date: str
    source: str


class ModelOut(AnswerModel):
    """Which model or scorecard made the score."""

    name: str
    version: int


_CNY: Final = "CNY"
DECISION: Final[dict[str, Any]] = {
    "decision_id": "019332b4-6c00-7000-8000-000000000001",
    "outcome": "APPROVE",
    "judged": "APPROVE",
    "mode": "ENFORCE",
    "customer_id": "C-1001",
    "binding_customer_id": "C-1001",
    "segment": "main",
    "check_point": "GOODS_ISSUE",
    "order_id": "SO-778",
    "amount": {"amount": "12500.00", "currency": _CNY},
    "effective_limit": {"amount": "100000.00", "currency": _CNY},
    "unlimited": False,
    "exposure": {"amount": "41200.00", "currency": _CNY},
    "authorized": {"amount": "8000.00", "currency": _CNY},
    "headroom": {"amount": "50800.00", "currency": _CNY},
    "ship_up_to": {"amount": "12500.00", "currency": _CNY},
    "fx": None,
    "traffic_light": "GREEN",
    "score": 742,
    "reasons": [],
    "warnings": [],
    "unblock": [],
    "degraded": [],
    "rule_set_version": 1,
    "model": {"name": "standard", "version": 1},
    "authorization_id": "019332b4-6c00-7000-8000-000000000001",
    "order_hold_id": None,
    "expires_at": "2026-12-04T03:00:00Z",
    "counts_from": None,
    "account_seq": 4711,
    "evaluated_at": "2026-12-01T03:00:00Z",
}


class DecisionOut(AnswerModel):
    """A decision. Read `outcome`, never the status; all failing reasons are listed."""

    model_config = ConfigDict(json_schema_extra={"examples": [DECISION]})

    decision_id: str
    outcome: Literal["APPROVE", "HOLD", "REJECT"]
    judged: Literal["APPROVE", "HOLD", "REJECT"]
    mode: Literal["OFF", "SHADOW", "WARN", "ENFORCE"]
    customer_id: str
    binding_customer_id: str
    segment: str
    check_point: str
    order_id: str
    amount: MoneyOut
    effective_limit: MoneyOut | None
    unlimited: bool
    exposure: MoneyOut
    authorized: MoneyOut
    headroom: MoneyOut | None
    ship_up_to: MoneyOut
    fx: FxOut | None
    traffic_light: Literal["GREEN", "YELLOW", "RED"]
    score: int | None
    reasons: list[ReasonOut]
    warnings: list[ReasonOut]
    unblock: list[UnblockOut]
    degraded: list[str]
    rule_set_version: int
    model: ModelOut | None
    authorization_id: str | None
    order_hold_id: str | None
    expires_at: str | None
    counts_from: str | None
    account_seq: int
    evaluated_at: str


def _ask_extra(scope: str, body: dict[str, Any], *, with_key: bool) -> dict[str, Any]:
    told = secured(scope)
    parameters = told["parameters"] + (keyed()["parameters"] if with_key else [])
    return {**told, "parameters": parameters, **body}


@router.post(
    "/limit-checks",
    operation_id="checkLimit",
    summary="May this order go? Nothing but the decision log changes",
    response_model=DecisionOut,
    responses=refusals(404, 409),
    openapi_extra=_ask_extra("check:write", body_of(AskIn), with_key=False),
)
async def check_limit(request: Request) -> Response:
    """Answer a limit check; it takes no lock and opens no hold."""
    caller = await authenticate(request, "check:write")
    asked = await read_raw(request)
    question = CHECKS.read(asked) or validate(AskIn, asked).to_question()
    desk = desk_of(request)
    return send(await desk.lanes.ask(Ask("CHECK", caller, question, desk.new_id())))


@router.post(
    "/authorizations",
    operation_id="authorizeOrder",
    summary="May this order go? If so, reserve for it",
    status_code=201,
    response_model=DecisionOut,
    responses={
        200: {"model": DecisionOut, "description": "The order had an authorization already"},
        **refusals(404, 409),
    },
    openapi_extra=_ask_extra("authorization:write", body_of(AuthorizeIn), with_key=True),
)
async def authorize_order(request: Request) -> Response:
    """Judge an order and reserve in the same transaction, or open an order hold."""
    caller = await authenticate(request, "authorization:write")
    key = read_key(request)
    asked = await read_raw(request)
    question = AUTHORIZATIONS.read(asked) or validate(AuthorizeIn, asked).to_question()
    desk = desk_of(request)
    return send(await desk.lanes.ask(keyed_ask(caller, key, question, desk.new_id())))


def keyed_ask(caller: Caller, key: str, question: Question, decision_id: str) -> Ask:
    """Make the ask of an order under a key; alone or in a batch it has the same fingerprint."""
    told = canonical(question)
    digest = fingerprint(_ROUTE, told)
    return Ask("AUTHORIZATION", caller, question, decision_id, key, digest, asked=told)
