"""Metrics of models and of the scoring process."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from app.telemetry.bounded import Bounded

SCORING_SECONDS: Final = Histogram(
    "aval_scoring_seconds",
    "One round trip to the scoring process, by however many rows.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
SCORING_ROWS: Final = Bounded(
    Counter(
        "aval_scoring_rows",
        "Rows asked of a model: `done`, or refused as `busy`; none is guessed.",
        ["result"],
    ),
    most=2,
)
SCORING_QUEUE: Final = Gauge(
    "aval_scoring_queue",
    "Rows waiting at the scoring process.",
    multiprocess_mode="livesum",
)
SCORING_STARTS: Final = Bounded(
    Counter(
        "aval_scoring_starts",
        "Scoring processes that were started: `ready`, or `failed`.",
        ["result"],
    ),
    most=2,
)
MODELS_LOADED: Final = Bounded(
    Gauge(
        "aval_models_loaded",
        "Versions that this process predicts with, by where they stand.",
        ["state"],
        multiprocess_mode="livemax",
    ),
    most=2,
)
MODELS_REFUSED: Final = Bounded(
    Counter(
        "aval_models_refused",
        "Packages that failed a check, by the check; what served before goes on serving.",
        ["reason"],
    ),
    most=12,
)
MODELS_FAULTY: Final = Gauge(
    "aval_models_faulty",
    "Versions that should serve and cannot be loaded; anything above 0 needs somebody.",
    multiprocess_mode="livemax",
)
SCORING_METRICS: Final = (
    SCORING_SECONDS,
    SCORING_ROWS,
    SCORING_QUEUE,
    SCORING_STARTS,
    MODELS_LOADED,
    MODELS_REFUSED,
    MODELS_FAULTY,
)
"""All of these, in the order of the page."""
