"""What the read lane asks for, and what its rows say: domain objects, made for who asked.

A row becomes objects only where its answer is made, not in the lane, so that a bug in one row is
heard by one caller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal

import orjson

from app.domain.accounts import Account, Use
from app.domain.accounts_json import foreign_from_json
from app.domain.limits import CreditLimit
from app.domain.money import Money, Rate
from app.domain.scores import StoredScore
from app.domain.scores_json import score_from_json
from app.domain.scores_refresh import Urgency

Kind = Literal["ACCOUNT", "SCORE", "CARD"]
Row = tuple[Any, ...]

_SCORE_COLUMNS: Final = 4
_ACCOUNT_COLUMNS: Final = 21
"""How many columns of a statement a score has, and an account."""


@dataclass(frozen=True, slots=True)
class Want:
    """A question: a customer by id or alias; of a card, None is the default segment.

    `sight` are the segments that the caller may see; None: all.
    """

    kind: Kind
    ref: str
    segment_id: str | None = None
    sight: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account as stored, with what its figures of the business date `today` follow from.

    `limits` are its approved limits where the effective one may differ from the stored one since,
    else None; `covers_minor` is what its covers add up to on that date. `late` maps a currency to
    what was due before `today` and is still owed, in minor units; `oldest` is the oldest due date
    among it. `rates` are in stored order. `rooms` are groups in whose limit its orders must fit,
    the nearest first, and what that leaves: as stored, it follows the day by background work.
    """

    account: Account
    today: date
    active: bool
    score_light: str | None
    stopped: bool
    rooms: Sequence[tuple[str, Money]]
    limits: Sequence[CreditLimit] | None
    covers_minor: int
    late: Mapping[str, int]
    oldest: date | None
    rates: Sequence[Rate]


@dataclass(frozen=True, slots=True)
class FoundAccount:
    """What there is of an account that was asked for; None: no such thing."""

    customer_id: str | None
    segment_id: str | None
    state: AccountState | None


@dataclass(frozen=True, slots=True)
class FoundScore:
    """What there is of a customer's score; `score.stale`: it is due to be computed anew."""

    customer_id: str | None
    in_sight: bool
    score: StoredScore | None


@dataclass(frozen=True, slots=True)
class FoundCard:
    """What there is for a card; `segment_id` is that of the account, or the one asked for."""

    customer_id: str | None
    in_sight: bool
    name: str
    segment_id: str | None
    score: StoredScore | None
    state: AccountState | None


def found_account(row: Row) -> FoundAccount:
    """Read a row of ACCOUNTS."""
    _, customer_id, segment_id, *rest = row
    return FoundAccount(customer_id, segment_id, _state(rest))


def found_score(row: Row) -> FoundScore:
    """Read a row of SCORES."""
    _, customer_id, in_sight, *rest = row
    return FoundScore(customer_id, in_sight, _score(customer_id, rest))


def found_card(row: Row) -> FoundCard:
    """Read a row of CARDS."""
    _, customer_id, in_sight, name, segment_id, *rest = row
    return FoundCard(
        customer_id,
        in_sight,
        name,
        segment_id,
        _score(customer_id, rest[:_SCORE_COLUMNS]),
        _state(rest[_SCORE_COLUMNS:]),
    )


def _score(customer_id: str | None, columns: Sequence[Any]) -> StoredScore | None:
    data, features_as_of, scored_at, due = columns
    if customer_id is None or data is None:
        return None
    score = score_from_json(orjson.loads(data))
    rests = due == Urgency.EVENT
    return StoredScore(customer_id, score, features_as_of, scored_at, due is not None, rests)


def _state(columns: Sequence[Any]) -> AccountState | None:
    if columns[0] is None:
        return None
    account, rest = _account(columns[:_ACCOUNT_COLUMNS]), columns[_ACCOUNT_COLUMNS:]
    today, active, score_light, stopped, rooms, limits, covers, oldest, own, others, rates = rest
    due = account.limit_changes_on is not None and account.limit_changes_on <= today
    late = {} if own is None else {account.currency: int(own)}
    if others is not None:
        late |= orjson.loads(others)
    return AccountState(
        account=account,
        today=today,
        active=active,
        score_light=score_light,
        stopped=stopped,
        rooms=() if rooms is None else [_room(*one) for one in orjson.loads(rooms)],
        limits=_limits(limits) if due else None,
        covers_minor=covers or 0,
        late=late,
        oldest=oldest,
        rates=() if rates is None else [_rate(one) for one in orjson.loads(rates)],
    )


def _account(columns: Sequence[Any]) -> Account:
    (
        account_id, customer_id, segment_id, path, currency, status, limit_minor,
        unlimited, limit_expired, limit_withheld, limit_changes_on, authorized, open_delivery,
        open_item, note_receivable, prepayment, foreign,
        forced, seq, input_version, quarantined,
    ) = columns  # fmt: skip
    return Account(
        account_id,
        customer_id,
        segment_id,
        tuple(path),
        currency,
        status,
        limit_minor,
        unlimited,
        limit_expired,
        limit_withheld,
        limit_changes_on,
        Use(authorized, open_delivery, open_item, note_receivable, prepayment),
        {} if foreign is None else foreign_from_json(orjson.loads(foreign)),
        forced,
        seq,
        input_version,
        quarantined,
    )


def _limits(data: str | None) -> list[CreditLimit]:
    return [
        CreditLimit(
            kind,
            limit_minor,
            unlimited,
            date.fromisoformat(valid_from),
            None if valid_to is None else date.fromisoformat(valid_to),
            order,
            over_when_told,
        )
        for order, (
            kind,
            limit_minor,
            unlimited,
            valid_from,
            valid_to,
            over_when_told,
        ) in enumerate(orjson.loads(data or "[]"))
    ]


def _room(customer_id: str, currency: str, minor: int) -> tuple[str, Money]:
    return customer_id, Money(minor, currency)


def _rate(data: Sequence[str]) -> Rate:
    base, quote, rate, rate_date, source = data
    return Rate(base, quote, Decimal(rate).normalize(), rate_date, source)
