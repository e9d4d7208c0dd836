"""Every feature a model may be built on: its name, unit, bounds, and which way is worse.

The order is that of the columns of the feature table and never changes for a name that stays; new
names are added at the end of their group. What each one measures is said in docs/features.md, in
both languages. A feature that cannot be computed is missing, which is a value of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.features import Unit
from app.domain.financials import RATIOS
from app.domain.signals import COUNTED_KINDS


class FeatureGroup(StrEnum):
    """What a feature is computed from; a group is missing as a whole where its source is."""

    BEHAVIOUR = "behaviour"
    OPEN_ITEMS = "open_items"
    LIMIT = "limit"
    ORDER = "order"
    TENURE = "tenure"
    SEASON = "season"
    FINANCIALS = "financials"
    SIGNALS = "signals"
    RELATED = "related"


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature table.

    `lower` and `upper` are inclusive bounds of what can come out, None where there is none.
    `monotone` says how the probability of paying late may move as the value grows: 1 up, -1 down,
    0 either way. `reason` is the code told when the feature speaks against a customer, None where
    a customer could not understand it.
    """

    name: str
    group: FeatureGroup
    unit: Unit
    monotone: int
    reason: str | None
    lower: float | None = 0
    upper: float | None = None


def _group(group: FeatureGroup, *rows: tuple[object, ...]) -> tuple[Feature, ...]:
    return tuple(Feature(row[0], group, *row[1:]) for row in rows)  # type: ignore[arg-type]


_BEHAVIOUR = _group(
    FeatureGroup.BEHAVIOUR,
    ("on_time_rate", Unit.SHARE, -1, "ON_TIME_RATE_LOW", 0, 1),
    ("on_time_rate_recent", Unit.SHARE, -1, "ON_TIME_RATE_LOW", 0, 1),
    ("mean_days_late", Unit.DAYS, 1, "MEAN_DAYS_LATE_HIGH"),
    ("mean_days_late_recent", Unit.DAYS, 1, "MEAN_DAYS_LATE_HIGH"),
    ("mean_days_late_by_amount", Unit.DAYS, 1, "MEAN_DAYS_LATE_HIGH"),
    ("mean_lag_days", Unit.CHANGE_DAYS, 1, "PAID_AFTER_DUE", None),
    ("last_lag_days", Unit.CHANGE_DAYS, 1, "PAID_AFTER_DUE", None),
    ("spread_days_late", Unit.DAYS, 0, "PAYING_UNEVENLY"),
    ("max_days_late", Unit.DAYS, 1, "MAX_DAYS_LATE_HIGH"),
    ("recent_trend", Unit.CHANGE_DAYS, 1, "PAYING_SLOWER", None),
    ("prior_late_rate", Unit.SHARE, 1, "LATE_BEFORE", 0, 1),
    ("prior_late_30_rate", Unit.SHARE, 1, "LATE_BEFORE", 0, 1),
    ("partial_share", Unit.SHARE, 1, "PAID_IN_PARTS", 0, 1),
    ("disputed_share", Unit.SHARE, 0, "DISPUTED_SHARE_HIGH", 0, 1),
    ("invoices_closed", Unit.COUNT, 0, "FEW_INVOICES_CLOSED"),
    ("invoices_known", Unit.COUNT, 0, "FEW_INVOICES_KNOWN"),
    ("global_late_rate", Unit.SHARE, 1, None, 0, 1),
    ("global_late_30_rate", Unit.SHARE, 1, None, 0, 1),
)

_OPEN_ITEMS = _group(
    FeatureGroup.OPEN_ITEMS,
    ("open_amount_minor", Unit.MONEY, 0, "OPEN_AMOUNT_HIGH"),
    ("open_count", Unit.COUNT, 0, "OPEN_AMOUNT_HIGH"),
    ("open_age_days", Unit.DAYS, 0, "OPEN_AMOUNT_HIGH"),
    ("overdue_amount_minor", Unit.MONEY, 1, "OVERDUE_AMOUNT_HIGH"),
    ("overdue_share", Unit.SHARE, 1, "OVERDUE_SHARE_HIGH", 0, 1),
    ("overdue_count", Unit.COUNT, 1, "OVERDUE_AMOUNT_HIGH"),
    ("overdue_days", Unit.DAYS, 1, "OVERDUE_OLD"),
    ("overdue_mean_days", Unit.DAYS, 1, "OVERDUE_OLD"),
)

_LIMIT = _group(
    FeatureGroup.LIMIT,
    ("utilization", Unit.SHARE, 1, "UTILIZATION_HIGH", None),
    ("utilization_change", Unit.SHARE, 1, "UTILIZATION_RISING", None),
)

