"""What an approval changes: the order's reservation, and each account on the payer's path."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from app.domain.accounts import Account, Kind, Use, booked, over, stands
from app.domain.cases import Case
from app.domain.errors import FieldError
from app.domain.facts_balances import MAX_TOTAL
from app.domain.horizons import counts_from
from app.domain.orders import Order
from app.domain.values import quick

_UNSEEN: Final = Order("", "", 0, "")
"""Stands for an order that nobody asked about before: nothing is known of it."""


@quick
@dataclass(frozen=True, slots=True)
class Grant:
    """What an approval does: `order`, `after` and `ceilings` are those of a `Judgement`."""

    order: Order | None
    after: tuple[tuple[Account, Kind], ...]
    ceilings: Mapping[int, int]


NO_GRANT: Final = Grant(None, (), MappingProxyType({}))


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
    return replace(order, version=_newest(order.version, question.version))


def order_let_go(case: Case) -> Order | None:
    """Leave the order as an approval that reserves nothing does; None: as it is.

    What was held is held no more by rules, and its version moves: judged again or released later,
    it would reserve what was asked before. What a person placed stays.
    """
    order = case.order
    if order is None or order.hold_id is None:
        return None
    seen = order_seen(case)
    return replace(seen, hold_id=None, hold_kind=None) if order.hold_kind == "AUTOMATIC" else seen


def _newest(known: int | None, asked: int | None) -> int | None:
    if known is None or asked is None:
        return asked if known is None else known
    return max(known, asked)


def grant_of(case: Case, new_id: str) -> Grant:
    """Reserve: the order's new state, and each account's, with the kind of its journal entry.

    Raises:
        FieldError: The amount is beyond what an account can hold.

    """
    after: list[tuple[Account, Kind]] = []
    ceilings: dict[int, int] = {}
    for account in case.situation.accounts:
        moved, kind = _booked(case, account)
        # what nearly all of them change is looked at first, before all of both is compared
        if moved.use.authorized != account.use.authorized or (
            moved.use != account.use or moved.foreign != account.foreign
        ):
            after.append((moved, kind))
            ceiling = case.ceiling(account)
            if kind in {"AUTHORIZE", "TOLERANCE"} and ceiling is not None:
                ceilings[account.account_id] = ceiling
    if case.situation.freed:
        path = {account.account_id for account in case.situation.accounts}
        after += [
            (case.bare(account), "FREE")
            for account in case.situation.freed
            if account.account_id not in path and case.bare(account) != account
        ]
    return Grant(_authorized(case, new_id), tuple(after), ceilings)


def _authorized(case: Case, new_id: str) -> Order:
    """Give the order with its reservation; what a person said of it stays where it may."""
    question, seen = case.question, case.order or _UNSEEN
    keeps = case.same_grant and seen.authorization_id is not None
    let_pass = case.situation.releasing or (case.same_grant and case.release_lasts(seen))
    automatic = seen.hold_kind == "AUTOMATIC"
    # by position, in the order of the fields: by name costs four times as much
    return Order(
        question.segment_id,
        question.order_id,
        case.payer.account_id,
        question.amount.currency,
        _newest(seen.version, question.version),
        seen.closed_version,
        seen.authorization_id if keeps else new_id,
        "LIVE",
        question.amount.minor,
        case.needed,  # what is reserved
        _later(case),  # when it expires
        seen.authorized_at if keeps else case.situation.at,
        seen.released_max if let_pass else None,
        _passes_until(case, seen) if let_pass else None,
        seen.rejected,
        None if automatic else seen.hold_id,
        None if automatic else seen.hold_kind,
        counts_from(question, case.situation),
        _is_untested(case),
    )


def _passes_until(case: Case, seen: Order) -> datetime | None:
    """Say until when a person lets the order pass: no ask prolongs what it owes to a release.

    Given for as long as the authorization lasts, a release ends when that would have ended.
    """
    if case.situation.releasing or seen.released_max is None or seen.released_until is not None:
        return seen.released_until
    return None if _later(case) == seen.expires_at else seen.expires_at


def _is_untested(case: Case) -> bool:
    """Tell whether no ask has held all of the order to the limits.

    This one does where goods are to leave for which none was (facts' share is in the accounts'
    use), unless its segment stops nothing. What waits for its day goes untested, and of what was
    delivered only what a live authorization was tested for counts as tested: should facts take it
    back, it is reserved again.
    """
    if case.tests_limits:
        return case.situation.mode != "ENFORCE" and not case.released
    if counts_from(case.question, case.situation) is not None:
        return True
    return case.question.amount.minor > case.tested


def _booked(case: Case, account: Account) -> tuple[Account, Kind]:
    """Book the difference between what is needed and what is reserved, in one entry."""
    currency, bare = case.question.amount.currency, case.bare(account)
    use, foreign = bare.use, bare.foreign
    if case.needed:
        rate = None if currency == account.currency else case.booking_rate(account)
        use, foreign = booked(bare, currency, Use(case.needed), rate)
    position = foreign[currency].use if currency in foreign else use
    if max(use.authorized, position.authorized) > MAX_TOTAL:
        raise FieldError("the account's total would pass 10^18 minor units", "amount")
    forced = over(account, use)
    kind = _kind(case, account, use, forced)
    # a grant never raises `forced`: should the test above it ever be lost, the engine's CHECK
    # refuses this row
    granted_only = kind == "AUTHORIZE" and forced
    return stands(account, use, foreign, account.forced if granted_only else forced), kind


def _kind(case: Case, account: Account, use: Use, forced: int) -> Kind:
    """Say by what right the account's use becomes `use`, of which `forced` is above the limit."""
    if use.total <= account.use.total:
        return "FREE"
    if forced == 0:
        return "AUTHORIZE"
    if case.released:
        return "RELEASE"
    if case.situation.mode != "ENFORCE" or not case.tests(account):
        return "FACT"
    within = (account.limit_minor or 0) < use.total <= (case.ceiling(account) or 0)
    return "TOLERANCE" if within else "AUTHORIZE"


@lru_cache(maxsize=64)  # the questions of a batch share their moment, and often their term
def _after(at: datetime, seconds: int) -> datetime:
    return at + timedelta(seconds=seconds)


def _later(case: Case) -> datetime | None:
    """When the authorization ends: a later ask never shortens it; None is for ever.

    A term that nobody asked for begins on the day from which the order counts.
    """
    question, order = case.question, case.order
    expires_in = question.expires_in
    ends = None if expires_in is None else _after(case.situation.at, expires_in)
    if ends is not None and question.expires_by_default:
        begins = counts_from(question, case.situation)
        ends += timedelta(days=(begins - case.situation.today).days if begins else 0)
    if order is None or not case.same_grant or order.state != "LIVE":
        return ends
    if ends is None or order.expires_at is None:
        return None
    return max(ends, order.expires_at)
