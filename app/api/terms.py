"""The payment terms that a customer may have, and what being late has cost."""

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from pydantic import ConfigDict

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import desk_of
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel, Id, MoneyOut, QueryModel
from app.domain.callers import Caller
from app.domain.segments import MAIN
from app.usecases.terms_read import TermsView

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)

_TERMS: Final[dict[str, Any]] = {
    "customer_id": "C-1001",
    "segment": "main",
    "risk_class": "C",
    "payment_terms_days": 60,
    "allowed_days": 45,
    "late_interest_percent": "18",
    "prepay_percent": "0",
    "late_interest": [{"amount": "228.12", "currency": "CNY"}],
    "rule_set_version": 7,
    "as_of": "2026-12-01",
}


class CustomerTermsOut(AnswerModel):
    """What the customer's class may have by the policy in force; null: it says nothing of it.

    `payment_terms_days` are agreed. `late_interest` has run up on its own late invoices, by
    currency, at `late_interest_percent` a year of 360 days; it is shown, never booked.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_TERMS]})

    customer_id: str
    segment: str
    risk_class: str
    payment_terms_days: int | None
    allowed_days: int | None
    late_interest_percent: str | None
    prepay_percent: str | None
    late_interest: list[MoneyOut]
    rule_set_version: int
    as_of: date


class TermsQuery(QueryModel):
    """In which segment."""

    segment: Id = MAIN


def _out(view: TermsView) -> CustomerTermsOut:
    allowed = view.allowed
    return CustomerTermsOut(
        customer_id=view.customer_id,
        segment=view.segment_id,
        risk_class=view.risk_class,
        payment_terms_days=view.agreed_days,
        allowed_days=None if allowed is None else allowed.days,
        late_interest_percent=None if allowed is None else str(allowed.late_interest_percent),
        prepay_percent=None if allowed is None else str(allowed.prepay_percent),
        late_interest=[MoneyOut.of(one) for one in view.late_interest],
        rule_set_version=view.rule_set_version,
        as_of=view.as_of,
    )


@router.get(
    "/customers/{customer_id}/terms",
    operation_id="getTerms",
    summary="Which payment terms may this customer have?",
    responses=refusals(404),
)
def get_terms(
    customer_id: Id,
    query: Annotated[TermsQuery, Query()],
    caller: Annotated[Caller, Depends(needs("customer:read"))],
    request: Request,
) -> CustomerTermsOut:
    """Answer the terms of its class in the segment, and late interest up to today."""
    return _out(desk_of(request).parties.limits.read_terms(caller, customer_id, query.segment))
