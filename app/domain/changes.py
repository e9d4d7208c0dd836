"""Change documents: what became another in master data, and who made it so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.domain.customers import AccountTerms, Customer
from app.domain.money import Rate
from app.domain.segments import Segment

ChangeKind = Literal["SEGMENT", "CUSTOMER", "ACCOUNT", "FX_RATE"]

_SEGMENT: Final = (
    "name",
    "currency",
    "time_zone",
    "mode",
    "four_eyes",
    "credit_horizon_days",
    "provisional_haircut_percent",
)
_CUSTOMER: Final = (
    "name",
    "kind",
    "country",
    "uscc",
    "lei",
    "industry",
    "parent_id",
    "active",
    "size",
    "merged_into",
)
_ACCOUNT: Final = ("currency", "currency_source", "payment_terms_days", "owner")


@dataclass(frozen=True, slots=True)
class MasterChange:
    """One change: `before` and `after` hold, as JSON, the fields that differ, and no others.

    What is new has no `before`. A segment names its `segment_id`, a customer its `customer_id`, an
    account both, a rate neither.
    """

    kind: ChangeKind
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    customer_id: str | None = None
    segment_id: str | None = None

    def __bool__(self) -> bool:
        """Tell whether anything differs."""
        return bool(self.after)


def segment_change(before: Segment | None, after: Segment) -> MasterChange:
    """Tell what is another in a segment; its rules have a history of their own."""
    told = _differing(_fields(before, _SEGMENT), _fields(after, _SEGMENT))
    return MasterChange("SEGMENT", *told, segment_id=after.segment_id)


def customer_change(before: Customer | None, after: Customer) -> MasterChange:
    """Tell what is another in a customer's master data."""
    told = _differing(_customer(before), _customer(after))
    return MasterChange("CUSTOMER", *told, customer_id=after.customer_id)


def account_change(before: AccountTerms | None, after: AccountTerms) -> MasterChange:
    """Tell what is another in the fields of an account that master data sets."""
    told = _differing(_fields(before, _ACCOUNT), _fields(after, _ACCOUNT))
    return MasterChange(
        "ACCOUNT", *told, customer_id=after.customer_id, segment_id=after.segment_id
    )


def rate_added(rate_id: int, rate: Rate, *, confirmed: bool) -> MasterChange:
    """Tell of a rate that was stored, and whether it was `confirmed` to be meant."""
    told = {
        "rate_id": rate_id,
        "base": rate.base,
        "quote": rate.quote,
        "rate": f"{rate.rate:f}",
        "rate_date": rate.rate_date,
        "source": rate.source,
        "confirmed": confirmed,
    }
    return MasterChange("FX_RATE", {}, told)


def _fields(held: object | None, names: tuple[str, ...]) -> dict[str, Any]:
    return {} if held is None else {name: getattr(held, name) for name in names}


def _customer(held: Customer | None) -> dict[str, Any]:
    if held is None:
        return {}
    since = None if held.since is None else held.since.isoformat()
    return {**_fields(held, _CUSTOMER), "since": since, "aliases": sorted(held.aliases)}


def _differing(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    names = [name for name in after if name not in before or before[name] != after[name]]
    return (
        {name: before[name] for name in names if name in before},
        {name: after[name] for name in names},
    )
