"""Metrics of limits: what was adjusted, what ends soon, what is to be reviewed."""

from typing import Final

from prometheus_client import Counter, Gauge

from app.telemetry.bounded import Bounded

LIMITS_ADJUSTED: Final = Bounded(
    Counter(
        "aval_limits_adjusted",
        "Limits that follow what the policy recommends: DECREASE, INCREASE; APPROVED, PROPOSED.",
        ["type", "result"],
    ),
    most=10,
)
LIMITS_ENDING: Final = Bounded(
    Gauge(
        "aval_limits_ending",
        "Limits and covers that end within their segment's `warn_days`, without a successor.",
        ["type"],
        multiprocess_mode="livemostrecent",
    ),
    most=5,
)
LIMIT_REVIEWS_DUE: Final = Gauge(
    "aval_limit_reviews_due",
    "Accounts whose limit is due for a review.",
    multiprocess_mode="livemostrecent",
)

LIMIT_METRICS: Final = (LIMITS_ADJUSTED, LIMITS_ENDING, LIMIT_REVIEWS_DUE)
"""In the order of the page."""
