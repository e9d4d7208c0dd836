"""Every Prometheus metric; the set-up of the log is in `log` beside it.

Label values come from closed or capped sets; no label names a customer, an account or an order,
and what passes a cap is counted as `other`. `labels()` is resolved once per set of values.
Durations are seconds.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from app.telemetry.bounded import OTHER as OTHER
from app.telemetry.bounded import Bounded as Bounded
from app.telemetry.bounded import Repeated
from app.telemetry.holds import HOLD_METRICS as HOLD_METRICS
from app.telemetry.holds import HOLD_RELEASE_SECONDS as HOLD_RELEASE_SECONDS
from app.telemetry.holds import HOLDS_JUDGED as HOLDS_JUDGED
from app.telemetry.holds import ORDER_HOLDS_CLOSED as ORDER_HOLDS_CLOSED
from app.telemetry.holds import ORDER_HOLDS_ESCALATED as ORDER_HOLDS_ESCALATED
from app.telemetry.holds import ORDER_HOLDS_OPEN as ORDER_HOLDS_OPEN
from app.telemetry.holds import ORDER_HOLDS_OPENED as ORDER_HOLDS_OPENED
from app.telemetry.limits import LIMIT_METRICS
from app.telemetry.lines import BoundOnce as BoundOnce
from app.telemetry.log import REQUEST_ID as REQUEST_ID
from app.telemetry.log import reason_of as reason_of
from app.telemetry.log import set_up_log as set_up_log
from app.telemetry.rules import RULE_METRICS
from app.telemetry.scores import SCORE_METRICS
from app.telemetry.scoring import SCORING_METRICS
from app.telemetry.snapshots import SNAPSHOT_METRICS
from app.telemetry.work import EXPIRY_OVERDUE_SECONDS as EXPIRY_OVERDUE_SECONDS
from app.telemetry.work import WORK_ITEMS as WORK_ITEMS
from app.telemetry.work import WORK_LEFT as WORK_LEFT
from app.telemetry.work import WORK_METRICS as WORK_METRICS
from app.telemetry.work import WORK_RUNS as WORK_RUNS
from app.telemetry.work import WORK_SECONDS as WORK_SECONDS

LABEL_NAMES: Final = frozenset(
    {
        "category",
        "check_point",
        "code",
        "currency",
        "feature",
        "loop",
        "method",
        "outcome",
        "reason",
        "result",
        "route",
        "state",
        "status",
        "type",
        "version",
    }
)
"""The only label names there are; none of them can identify a business partner or a document."""

_REQUEST_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_DECISION_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

REQUESTS: Final = Bounded(
    Counter("aval_requests", "Answers by route template.", ["route", "method", "status"]), most=1500
)
REQUEST_SECONDS: Final = Bounded(
    Histogram(
        "aval_request_seconds",
        "From first byte to answer.",
        ["route", "method"],
        buckets=_REQUEST_S,
    ),
    most=300,
)
DECISIONS: Final = Bounded(
    Counter("aval_decisions", "Decisions given.", ["check_point", "outcome"]), most=30
)
DECISION_REASONS: Final = Bounded(
    Counter("aval_decision_reasons", "Reasons given in decisions.", ["code"]), most=200
)
DECISION_SECONDS: Final = Bounded(
    Repeated(
        "aval_decision_seconds", "From question to answer.", ["check_point"], buckets=_DECISION_S
    ),
    most=10,
)
BATCH_SIZE: Final = Histogram(
    "aval_batch_size",
    "Requests decided in one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
LEDGER_EVENTS: Final = Bounded(
    Counter("aval_ledger_events", "Facts taken in.", ["type", "result"]), most=50
)
SCORE_AGE_SECONDS: Final = Repeated(
    "aval_score_age_seconds",
    "Age of the score a decision used, when it used one.",
    buckets=(3600, 21_600, 86_400, 172_800, 604_800, 2_592_000, 7_776_000),
)
POOL_CONNECTIONS: Final = Bounded(
    Gauge(
        "aval_pool_connections",
        "Database connections: `used` of `size`.",
        ["state"],
        multiprocess_mode="livesum",
    ),
    most=2,
)
LANE_QUEUE: Final = Gauge(
    "aval_lane_queue", "Requests waiting at the lanes.", multiprocess_mode="livesum"
)
CLOCK_AHEAD: Final = Gauge(
    "aval_database_clock_ahead_seconds",
    "How far the database's clock is ahead of the service's own (negative: behind).",
    multiprocess_mode="livemostrecent",
)
LANE_GUESSES: Final = Bounded(
    Counter(
        "aval_lane_guesses",
        "Accounts of payers in lanes: `right` (guessed, and it was the one), `sought` (looked up),"
        " `wrong`; and orders of a payer who did not ask, `stray`. After these two a batch is read"
        " again.",
        ["result"],
    ),
    most=5,
)
LANE_KEYS: Final = Bounded(
    Counter(
        "aval_lane_keys",
        "Batches whose keys were `trusted` to be new, or `looked` up; `taken`: one was not new,"
        " and its batch was read again.",
        ["result"],
    ),
    most=4,
)
READ_BATCH_SIZE: Final = Histogram(
    "aval_read_batch_size",
    "Accounts, scores and cards read in one round trip.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
READ_QUEUE: Final = Gauge(
    "aval_read_queue", "Requests waiting at the read lane.", multiprocess_mode="livesum"
)
QUARANTINE_SIZE: Final = Gauge(
    "aval_quarantine_size", "Facts waiting in quarantine.", multiprocess_mode="mostrecent"
)
BUILD: Final = Bounded(
    Gauge("aval_build_info", "Version that runs; 1.", ["version"], multiprocess_mode="livemax"),
    most=1,
)
PROCESSES: Final = Bounded(
    Gauge(
        "aval_processes",
        "Processes of this service that answer (`api`) or do what is periodic (`work`).",
        ["type"],
        multiprocess_mode="livesum",
    ),
    most=2,
)
PROCESS_RESTARTS: Final = Bounded(
    Counter("aval_process_restarts", "Child processes that ended by themselves.", ["type"]), most=2
)

_PAGE_HEAD: Final = """\
# Metrics

