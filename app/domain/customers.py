"""A customer, what a PUT says of one, and the traffic light of an account."""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Final, Literal

from app.domain.scores import TrafficLight, worse_light

CustomerKind = Literal["company", "sole_trader", "person"]
CompanySize = Literal["LARGE", "MEDIUM", "SMALL", "MICRO"]
CurrencySource = Literal["SEGMENT", "LEDGER", "LIMIT", "CUSTOMER"]

OVERDUE_RED_DAYS: Final = 30
"""An item overdue for more days than this makes the account RED (exclusive)."""


class Keep(Enum):
    """What an absent field says where absent is not the same as null: leave it as it is."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True, slots=True)
class Customer:
    """Master data as stored. `aliases` are other ids of the payer, merged customers' ids too.

    `parent_id` is the group it belongs to. `version` rises with every change of the customer or
    of an account's own fields.
    """

    customer_id: str
    name: str
    kind: CustomerKind = "company"
    country: str | None = None
    uscc: str | None = None
    lei: str | None = None
    industry: str | None = None
    parent_id: str | None = None
    since: date | None = None
    active: bool = True
    size: CompanySize | None = None
    merged_into: str | None = None
    version: int = 1
    aliases: tuple[str, ...] = ()


def told_to_rules(customer: Customer) -> dict[str, object]:
    """Give what decisions and their rules read of master data, as JSON."""
    since = customer.since
    return {
        "active": customer.active,
        "kind": customer.kind,
        "country": customer.country,
        "industry": customer.industry,
        "since": None if since is None else since.isoformat(),
    }


@dataclass(frozen=True, slots=True)
class AccountChange:
    """An account's own fields; KEEP leaves one as it is, None clears it.

    `payment_terms_days` are days net; `owner` is the credit specialist responsible.
    """

    currency: str | Keep | None = KEEP
    payment_terms_days: int | Keep | None = KEEP
    owner: str | Keep | None = KEEP

    def __bool__(self) -> bool:
        """Tell whether it says anything."""
        return self != _SAYS_NOTHING


_SAYS_NOTHING: Final = AccountChange()


@dataclass(frozen=True, slots=True)
class CustomerChange:
    """What a PUT says: plain fields replace, KEEP leaves what refers to other records.

    `aliases` are all the other ids; `account` speaks of the account in segment `main`.
    """

    name: str
    kind: CustomerKind = "company"
    country: str | None = None
    uscc: str | None = None
    lei: str | None = None
    industry: str | None = None
    since: date | None = None
    active: bool = True
    size: CompanySize | None = None
    parent_id: str | Keep | None = KEEP
    aliases: tuple[str, ...] | Keep = KEEP
    account: AccountChange = _SAYS_NOTHING


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """What master data says of an account: no balance, no limit."""

    account_id: int
    customer_id: str
    segment_id: str
    currency: str
    currency_source: CurrencySource
    payment_terms_days: int | None
    owner: str | None
    status: Literal["OPEN", "STOPPED"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account's light follows from. `stopped` counts its groups' stops too.

    `overdue_days` is that of the oldest open item past its due date; 0: none.
    """

    active: bool
    stopped: bool
    over_limit: bool
    overdue_days: int


def account_light(standing: Standing) -> TrafficLight:
    """RED: inactive, stopped, over the limit, or overdue for more than 30 days; YELLOW: overdue."""
    overdue_red = standing.overdue_days > OVERDUE_RED_DAYS
    if not standing.active or standing.stopped or standing.over_limit or overdue_red:
        return TrafficLight.RED
    return TrafficLight.YELLOW if standing.overdue_days else TrafficLight.GREEN


def joint_light(standing: Standing, score_light: TrafficLight | None) -> TrafficLight:
    """Give the worse of score and account; who was never scored counts as YELLOW."""
    return worse_light(account_light(standing), score_light or TrafficLight.YELLOW)
