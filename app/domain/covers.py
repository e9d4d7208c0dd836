"""What stands behind a customer beside its word: insured, guaranteed or deposited sums."""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from app.domain.errors import FieldError

CoverKind = Literal["INSURANCE", "GUARANTEE", "DEPOSIT"]

_PERCENTAGE: Final = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.[0-9]{1,2})?", re.ASCII)
_WHOLE: Final = 100


@dataclass(frozen=True, slots=True)
class CoverTerms:
    """`percentage` (above 0, at most 100) of `cap_minor` is what a loss would bring back.

    `cap_minor` is in minor units of the account's currency; `reference` is the paper's number.
    """

    kind: CoverKind
    percentage: Decimal
    cap_minor: int
    reference: str | None = None

    @property
    def contribution(self) -> int:
        """What the cover adds to a limit, in minor units, rounded down."""
        return int(Fraction(self.percentage) * self.cap_minor / _WHOLE)


def parse_percentage(text: str) -> Decimal:
    """Read a percentage above 0 and at most 100, with up to two places.

    Raises:
        FieldError: It is not one.

    """
    if _PERCENTAGE.fullmatch(text):
        found = Decimal(text)
        if 0 < found <= _WHOLE:
            return found
    raise FieldError(
        f"{text[:40]!r} is not a percentage above 0 and at most 100, with up to two places",
        "percentage",
    )