Where a service is several processes (`aval serve --workers`, `aval work`), their figures are added
up; `process_…` and `python_…` are those of the process that answers.

At `/metrics` on the operations port (`AVAL_OPS_PORT`); counters are exposed with `_total`. Labels
are bounded and never name a customer, an account or an order; what passes a metric's bound is
counted as `other`. Written by `app/telemetry/`, held equal by `tests/test_telemetry.py`.

| metric | type | labels | meaning |
|---|---|---|---|
"""

METRICS: Final[tuple[MetricWrapperBase, ...]] = tuple(
    family.metric if isinstance(family, Bounded) else family
    for family in (
        REQUESTS,
        REQUEST_SECONDS,
        DECISIONS,
        DECISION_REASONS,
        DECISION_SECONDS,
        BATCH_SIZE,
        LEDGER_EVENTS,
        SCORE_AGE_SECONDS,
        *SCORE_METRICS,
        *RULE_METRICS,
        POOL_CONNECTIONS,
        LANE_QUEUE,
        LANE_GUESSES,
        LANE_KEYS,
        READ_BATCH_SIZE,
        READ_QUEUE,
        QUARANTINE_SIZE,
        *HOLD_METRICS,
        *WORK_METRICS,
        *LIMIT_METRICS,
        *SNAPSHOT_METRICS,
        CLOCK_AHEAD,
        BUILD,
        PROCESSES,
        PROCESS_RESTARTS,
        *SCORING_METRICS,
    )
)
"""Every metric of Aval, once; `docs/metrics.md` lists them in this order."""


def count_request(route: str, method: str, status: str, seconds: float) -> None:
    """Count one answer; `route` is the template (`/v1/customers/{customer_id}`), never the path."""
    REQUESTS.labels(route, method, status).inc()
    REQUEST_SECONDS.labels(route, method).observe(seconds)


def count_decisions(
    outcomes: Mapping[tuple[str, str], int], reasons: Iterable[str], seconds: float
) -> None:
    """Count decisions that were given at once, by check point and outcome.

    `reasons` are the codes of all of them, `seconds` the time since their questions came in.
    """
    for (check_point, outcome), count in outcomes.items():
        DECISIONS.labels(check_point, outcome).inc(count)
        DECISION_SECONDS.labels(check_point).repeat(seconds, count)
    for code in reasons:
        DECISION_REASONS.labels(code).inc()


def count_ledger_event(kind: str, result: str, events: int = 1) -> None:
    """Count facts: `kind` is the event's `type`, `result` as answered (`applied`, `stale`, …)."""
    LEDGER_EVENTS.labels(kind, result).inc(events)


def set_pool(used: int, size: int) -> None:
    """Say how many database connections there are in this process, and how many are in use."""
    POOL_CONNECTIONS.labels("used").set(used)
    POOL_CONNECTIONS.labels("size").set(size)


def set_build(version: str) -> None:
    """Publish the program's version, once at start."""
    BUILD.labels(version).set(1)


def metrics_page() -> str:
    """Write `docs/metrics.md`: every metric with its type, labels and meaning."""
    rows = [
        f"| `{next(iter(metric.describe())).name}` | {next(iter(metric.describe())).type} |"
        f" {', '.join(f'`{label}`' for label in label_names(metric)) or '–'} |"
        f" {next(iter(metric.describe())).documentation} |"
        for metric in METRICS
    ]
    return _PAGE_HEAD + "\n".join(rows) + "\n"


def label_names(metric: MetricWrapperBase) -> tuple[str, ...]:
    """Return the names of a metric's labels, in the order `labels` takes their values."""
    return tuple(metric._labelnames)  # noqa: SLF001 - prometheus_client offers no other way


def gauge_rules() -> dict[str, str]:
    """Say by name how a gauge's values of several processes meet: `sum`, `max`, `min`, …."""
    return {
        family.name: metric._multiprocess_mode.removeprefix("live")  # noqa: SLF001 - as above
        for metric in METRICS
        if isinstance(metric, Gauge)
        for family in metric.describe()
    }
