"""Metrics of order holds: opened, closed, judged again, escalated."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from app.telemetry.bounded import Bounded

ORDER_HOLDS_OPENED: Final = Bounded(
    Counter("aval_order_holds_opened", "Order holds opened.", ["reason"]), most=200
)
ORDER_HOLDS_CLOSED: Final = Bounded(
    Counter("aval_order_holds_closed", "Order holds closed.", ["reason"]), most=200
)
ORDER_HOLDS_OPEN: Final = Bounded(
    Gauge(
        "aval_order_holds_open",
        "Open order holds by kind.",
        ["type"],
        multiprocess_mode="livemostrecent",
    ),
    most=3,
)
HOLDS_JUDGED: Final = Bounded(
    Counter(
        "aval_order_holds_judged",
        "Open holds judged again: RELEASED, HELD, KEPT, REJECTED, REFUSED, BUSY or FAILED.",
        ["result"],
    ),
    most=7,
)
HOLD_RELEASE_SECONDS: Final = Histogram(
    "aval_order_hold_release_seconds",
    "From the last change of an account to the automatic release of a hold on it.",
    buckets=(0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300),
)
ORDER_HOLDS_ESCALATED: Final = Counter(
    "aval_order_holds_escalated", "Escalations of holds that waited longer than allowed."
)

HOLD_METRICS: Final = (
    ORDER_HOLDS_OPENED,
    ORDER_HOLDS_CLOSED,
    ORDER_HOLDS_OPEN,
    HOLDS_JUDGED,
    HOLD_RELEASE_SECONDS,
    ORDER_HOLDS_ESCALATED,
)
"""In the order of the page."""
