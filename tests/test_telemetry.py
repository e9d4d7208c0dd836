"""Telemetry: labels stay bounded, the log is one JSON object a line, the page is current."""

import asyncio
import io
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import telemetry
from app.store.database import Database
from app.telemetry import LABEL_NAMES, METRICS, OTHER, Bounded, label_names
from app.telemetry.bounded import Repeated
from app.telemetry.lines import LineLogger, Lines

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Send the log, JSON at INFO, to a stream until the test ends."""
    lines = io.StringIO()
    before = logging.getLogger().handlers, logging.getLogger().level
    telemetry.set_up_log("info", "json", lines)
    yield lines
    logging.getLogger().handlers, level = before
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


def test_no_label_names_a_partner_or_document() -> None:
    """A customer, account or order as a label would leak and grow without bound."""
    for metric in METRICS:
        assert set(label_names(metric)) <= LABEL_NAMES
    forbidden = re.compile("customer|account|order|amount|tenant|id$|name|path|client")
    assert not [label for label in LABEL_NAMES if forbidden.search(label)]


def test_every_labelled_metric_is_bounded() -> None:
    """Labels can only be set through `Bounded`, whose cap holds."""
    modules = [module for name, module in sys.modules.items() if name.startswith("app.telemetry")]
    public = [value for one in modules for name, value in vars(one).items() if name.isupper()]
    bounded = [value.metric for value in public if isinstance(value, Bounded)]
    assert {metric for metric in METRICS if label_names(metric)} == set(bounded)


@pytest.mark.parametrize(("different", "others"), [(3, 0), (4, 1), (50, 47)])
def test_cap_counts_the_rest_as_other(different: int, others: int) -> None:
    """`most-reached`, `one-above`, `far-above`: no more children than the cap and `other`."""
    registry = CollectorRegistry()
    family = Bounded(Counter("probe", "-", ["code"], registry=registry), most=3)
    for number in range(different):
        family.labels(f"CODE_{number}").inc()
    assert (registry.get_sample_value("probe_total", {"code": OTHER}) or 0) == others
    assert generate_latest(registry).count(b"probe_total{") == min(different, 3) + bool(others)


def test_children_are_kept() -> None:
    """`labels()` costs a look-up, not a resolution."""
    family = Bounded(Counter("probe", "-", ["code"], registry=CollectorRegistry()), most=3)
    assert family.labels("A") is family.labels("A")


def test_counting_functions_reach_their_metrics() -> None:
    """Each function moves the figures it names."""

    def read(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0

    before = read("aval_decisions_total", check_point="ORDER", outcome="HOLD")
    telemetry.count_decisions({("ORDER", "HOLD"): 1}, ["OVER_LIMIT", "OVERDUE"], 0.002)
    telemetry.count_request("/v1/customers/{customer_id}", "GET", "200", 0.001)
    telemetry.count_ledger_event("invoice", "applied", 3)
    telemetry.set_pool(used=2, size=8)
    telemetry.set_build("0.1.0")
    assert read("aval_decisions_total", check_point="ORDER", outcome="HOLD") == before + 1
    assert read("aval_decision_reasons_total", code="OVERDUE") >= 1
    assert read("aval_decision_seconds_count", check_point="ORDER") >= 1
    assert read("aval_ledger_events_total", type="invoice", result="applied") >= 3
    assert read("aval_pool_connections", state="used") == 2
    assert read("aval_build_info", version="0.1.0") == 1


@given(st.floats(0, 2e7), st.integers(1, 9))
def test_an_amount_repeated_is_one_observed_as_often(amount: float, times: int) -> None:
    """Buckets, sum and count are the library's own."""
    pages = []
    for repeated in (True, False):
        registry, buckets = CollectorRegistry(), (0.5, 2.5, 3600.0, 1e6)
        histogram = Repeated("h", "-", buckets=buckets, registry=registry)
        if repeated:
            histogram.repeat(amount, times)
        for _ in range(0 if repeated else times):
            histogram.observe(amount)
        pages.append(
            [registry.get_sample_value("h_bucket", {"le": str(le)}) for le in (*buckets, "+Inf")]
        )
        assert registry.get_sample_value("h_sum") == pytest.approx(amount * times)
    assert pages[0] == pages[1]
    assert pages[0][-1] == times


@pytest.mark.parametrize("amount", [0.5, 2.5, 3600])
def test_a_bucket_takes_its_own_bound(amount: float) -> None:
    """An amount on a bound counts under it, as the library has it."""
    registry = CollectorRegistry()
    Repeated("h", "-", buckets=(0.5, 2.5, 3600), registry=registry).repeat(amount, 1)
    assert registry.get_sample_value("h_bucket", {"le": str(float(amount))}) == 1


def test_log_line_is_json_with_context(stream: io.StringIO) -> None:
    """Time in UTC, level, bound request id; a newline in a value cannot forge a line."""
    token = telemetry.REQUEST_ID.set("r-1")
    structlog.get_logger().bind(lane=2).info("answered", route="/v1/x\n{}", zh="额度")
    telemetry.REQUEST_ID.reset(token)
    (line,) = stream.getvalue().splitlines()
    told = json.loads(line)
    assert told["timestamp"].endswith("Z")
    assert (told["request_id"], told["lane"]) == ("r-1", 2)
    assert told["level"] == "info"
    assert "额度" in line


class Pipe(io.StringIO):
    """A stream that counts what reaches it."""

    writes = 0

    def write(self, text: str) -> int:
        """Count a write."""
        self.writes += 1
        return super().write(text)


