"""Metrics of snapshots: how far the ERP's figures are from ours, and how old they are."""

from typing import Any, Final

from prometheus_client import Gauge

from app.telemetry.bounded import Bounded

_NEWEST: Final[dict[str, Any]] = {"multiprocess_mode": "livemostrecent"}

SNAPSHOT_DRIFT_ACCOUNTS: Final = Bounded(
    Gauge(
        "aval_snapshot_drift_accounts",
        "Accounts whose figure differs from the ERP's newest one and was not adjusted; without"
        " those of `aval_snapshot_moved_accounts`.",
        ["category"],
        **_NEWEST,
    ),
    most=5,
)
SNAPSHOT_DRIFT_AMOUNT: Final = Bounded(
    Gauge(
        "aval_snapshot_drift_amount",
        "How far these differ: the sum without signs, in major units.",
        ["currency"],
        **_NEWEST,
    ),
    most=200,
)
SNAPSHOT_MOVED_ACCOUNTS: Final = Bounded(
    Gauge(
        "aval_snapshot_moved_accounts",
        "Accounts whose figure differs, and that documents moved between the snapshot's moment and"
        " its comparison: it may be those alone.",
        ["category"],
        **_NEWEST,
    ),
    most=5,
)
SNAPSHOT_TIMESTAMP: Final = Gauge(
    "aval_snapshot_timestamp_seconds",
    "When the ERP's last snapshot was compared; its age is `time()` less this.",
    **_NEWEST,
)

SNAPSHOT_METRICS: Final = (
    SNAPSHOT_DRIFT_ACCOUNTS,
    SNAPSHOT_DRIFT_AMOUNT,
    SNAPSHOT_MOVED_ACCOUNTS,
    SNAPSHOT_TIMESTAMP,
)
"""In the order of the page."""
