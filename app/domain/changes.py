"""Change documents: what became another in master data, and who made it so."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final, Literal

from app.domain.customers import AccountTerms, Customer
from app.domain.money import Rate
from app.domain.segments import Segment

ChangeKind = Literal["SEGMENT", "CUSTOMER", "ACCOUNT", "FX_RATE"]

_Record = Segment | Customer | AccountTerms

_NOT_TOLD: Final = frozenset(
    {
        "account_id",
        "customer_id",
        "segment_id",
        "version",
        "status",
        "rule_set_version",
        "own_rule_set",
        "next_rule_set_version",
        "next_rule_set_at",
    }
)
"""Fields that name the record, and those whose changes are told elsewhere: stops, rules."""


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
    told = _differing(before, after)
    return MasterChange("SEGMENT", *told, segment_id=after.segment_id)


def customer_change(before: Customer | None, after: Customer) -> MasterChange:
    """Tell what is another in a customer's master data."""
    told = _differing(before, after)
    return MasterChange("CUSTOMER", *told, customer_id=after.customer_id)


def account_change(before: AccountTerms | None, after: AccountTerms) -> MasterChange:
    """Tell what is another in the fields of an account that master data sets."""
    told = _differing(before, after)
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


def _told(held: _Record | None) -> dict[str, Any]:
    if held is None:
        return {}
    names = [one.name for one in fields(held) if one.name not in _NOT_TOLD]
    return {name: _json(getattr(held, name)) for name in names}


def _json(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    return sorted(value) if isinstance(value, tuple) else value


def _differing(old: _Record | None, new: _Record) -> tuple[dict[str, Any], dict[str, Any]]:
    before, after = _told(old), _told(new)
    names = [name for name in after if name not in before or before[name] != after[name]]
    return (
        {name: before[name] for name in names if name in before},
        {name: after[name] for name in names},
    )