def test_lines_of_one_turn_leave_together_and_a_warning_takes_them_along() -> None:
    pipe = Pipe()
    lines = Lines(pipe)
    logger = LineLogger(lines)

    async def speak() -> None:
        logger.info("a")
        logger.info("b")
        assert pipe.writes == 0
        await asyncio.sleep(0)
        assert (pipe.writes, pipe.getvalue()) == (1, "a\nb\n")
        logger.info("c")
        logger.warning("d")
        assert (pipe.writes, pipe.getvalue()) == (2, "a\nb\nc\nd\n")
        await asyncio.to_thread(logger.info, "e")  # where no loop runs
        assert pipe.getvalue().endswith("d\ne\n")
        logger.info("f")

    asyncio.run(speak())
    asyncio.run(asyncio.sleep(0))
    lines.leave()  # as when the interpreter ends
    assert pipe.getvalue() == "a\nb\nc\nd\ne\nf\n"


def test_a_loop_that_ended_keeps_no_line_of_the_next() -> None:
    pipe = Pipe()
    logger = LineLogger(Lines(pipe))
    ended = asyncio.new_event_loop()
    ended.call_soon(logger.info, "a")
    ended.call_soon(ended.stop)
    ended.run_forever()
    ended.close()  # the turn in which `a` would have left never came

    async def speak() -> None:
        logger.info("b")
        await asyncio.sleep(0)

    asyncio.run(speak())
    assert pipe.getvalue() == "a\nb\n"


def test_a_logger_that_is_bound_once_notices_a_new_set_up(stream: io.StringIO) -> None:
    log = telemetry.BoundOnce("probe")
    log.info("first")
    later = io.StringIO()
    telemetry.set_up_log("info", "json", later)
    log.info("second")
    with structlog.testing.capture_logs() as captured:
        log.info("third")
    assert [json.loads(one)["event"] for one in stream.getvalue().splitlines()] == ["first"]
    assert [json.loads(one)["event"] for one in later.getvalue().splitlines()] == ["second"]
    assert [one["event"] for one in captured] == ["third"]


def test_a_logger_that_is_bound_once_keeps_to_the_level_and_says_what_others_say(
    stream: io.StringIO,
) -> None:
    log = telemetry.BoundOnce("probe")
    telemetry.set_up_log("warning", "json", stream)
    log.info("below")
    telemetry.set_up_log("info", "json", stream)
    token = telemetry.REQUEST_ID.set("r-1")
    log.info("heard", status=200)
    structlog.get_logger("probe").info("heard", status=200)
    telemetry.REQUEST_ID.reset(token)
    one, other = (json.loads(line) for line in stream.getvalue().splitlines())
    assert one.pop("timestamp") <= other.pop("timestamp")
    assert one == other == {"event": "heard", "level": "info", "request_id": "r-1", "status": 200}


def test_half_a_surrogate_pair_does_not_stop_the_log(stream: io.StringIO) -> None:
    structlog.get_logger().info("odd", value="a\ud800")
    assert json.loads(stream.getvalue())["value"] == "a\ud800"


def test_debug_is_left_out_and_tracebacks_stay_on_the_line(stream: io.StringIO) -> None:
    """Below the level nothing is written; an exception is a field of its line."""
    log = structlog.get_logger()
    log.debug("hidden")
    try:
        os.environ["AVAL_MISSING"]
    except KeyError:
        log.exception("bug")
    (line,) = stream.getvalue().splitlines()
    assert "KeyError" in json.loads(line)["exception"]


@pytest.mark.usefixtures("stream")
@pytest.mark.parametrize("shape", ["json", "console"])
def test_tracebacks_show_no_local_values(shape: Literal["json", "console"]) -> None:
    """What a function held (an amount, a password) stays out of the log."""
    lines = io.StringIO()
    telemetry.set_up_log("info", shape, lines)

    def pay(amount: str) -> None:
        raise RuntimeError(type(amount))

    value = "c4" + "nary"  # the traceback shows this line, so the line must not hold the word
    try:
        pay(value)
    except RuntimeError as bug:
        structlog.get_logger().error("bug", exc_info=bug)
    assert "RuntimeError" in lines.getvalue()
    assert value not in lines.getvalue()


@pytest.mark.usefixtures("stream")
@pytest.mark.parametrize("shape", ["json", "console"])
def test_tracebacks_show_no_rows(shape: Literal["json", "console"], database: Database) -> None:
    """What PostgreSQL tells of the row that broke a rule stays out of the log."""
    lines = io.StringIO()
    telemetry.set_up_log("info", shape, lines)
    row = text("INSERT INTO customer (customer_id, name, kind) VALUES (:id, :name, 'x')")
    name = "c4" + "nary"  # the traceback shows the line that fails
    values = {"id": name, "name": f"Some\n{name}"}
    with pytest.raises(DBAPIError, match=name) as bug, database.begin() as tx:
        tx.execute(row, values)
    reason = telemetry.reason_of(bug.value)
    structlog.get_logger().error("bug", exc_info=bug.value, reason=reason)
    assert "customer_kind_check" in lines.getvalue()
    assert name not in lines.getvalue()


def test_other_libraries_speak_the_same_form(stream: io.StringIO) -> None:
    """A warning of uvicorn is a JSON line; its access log is silent."""
    logging.getLogger("uvicorn.error").warning("went %s", "wrong")
    logging.getLogger("uvicorn.access").warning("GET /")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "went wrong"


def test_every_metric_is_listed() -> None:
    listed = {next(iter(metric.describe())).name for metric in METRICS}
    exposed = {family.name for family in REGISTRY.collect()}
    assert {name for name in exposed if name.startswith("aval_")} == listed


def test_page_is_current() -> None:
    """`docs/metrics.md` is what the code says (`metrics_page()` writes it)."""
    assert PAGE.read_text(encoding="utf-8") == telemetry.metrics_page()
