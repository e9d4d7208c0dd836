"""Order holds on the wire: what comes in, what goes out."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from app.api.advice import UnblockOut
from app.api.authorizations import ReasonOut
from app.api.wire import AnswerModel, Id, Instant, MoneyOut, PositiveMoneyIn, WireModel
from app.domain.holds import HoldEvent, Kind, OrderHold, Proposal, ProposalStatus, Status
from app.domain.money import Money
from app.usecases.holds import HoldView, Placing
from app.usecases.holds_end import Ending
from app.usecases.releases import Releasing

Note = Annotated[str, Field(max_length=2000)]

_WHY: Final[dict[str, Any]] = {"reason_code": "VERIFIED_BY_PHONE", "note": "Payment is on its way"}
_EVENT: Final[dict[str, Any]] = {
    "action": "open",
    "client": "erp",
    "actor": "E-17",
    "reason_code": None,
    "note": None,
    "decision_id": "019332b4-6c00-7000-8000-000000000001",
    "amount": None,
    "role": None,
    "at": "2026-12-01T03:00:00Z",
}
_PROPOSAL: Final[dict[str, Any]] = {
    "status": "PROPOSED",
    "max_amount": {"amount": "12500.00", "currency": "CNY"},
    "valid_until": None,
    **_WHY,
    "proposed_by": "crm",
    "proposed_actor": "E-40",
    "proposed_at": "2026-12-01T04:00:00Z",
    "decided_by": None,
    "decided_actor": None,
    "decided_at": None,
}
_HOLD: Final[dict[str, Any]] = {
    "order_hold_id": "019332b4-6c00-7000-8000-000000000003",
    "kind": "AUTOMATIC",
    "status": "OPEN",
    "customer_id": "C-1001",
    "segment": "main",
    "order_id": "SO-778",
    "amount": {"amount": "12500.00", "currency": "CNY"},
    "check_point": "GOODS_ISSUE",
    "owner": "E-40",
    "reason_code": None,
    "reasons": [
        {
            "code": "OVER_LIMIT",
            "rule_id": "over-limit",
            "customer_id": "C-1001",
            "observed": "CNY 112500.00",
            "threshold": "CNY 100000.00",
            "zh": "超过信用额度",
            "en": "Over the credit limit",
        }
    ],
    "unblock": [],
    "decision_id": "019332b4-6c00-7000-8000-000000000001",
    "authorization_id": None,
    "authorized_amount": None,
    "auto_release": True,
    "escalated_to": None,
    "escalated_at": None,
    "proposal": None,
    "opened_at": "2026-12-01T03:00:00Z",
    "updated_at": "2026-12-01T03:00:00Z",
    "closed_at": None,
}


class PlaceIn(WireModel):
    """With `order_id` a forced hold (`segment` where several may have it), else a stop."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"customer_id": "C-1001", "order_id": "SO-778", **_WHY}]}
    )

    customer_id: Id
    segment: Id | None = None
    order_id: Id | None = None
    reason_code: Id
    note: Note | None = None

    def to_placing(self) -> Placing:
        """Make what the use case takes."""
        return Placing(self.customer_id, self.segment, self.order_id, self.reason_code, self.note)


class ReleaseIn(WireModel):
    """Let the order pass up to `max_amount` (the hold's amount) until `valid_until`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WHY]})

    reason_code: Id
    note: Note | None = None
    max_amount: PositiveMoneyIn | None = None
    valid_until: Instant | None = None

    def to_releasing(self) -> Releasing:
        """Make what the use case takes."""
        most = None if self.max_amount is None else self.max_amount.to_money()
        return Releasing(self.reason_code, self.note, most, self.valid_until)


class EndIn(WireModel):
    """Why the order is refused, or gone."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WHY]})

    reason_code: Id | None = None
    note: Note | None = None

    def to_ending(self, to: Literal["REJECTED", "CANCELLED"]) -> Ending:
        """Make what the use case takes."""
        return Ending(to, self.reason_code, self.note)


