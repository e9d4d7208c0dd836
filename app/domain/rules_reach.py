"""Whom a row is for: its scope and what is excepted from it, and which of several rows wins."""

from dataclasses import dataclass
from typing import Final, NamedTuple


class Subject(NamedTuple):
    """What rows are chosen by. `groups` are the customer and all above it.

    `country` and `industry` are None where master data does not say; `risk_class` is empty where
    the customer is not scored.
    """

    check_point: str
    segment: str
    customer: str
    groups: tuple[str, ...]
    risk_class: str
    country: str | None
    industry: str | None


DIMENSIONS: Final = ("segments", "countries", "industries", "classes", "groups", "customers")
"""From the least specific to the most: a row that names customers wins over all that do not."""

_UNKNOWN_NAME: Final = {"countries": "customer_country", "industries": "customer_industry"}
"""The name that is missing where a scope cannot be told."""

_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Scope:
    """Values by dimension; an empty one means everybody. All dimensions must fit."""

    segments: frozenset[str] = _NOBODY
    countries: frozenset[str] = _NOBODY
    industries: frozenset[str] = _NOBODY
    classes: frozenset[str] = _NOBODY
    groups: frozenset[str] = _NOBODY
    customers: frozenset[str] = _NOBODY

    def named(self) -> tuple[str, ...]:
        """List the dimensions that are named."""
        return tuple(one for one in DIMENSIONS if getattr(self, one))

    def fits(self, dimension: str, subject: Subject) -> bool | None:
        """Tell whether a subject is among a dimension's values; None: nobody knows."""
        wanted: frozenset[str] = getattr(self, dimension)
        if dimension == "groups":
            return not wanted.isdisjoint(subject.groups)
        if dimension == "classes":
            return subject.risk_class in wanted
        if dimension == "segments":
            return subject.segment in wanted
        if dimension == "customers":
            return subject.customer in wanted
        value = subject.country if dimension == "countries" else subject.industry
        return None if value is None else value in wanted


EVERYBODY: Final = Scope()


@dataclass(frozen=True, slots=True)
class Reach:
    """Who is in `scope` and in no dimension of `excepted`, which always takes precedence."""

    scope: Scope = EVERYBODY
    excepted: Scope = EVERYBODY

    @property
    def is_open(self) -> bool:
        """Whether it is for everybody."""
        return self.scope == EVERYBODY == self.excepted

    @property
    def rank(self) -> int:
        """How specific the scope is: a dimension outweighs all less specific ones together."""
        return sum(1 << DIMENSIONS.index(one) for one in self.scope.named())

    def meets(self, subject: Subject) -> bool | str:
        """Tell whether a subject is meant, or name the missing input that would tell."""
        unknown = ""
        for one in self.excepted.named():
            fits = self.excepted.fits(one, subject)
            if fits:
                return False
            unknown = unknown or (_UNKNOWN_NAME[one] if fits is None else "")
        for one in self.scope.named():
            fits = self.scope.fits(one, subject)
            if fits is False:
                return False
            unknown = unknown or (_UNKNOWN_NAME[one] if fits is None else "")
        return unknown or True

    def values(self, dimension: str) -> frozenset[str]:
        """Give all values of a dimension that it names, in the scope or excepted from it."""
        named: frozenset[str] = getattr(self.scope, dimension) | getattr(self.excepted, dimension)
        return named
