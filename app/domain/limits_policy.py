"""The parameters by which limits are recommended, adjusted and reviewed, as data with versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.domain.customers import CompanySize
from app.domain.money import Money, parse_money

AdjustMode = Literal["OFF", "PROPOSE", "AUTO"]

CLASSES: Final = ("A", "B", "C", "D", "E", "N")
SIZES: Final[tuple[CompanySize, ...]] = ("LARGE", "MEDIUM", "SMALL", "MICRO")

DEFAULT_POLICY: Final[Mapping[str, Any]] = {
    "period_days": 365,
    "default_terms_days": 60,
    "margin_days": 15,
    "class_percent": {"A": 150, "B": 120, "C": 80, "D": 40, "E": 0, "N": 50},
    "late_bands": [
        {"up_to_days": 5, "percent": 100},
        {"up_to_days": 15, "percent": 90},
        {"up_to_days": 30, "percent": 70},
        {"up_to_days": None, "percent": 40},
    ],
    "class_caps": {},
    "size_caps": {},
    "round_to": 1000,
    "review_days": {"A": 365, "B": 180, "C": 90, "D": 60, "E": 30, "N": 90},
    "warn_days": 30,
    "adjust": {
        "mode": "OFF",
        "cooldown_days": 90,
        "min_change_percent": 10,
        "max_decrease_percent": 25,
        "max_increase_percent": 20,
    },
}
"""What ships, version 0 of every segment; caps are a company's own, in whatever currency."""

_CNY_CAPS: Final[Mapping[str, Mapping[str, str]]] = {
    "class_caps": {"A": "10000000", "B": "5000000", "C": "2000000", "D": "500000", "N": "200000"},
    "size_caps": {"MEDIUM": "8000000", "SMALL": "2000000", "MICRO": "300000"},
}


@dataclass(frozen=True, slots=True)
class LateBand:
    """Who pays up to so many days late on average, inclusive (None: any), gets this percentage."""

    up_to_days: int | None
    percent: int


@dataclass(frozen=True, slots=True)
class Adjusting:
    """How limits follow what is recommended: not at all, as proposals, or decreases at once.

    Nothing is changed within `cooldown_days` of the last decision on the base limit, or for less
    than `min_change_percent` of it; a step is at most so many percent of it.
    """

    mode: AdjustMode
    cooldown_days: int
    min_change_percent: int
    max_decrease_percent: int
    max_increase_percent: int


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """One version of a segment's parameters; a class or size without a cap has none.

    `round_to` is in whole units of the account's currency.
    """

    version: int
    period_days: int
    default_terms_days: int
    margin_days: int
    class_percent: Mapping[str, int]
    late_bands: Sequence[LateBand]
    class_caps: Mapping[str, Money]
    size_caps: Mapping[str, Money]
    round_to: int
    review_days: Mapping[str, int]
    warn_days: int
    adjust: Adjusting


def default_policy(currency: str) -> dict[str, Any]:
    """Give the parameters that ship for a segment; caps only where its currency is CNY."""
    data = dict(DEFAULT_POLICY)
    if currency == "CNY":
        for name, caps in _CNY_CAPS.items():
            data[name] = {
                key: {"amount": f"{amount}.00", "currency": "CNY"} for key, amount in caps.items()
            }
    return data


def read_policy(version: int, data: Mapping[str, Any]) -> LimitPolicy:
    """Read stored parameters; whoever stored them has checked them."""
    plain = {
        name: data[name]
        for name in (
            "period_days",
            "default_terms_days",
            "margin_days",
            "class_percent",
            "round_to",
            "review_days",
            "warn_days",
        )
    }
    return LimitPolicy(
        version=version,
        late_bands=[LateBand(**band) for band in data["late_bands"]],
        class_caps=_caps(data["class_caps"]),
        size_caps=_caps(data["size_caps"]),
        adjust=Adjusting(**data["adjust"]),
        **plain,
    )


def _caps(data: Mapping[str, Mapping[str, str] | None]) -> dict[str, Money]:
    return {key: parse_money(cap["amount"], cap["currency"]) for key, cap in data.items() if cap}