class CommentIn(WireModel):
    """A note for whoever looks at the hold next."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "Payment is on its way"}]})

    note: Annotated[str, Field(min_length=1, max_length=2000)]


class HoldEventOut(AnswerModel):
    """What was done to a hold, by whom; `actor` is as the client asserts.

    `client` is `aval` where nobody asked. `amount` is what was proposed to be released, `role` whom
    a hold that waited too long was escalated to.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_EVENT]})

    action: str
    client: str
    actor: str | None
    reason_code: str | None
    note: str | None
    decision_id: str | None
    amount: MoneyOut | None
    role: str | None
    at: Instant

    @classmethod
    def of(cls, event: HoldEvent) -> "HoldEventOut":
        """Write an event for the wire."""
        names = ("action", "client", "actor", "reason_code", "note", "at")
        data = event.data or {}
        amount = data.get("amount")
        return cls(
            **{name: getattr(event, name) for name in names},
            decision_id=data.get("decision_id"),
            amount=None if amount is None else MoneyOut.of(Money(*amount)),
            role=data.get("role"),
        )


class ProposalOut(AnswerModel):
    """A release that needs two persons; `decided_by` approved or declined it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PROPOSAL]})

    status: ProposalStatus
    max_amount: MoneyOut
    valid_until: Instant | None
    reason_code: str
    note: str | None
    proposed_by: str
    proposed_actor: str | None
    proposed_at: Instant
    decided_by: str | None
    decided_actor: str | None
    decided_at: Instant | None

    @classmethod
    def of(cls, proposal: Proposal) -> "ProposalOut":
        """Write a proposal for the wire."""
        names = [name for name in cls.model_fields if name != "max_amount"]
        most = MoneyOut.of(proposal.most)
        return cls(**{name: getattr(proposal, name) for name in names}, max_amount=most)


class HoldOut(AnswerModel):
    """A hold. `segment` null: a stop everywhere; `amount` null: the order was never asked about.

    `amount` is what was asked and held; `authorized_amount` what the authorization of a released
    one is for as it stands, of the whole order (null: it has none, or that has ended).
    `auto_release` false: the policy wants a person to release it. `escalated_to` is the role that
    is to look at it by now, `proposal` the newest release that needed two persons.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_HOLD]})

    order_hold_id: str
    kind: Kind
    status: Status
    customer_id: str
    segment: str | None
    order_id: str | None
    amount: MoneyOut | None
    check_point: str | None
    owner: str | None
    reason_code: str | None
    reasons: list[ReasonOut]
    unblock: list[UnblockOut]
    decision_id: str | None
    authorization_id: str | None
    authorized_amount: MoneyOut | None
    auto_release: bool
    escalated_to: str | None
    escalated_at: Instant | None
    proposal: ProposalOut | None
    opened_at: Instant
    updated_at: Instant
    closed_at: Instant | None


class HoldWithHistoryOut(HoldOut):
    """A hold with all that was done to it, oldest first.

    Of the lines `update`, one each time the order was asked again, the newest hundred are shown;
    `history_left_out` are those before. Each is a decision of its own.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_HOLD, "history": [_EVENT], "history_left_out": 0}]}
    )

    history: list[HoldEventOut]
    history_left_out: int


class HoldListOut(AnswerModel):
    """A page of the work list, sorted as was asked."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_HOLD], "next_cursor": None}]}
    )

    items: list[HoldOut]
    next_cursor: str | None


def hold_fields(hold: OrderHold) -> dict[str, Any]:
    """Write a hold's fields for the wire."""
    ask: Mapping[str, Any] = hold.ask or {}
    names = ("kind", "status", "customer_id", "order_id", "owner", "reason_code", "reasons")
    more = ("unblock", "decision_id", "authorization_id", "opened_at", "updated_at", "closed_at")
    later = ("auto_release", "escalated_to", "escalated_at")
    return {
        **{name: getattr(hold, name) for name in names + more + later},
        "proposal": hold.proposal and ProposalOut.of(hold.proposal),
        "order_hold_id": hold.hold_id,
        "segment": hold.segment_id,
        "amount": hold.amount and MoneyOut.of(hold.amount),
        "authorized_amount": hold.authorized and MoneyOut.of(hold.authorized),
        "check_point": ask.get("check_point"),
    }


def with_history(view: HoldView) -> HoldWithHistoryOut:
    """Write a hold with its history."""
    events = [HoldEventOut.of(event) for event in view.history]
    return HoldWithHistoryOut(
        **hold_fields(view.hold), history=events, history_left_out=view.left_out
    )
