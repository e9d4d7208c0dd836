"""A person's release, as it is put into the order that is judged again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.domain.decisions import Judgement, Situation
from app.domain.errors import (
    AccountStoppedError,
    CreditError,
    ForbiddenError,
    HoldNotOpenError,
    OrderVersionStaleError,
    ProposalStateError,
    RateMissingError,
)
from app.usecases.asks import Release


def asked_for(customer_id: str, ask: Mapping[str, Any]) -> dict[str, Any]:
    """Say what an order is held for: by whom, how much, which version, on which terms."""
    return {
        "customer_id": customer_id,
        "amount": list(ask["amount"]),
        "version": ask.get("version"),
        "payment_terms_days": ask.get("payment_terms_days"),
    }


def let_pass(situation: Situation, release: Release, held_for: Mapping[str, Any]) -> Situation:
    """Put a person's release into the order before it is judged.

    `held_for` maps a hold to what it is for now, and to the proposal that waits.

    Raises:
        HoldNotOpenError: The order is not on this hold any more.
        ForbiddenError: A forced hold needs the right to lift one.
        ProposalStateError: What was proposed was declined meanwhile.
        OrderVersionStaleError: The order was asked for something else meanwhile.

    """
    order, held = situation.order, held_for.get(release.hold_id)
    if order is None or order.hold_id != release.hold_id or held is None:
        raise HoldNotOpenError("the hold was decided meanwhile")
    if order.hold_kind == "FORCED" and not release.forced:
        raise ForbiddenError("lifting a forced hold needs the scope hold:release_forced")
    if release.proposal_id is not None and release.proposal_id != held.proposal_id:
        raise ProposalStateError("what was proposed was declined meanwhile")
    if asked_for(held.customer_id, held.ask) != release.asked:
        raise OrderVersionStaleError("the order was asked for something else meanwhile")
    passing = replace(
        order,
        released_max=release.max_minor,
        released_until=release.valid_until,
        hold_kind="AUTOMATIC",
    )
    return replace(situation, order=passing, releasing=True)


def not_released(judgement: Judgement) -> CreditError:
    """Say why a release let nothing pass."""
    codes = {row.reason for row in judgement.reasons}
    unvalued = judgement.outcome == "APPROVE" or "FX_RATE_MISSING" in codes
    if unvalued and "ACCOUNT_STOPPED" not in codes:
        return RateMissingError("what cannot be valued cannot be reserved: store a rate first")
    if "ORDER_REJECTED" in codes:
        return HoldNotOpenError("the order was rejected meanwhile")
    return AccountStoppedError(
        "the account is stopped: lift the stop first, then release the order"
    )
