"""Many limits in one request, each standing alone, with a dry run that changes nothing."""

from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from app.api.conventions import refusals
from app.api.desk import desk_of
from app.api.idempotency import answer_of, fingerprint_of, read_key
from app.api.limits import DECIDED, LimitIn, LimitOut, limit_out
from app.api.limits_life import proposed_by, proposer
from app.api.middleware import trace_of
from app.api.problems import Problem, render, wants_zh
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel, Id, MoneyOut, WireModel
from app.domain.callers import Caller
from app.domain.errors import CreditError
from app.domain.limits import EffectiveLimit
from app.domain.money import Money
from app.usecases.asks import Answer
from app.usecases.keyed import Keyed
from app.usecases.limits_bulk import BulkItem, BulkView

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)

MOST_ITEMS: Final = 500

_ITEM: Final[dict[str, Any]] = {
    "customer_id": "C-1001",
    "kind": "base",
    "limit": {"amount": "500000.00", "currency": "CNY"},
    "valid_to": "2027-11-30",
    "reason": "annual review",
}

_IN_FORCE: Final[dict[str, Any]] = {
    "limit": {"amount": "500000.00", "currency": "CNY"},
    "unlimited": False,
}
_ANSWER: Final[dict[str, Any]] = {
    "dry_run": False,
    "results": [
        {
            "status": 201,
            "result": {"limit": DECIDED, "before": _IN_FORCE, "after": _IN_FORCE},
            "problem": None,
        }
    ],
}


class BulkLimitIn(LimitIn):
    """A limit, and whose it shall be."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ITEM]})

    customer_id: Id


class BulkIn(WireModel):
    """Limits in the order in which they are to be set; `dry_run`: say what would change."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"dry_run": True, "items": [_ITEM]}]})

    items: list[BulkLimitIn] = Field(min_length=1, max_length=MOST_ITEMS)
    dry_run: bool = False

    def to_items(self) -> list[BulkItem]:
        """Make what the use case takes."""
        return [BulkItem(one.customer_id, one.to_ask()) for one in self.items]


class InForceOut(AnswerModel):
    """An effective limit, covers included; `limit` null and not `unlimited`: no credit granted."""

    limit: MoneyOut | None
    unlimited: bool


class BulkLimitOut(AnswerModel):
    """A limit as it was taken; what is in force on its first day before and with it."""

    limit: LimitOut
    before: InForceOut
    after: InForceOut


class BulkResultOut(AnswerModel):
    """One item's answer: `status` as if it had been sent alone, and a limit or a problem."""

    status: int
    result: BulkLimitOut | None = None
    problem: Problem | None = None


class BulkOut(AnswerModel):
    """The answers in the order of the items; each stands alone."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ANSWER]})

    dry_run: bool
    results: list[BulkResultOut]


def _in_force(found: EffectiveLimit, currency: str) -> InForceOut:
    minor = found.limit_minor
    money = None if minor is None else MoneyOut.of(Money(minor, currency))
    return InForceOut(limit=money, unlimited=found.unlimited)


def _taken(one: BulkView) -> Answer:
    currency = one.view.record.currency
    status: Literal[201, 202] = 201 if one.view.record.status == "APPROVED" else 202
    taken = BulkLimitOut(
        limit=limit_out(one.view),
        before=_in_force(one.before, currency),
        after=_in_force(one.after, currency),
    )
    return answer_of(taken, status)


def _results(request: Request, told: list[Answer | CreditError], *, dry_run: bool) -> bytes:
    request_id, zh = trace_of(request.scope).request_id, wants_zh(request)
    parts = []
    for one in told:
        if isinstance(one, Answer):
            parts.append(b'{"status":%d,"result":%b}' % (one.status, one.body))
        else:
            problem = render(one, request_id, zh=zh)
            parts.append(orjson.dumps({"status": problem["status"], "problem": problem}))
    return b'{"dry_run":%b,"results":[%b]}' % (orjson.dumps(dry_run), b",".join(parts))


@router.post(
    "/limits/bulk",
    operation_id="proposeLimits",
    summary="Set or propose many limits, or try them out",
    response_model=BulkOut,
    responses=refusals(),
    openapi_extra=proposed_by("limit:propose"),
)
def propose_limits(
    body: BulkIn, caller: Annotated[Caller, Depends(proposer)], request: Request
) -> Response:
    """Answer 200 with one result an item; under the same key a repeat changes nothing twice."""
    question = Keyed(caller, read_key(request), fingerprint_of(request, body))
    bulk = desk_of(request).parties.limits.bulk
    items = body.to_items()
    told = bulk.try_out(caller, items, _taken) if body.dry_run else bulk(question, items, _taken)
    answer = _results(request, told, dry_run=body.dry_run)
    return Response(answer, media_type="application/json")
