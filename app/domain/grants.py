"""What an approval changes: the order's reservation, and each account on the payer's path."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.accounts import Account, Kind
from app.domain.cases import Case
from app.domain.decisions import Judgement
from app.domain.errors import FieldError
from app.domain.facts_balances import MAX_TOTAL
from app.domain.horizons import counts_from
from app.domain.orders import Order


def order_seen(case: Case) -> Order:
    """Leave the order as an answer that grants nothing does: only its version moves."""
    question, order = case.question, case.order
    if order is None:
        return Order(
            question.segment_id,
            question.order_id,
            case.payer.account_id,
            question.amount.currency,
            version=question.version,
        )
    seen = [one for one in (order.version, question.version) if one is not None]
    return replace(order, version=max(seen, default=None))


def granted(case: Case, judgement: Judgement, new_id: str) -> Judgement:
    """Reserve: the order's new state, and each account's, with the kind of its journal entry.

    Raises:
        FieldError: The amount is beyond what an account can hold.

    """
    question, seen = case.question, judgement.order
    if seen is None:
        return judgement
    keeps = case.same_grant and seen.authorization_id is not None
    let_pass = case.same_grant or case.situation.releasing
    order = replace(
        seen,
        account_id=case.payer.account_id,
        currency=question.amount.currency,
        state="LIVE",
        authorization_id=seen.authorization_id if keeps else new_id,
        authorized=question.amount.minor,
        reserved=case.needed,
        expires_at=_later(case),
        authorized_at=seen.authorized_at if keeps else case.situation.at,
        released_max=seen.released_max if let_pass else None,
        released_until=seen.released_until if let_pass else None,
        hold_id=None if seen.hold_kind == "AUTOMATIC" else seen.hold_id,
        hold_kind=None if seen.hold_kind == "AUTOMATIC" else seen.hold_kind,
        counts_from=counts_from(question, case.situation),
    )
    after: list[tuple[Account, Kind]] = []
    ceilings: dict[int, int] = {}
    for account in case.situation.accounts:
        booked, kind = _booked(case, account)
        if booked.use != account.use or booked.foreign != account.foreign:
            after.append((booked, kind))
            ceiling = case.ceiling(account)
            if kind in {"AUTHORIZE", "TOLERANCE"} and ceiling is not None:
                ceilings[account.account_id] = ceiling
    path = {account.account_id for account in case.situation.accounts}
    after += [
        (case.bare(account), "FREE")
        for account in case.situation.freed
        if account.account_id not in path and case.bare(account) != account
    ]
    return replace(judgement, order=order, after=tuple(after), ceilings=ceilings)


def _booked(case: Case, account: Account) -> tuple[Account, Kind]:
    """Book the difference between what is needed and what is reserved, in one entry."""
    currency = case.question.amount.currency
    asked = case.with_need(case.bare(account), case.booking_rate(account))
    asked = replace(asked, seq=account.seq + 1)
    if max(asked.use.authorized, asked.position(currency).authorized) > MAX_TOTAL:
        raise FieldError("the account's total would pass 10^18 minor units", "amount")
    if asked.use.total <= account.use.total:
        return replace(asked, forced=asked.excess), "FREE"
    if asked.excess == 0:
        return asked, "AUTHORIZE"
    if case.released:
        return asked, "RELEASE"
    if case.situation.mode != "ENFORCE" or not case.tests(account):
        return asked, "FACT"
    ceiling = case.ceiling(account) or 0
    if (account.limit_minor or 0) < asked.use.total <= ceiling:
        return asked, "TOLERANCE"
    # a grant never raises `forced`: should the test above it ever be lost, the engine's CHECK
    # refuses this row
    return replace(asked, forced=account.forced), "AUTHORIZE"


def _later(case: Case) -> datetime | None:
    """When the authorization ends: a later ask never shortens it; None is for ever."""
    question, order = case.question, case.order
    ends = (
        None
        if question.expires_in is None
        else case.situation.at + timedelta(seconds=question.expires_in)
    )
    if order is None or not case.same_grant or order.state != "LIVE":
        return ends
    if ends is None or order.expires_at is None:
        return None
    return max(ends, order.expires_at)
