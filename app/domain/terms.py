"""Payment terms (账期) by risk class: how long, at what late interest, how much paid ahead.

The table belongs to a rule set; without one nothing here holds an order.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final

MOST_DAYS: Final = 3_650
DAYS_A_YEAR: Final = 360
"""Interest counts days of a year of so many, as is usual between merchants."""

_SHARE: Final = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.[0-9]{1,4})?", re.ASCII)
_WHOLE: Final = 100


@dataclass(frozen=True, slots=True)
class ClassTerms:
    """What a class may have: days net, interest a year on what is late, share to be prepaid."""

    days: int
    late_interest_percent: Decimal = Decimal(0)
    prepay_percent: Decimal = Decimal(0)

    def to_json(self) -> dict[str, object]:
        """Write it as `read_class_terms` takes it."""
        told: dict[str, object] = {"days": self.days}
        if self.late_interest_percent:
            told["late_interest_percent"] = str(self.late_interest_percent)
        if self.prepay_percent:
            told["prepay_percent"] = str(self.prepay_percent)
        return told


TermsTable = Mapping[str, ClassTerms]
"""Terms by risk class; empty: no class has any."""


def read_class_terms(given: object) -> ClassTerms | str:
    """Read the terms of one class, days alone or an object; a sentence where they are none."""
    if type(given) is int:
        given = {"days": given}
    if not isinstance(given, Mapping):
        return f"must be whole days, 0 to {MOST_DAYS}, or an object with days"
    unknown = given.keys() - {"days", "late_interest_percent", "prepay_percent"}
    if unknown:
        return f"{min(map(str, unknown))[:40]!r} is not known here"
    days = given.get("days")
    if type(days) is not int or not 0 <= days <= MOST_DAYS:
        return f"days must be whole days, 0 to {MOST_DAYS}"
    shares: list[Decimal] = []
    for name in ("late_interest_percent", "prepay_percent"):
        share = _read_share(given.get(name, "0"))
        if share is None:
            return f"{name} must be a decimal string from 0 to 100, with up to four places"
        shares.append(share)
    return ClassTerms(days, *shares)


def _read_share(given: object) -> Decimal | None:
    if not isinstance(given, str) or not _SHARE.fullmatch(given):
        return None
    found = Decimal(given)
    return found if found <= _WHOLE else None


def read_terms(data: Mapping[str, object]) -> dict[str, ClassTerms]:
    """Read the table of a stored rule set, which was checked when it was stored."""
    given = data.get("terms")
    table = given if isinstance(given, Mapping) else {}
    found = {str(key): read_class_terms(one) for key, one in table.items()}
    return {key: one for key, one in found.items() if isinstance(one, ClassTerms)}


TERMS_NAMES: Final = frozenset(
    {
        "terms_asked_days",
        "terms_allowed_days",
        "terms_excess_days",
        "prepay_paid_minor",
        "prepay_required_minor",
        "prepay_missing_minor",
    }
)
"""What rules may read of terms; filled where some row reads one."""


def late_interest(open_minor: int, due: date, today: date, terms: ClassTerms) -> int:
    """Reckon simple interest on what is still owed, from its due date to today, rounded down."""
    days = (today - due).days
    if days <= 0 or open_minor <= 0:
        return 0
    rate = Fraction(terms.late_interest_percent) / (_WHOLE * DAYS_A_YEAR)
    product = open_minor * days * rate
    return product.numerator // product.denominator
