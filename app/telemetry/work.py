"""Metrics of background work: passes, what they did, what they left."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from app.telemetry.bounded import Bounded

WORK_RUNS: Final = Bounded(
    Counter(
        "aval_work_runs",
        "Passes of background work: `done`, `busy` (something out of reach) or `failed`.",
        ["loop", "result"],
    ),
    most=60,
)
WORK_SECONDS: Final = Bounded(
    Histogram(
        "aval_work_seconds",
        "One pass of background work.",
        ["loop"],
        buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
    ),
    most=20,
)
WORK_ITEMS: Final = Bounded(
    Counter("aval_work_items", "What background work has done, by loop.", ["loop"]), most=20
)
WORK_LEFT: Final = Bounded(
    Gauge(
        "aval_work_left",
        "What the last pass could not do for want of an exchange rate or a lock.",
        ["loop"],
        multiprocess_mode="livemostrecent",
    ),
    most=20,
)
EXPIRY_OVERDUE_SECONDS: Final = Gauge(
    "aval_expiry_overdue_seconds",
    "For how long the oldest authorization not yet expired has been due; 0: none is.",
    multiprocess_mode="livemostrecent",
)

WORK_METRICS: Final = (WORK_RUNS, WORK_SECONDS, WORK_ITEMS, WORK_LEFT, EXPIRY_OVERDUE_SECONDS)
"""In the order of the page."""
