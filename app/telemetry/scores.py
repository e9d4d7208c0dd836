"""Metrics of scores: how many are computed, and how long one waits after something happened."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from app.telemetry.bounded import Bounded

SCORES: Final = Bounded(
    Counter(
        "aval_scores", "Scores computed, by source: `model`, `scorecard`, `override`.", ["type"]
    ),
    most=3,
)
SCORE_WAIT_SECONDS: Final = Histogram(
    "aval_score_wait_seconds",
    "From what made a score due until it was computed anew.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
SCORE_BATCH_SIZE: Final = Histogram(
    "aval_score_batch_size",
    "Customers that were asked to be scored at the same time and were scored together.",
    buckets=(1, 2, 4, 8, 16, 32, 50),
)
SCORES_DUE: Final = Gauge(
    "aval_scores_due",
    "Entries on the list of due scores, the night's left out; counted up to 100,000.",
    multiprocess_mode="livemostrecent",
)
SCORE_DUE_SECONDS: Final = Gauge(
    "aval_score_due_seconds",
    "For how long the oldest of them has been due; 0: none is.",
    multiprocess_mode="livemostrecent",
)
SCORE_NIGHT_TIMESTAMP: Final = Gauge(
    "aval_score_night_timestamp_seconds",
    "When a night last had put every customer on the list.",
    multiprocess_mode="livemostrecent",
)
SCORE_TROUBLE: Final = Counter(
    "aval_score_trouble",
    "Times a model that stands could not score; scores were kept, or the scorecard's.",
)
ORDER_PDS: Final = Bounded(
    Counter(
        "aval_order_pds",
        "Probabilities of orders that a policy asked for: `done`, or `missing` (in time).",
        ["result"],
    ),
    most=2,
)
MODEL_PSI: Final = Bounded(
    Gauge(
        "aval_model_psi",
        "Population stability index of the champion's `score` and features, of the last month.",
        ["feature"],
        multiprocess_mode="livemostrecent",
    ),
    most=150,
)
MODEL_CALIBRATION: Final = Gauge(
    "aval_model_calibration",
    "Defaults per default told by the champion, over months whose horizon is over; 0: none is.",
    multiprocess_mode="livemostrecent",
)

SCORE_METRICS: Final = (
    SCORES,
    SCORE_WAIT_SECONDS,
    SCORE_BATCH_SIZE,
    SCORES_DUE,
    SCORE_DUE_SECONDS,
    SCORE_NIGHT_TIMESTAMP,
    SCORE_TROUBLE,
    ORDER_PDS,
    MODEL_PSI,
    MODEL_CALIBRATION,
)
"""All of them, in the order of the page."""
