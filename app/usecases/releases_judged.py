"""A person's release, as it is put into the order that is judged again."""

from collections.abc import Collection
from dataclasses import replace

from app.domain.decisions import Judgement, Situation
from app.domain.errors import (
    AccountStoppedError,
    CreditError,
    ForbiddenError,
    HoldNotOpenError,
    ProposalStateError,
    RateMissingError,
)
from app.usecases.asks import Ask


def released(situation: Situation, ask: Ask, waiting: Collection[str]) -> Situation:
    """Put a person's release into the order before it is judged.

    `waiting` are the proposals that nobody has decided on yet.

    Raises:
        HoldNotOpenError: The order is not on this hold any more.
        ProposalStateError: It was declined meanwhile.
        ForbiddenError: A forced hold needs the right to lift one.

    """
    release, order = ask.release, situation.order
    if release is None or order is None or order.hold_id != release.hold_id:
        raise HoldNotOpenError("the hold was decided meanwhile")
    if order.hold_kind == "FORCED" and not release.forced:
        raise ForbiddenError("lifting a forced hold needs the scope hold:release_forced")
    if release.proposal_id is not None and release.proposal_id not in waiting:
        raise ProposalStateError("what was proposed was declined meanwhile")
    let_pass = replace(
        order,
        released_max=release.max_minor,
        released_until=release.valid_until,
        hold_kind="AUTOMATIC",
    )
    return replace(situation, order=let_pass, releasing=True)


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