_ORDER = _group(
    FeatureGroup.ORDER,
    ("order_habit", Unit.TIMES, 1, "ORDER_ABOVE_HABIT"),
    ("order_to_largest", Unit.TIMES, 1, "ORDER_ABOVE_HABIT"),
    ("order_amount_minor", Unit.MONEY, 0, "ORDER_LARGE"),
    ("order_terms_days", Unit.DAYS, 0, "TERMS_UNUSUAL", None),
    ("terms_change_days", Unit.CHANGE_DAYS, 0, "TERMS_UNUSUAL", None),
)

_TENURE = _group(
    FeatureGroup.TENURE,
    ("tenure_days", Unit.DAYS, -1, "TENURE_SHORT"),
    ("days_since_invoice", Unit.DAYS, 0, "BUYING_CHANGED"),
    ("invoices_90d", Unit.COUNT, 0, "BUYING_CHANGED"),
    ("buying_pace", Unit.TIMES, 0, "BUYING_CHANGED"),
    ("median_terms_days", Unit.DAYS, 0, "TERMS_UNUSUAL", None),
)

_SEASON = _group(
    FeatureGroup.SEASON,
    ("due_month", Unit.COUNT, 0, None, 1, 12),
    ("due_day_of_month", Unit.COUNT, 0, None, 1, 31),
    ("due_weekday", Unit.COUNT, 0, None, 1, 7),
    ("season_late_rate", Unit.SHARE, 1, "LATE_IN_SEASON", 0, 1),
)

_FINANCIALS = (
    *_group(
        FeatureGroup.FINANCIALS,
        ("financials_age_days", Unit.DAYS, 0, "FINANCIALS_OLD"),
        ("assets_growth", Unit.SHARE, 0, "FINANCIALS_GROWTH", None),
        ("equity_growth", Unit.SHARE, 0, "FINANCIALS_GROWTH", None),
        ("net_margin_change", Unit.SHARE, -1, "FINANCIALS_PROFIT", None),
    ),
    *(
        Feature(f"ratio_{ratio.name}", FeatureGroup.FINANCIALS, Unit.TIMES, 0, ratio.reason, None)
        for ratio in RATIOS
    ),
)

_SIGNALS = (
    *_group(
        FeatureGroup.SIGNALS,
        ("signals_adverse", Unit.COUNT, 1, "SIGNALS_ADVERSE"),
        ("signals_adverse_365d", Unit.COUNT, 1, "SIGNALS_ADVERSE"),
        ("signal_last_days", Unit.DAYS, 0, "SIGNALS_ADVERSE"),
        ("signals_as_plaintiff", Unit.COUNT, 0, None),
        ("signals_checked_days", Unit.DAYS, 0, None),
    ),
    *(
        Feature(f"signals_{kind.lower()}", FeatureGroup.SIGNALS, Unit.COUNT, 1, "SIGNALS_ADVERSE")
        for kind in COUNTED_KINDS
    ),
    *_group(
        FeatureGroup.SIGNALS,
        ("signals_adverse_90d", Unit.COUNT, 1, "SIGNALS_ADVERSE"),
        ("signals_as_defendant", Unit.COUNT, 1, "SIGNALS_ADVERSE"),
    ),
)

_RELATED = _group(
    FeatureGroup.RELATED,
    ("parent_overdue_days", Unit.DAYS, 1, "GROUP_OVERDUE"),
    ("parent_overdue_share", Unit.SHARE, 1, "GROUP_OVERDUE", 0, 1),
    ("parent_late_rate", Unit.SHARE, 1, "GROUP_LATE", 0, 1),
    ("siblings_overdue_days", Unit.DAYS, 1, "GROUP_OVERDUE"),
    ("siblings_overdue_share", Unit.SHARE, 1, "GROUP_OVERDUE", 0, 1),
    ("siblings_late_rate", Unit.SHARE, 1, "GROUP_LATE", 0, 1),
    ("siblings", Unit.COUNT, 0, None),
)

CATALOGUE: Final[tuple[Feature, ...]] = (
    *_BEHAVIOUR,
    *_OPEN_ITEMS,
    *_LIMIT,
    *_ORDER,
    *_TENURE,
    *_SEASON,
    *_FINANCIALS,
    *_SIGNALS,
    *_RELATED,
)
"""All features, in the order of their columns."""

NAMES: Final[tuple[str, ...]] = tuple(one.name for one in CATALOGUE)
"""The columns of the feature table, in order."""

RELATED_NAMES: Final = frozenset(one.name for one in _RELATED)
"""Features of how others pay: the parent and its other children."""

FEATURE: Final[Mapping[str, Feature]] = {one.name: one for one in CATALOGUE}
"""A feature by its name."""

SMOOTHING: Final = 5.0
"""Invoices that the rate of all customers weighs in a smoothed rate of one customer."""

LATE_30: Final = 30
"""More days late than this are late by the stricter of the two rates."""

RECENT_DAYS: Final = 90
"""What fell due in so many days before the date (the date included) is recent; a year's quarter."""

RECENT_RATE_DAYS: Final = 180
"""The span of the recent share on time: rates need more invoices than means do."""
