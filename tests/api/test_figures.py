"""Figures of several processes are one set: counted apart, shown as if one had counted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from app.api.figures import AddedUp
from app.telemetry import METRICS, gauge_rules

CHILD = """
from app import telemetry
telemetry.count_decisions({("ORDER", "HOLD"): 1}, ["OVER_LIMIT"], 0.002)
telemetry.count_decisions({("ORDER", "HOLD"): 1}, [], 9.0)
telemetry.set_build("0.1.0")
telemetry.set_pool(used=3, size=8)
telemetry.LANE_QUEUE.inc(5)
telemetry.QUARANTINE_SIZE.set(7)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Let two processes count the same."""
    for _ in range(2):
        subprocess.run(
            [sys.executable, "-c", CHILD],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            check=True,
            timeout=60,
        )
    return tmp_path


@pytest.fixture
def own() -> CollectorRegistry:
    """Count in this process, under the names of ours."""
    registry = CollectorRegistry()
    decisions = Counter("aval_decisions", "-", ["check_point", "outcome"], registry=registry)
    decisions.labels("ORDER", "HOLD").inc(10)
    decisions.labels("QUOTE", "APPROVE").inc()
    seconds = Histogram(
        "aval_decision_seconds", "-", ["check_point"], buckets=(0.0025, 2.5), registry=registry
    )
    seconds.labels("ORDER").observe(0.001)
    Gauge("aval_build_info", "-", ["version"], registry=registry).labels("0.1.0").set(1)
    Gauge("aval_lane_queue", "-", registry=registry).set(100)
    Gauge("aval_quarantine_size", "-", registry=registry).set(2)
    Gauge("process_something", "-", registry=registry).set(4)
    return registry


def test_figures_of_three_processes(folder: Path, own: CollectorRegistry) -> None:
    shown = CollectorRegistry()
    shown.register(AddedUp(own, str(folder)))

    def read(name: str, **labels: str) -> float | None:
        return shown.get_sample_value(name, labels)

    assert read("aval_decisions_total", check_point="ORDER", outcome="HOLD") == 10 + 2 * 2
    assert read("aval_decisions_total", check_point="QUOTE", outcome="APPROVE") == 1
    assert read("aval_decision_reasons_total", code="OVER_LIMIT") == 2
    assert read("aval_decision_seconds_count", check_point="ORDER") == 1 + 2 * 2
    assert read("aval_decision_seconds_bucket", check_point="ORDER", le="0.0025") == 1 + 2
    assert read("aval_decision_seconds_bucket", check_point="ORDER", le="+Inf") == 1 + 2 * 2
    assert read("aval_lane_queue") == 100 + 2 * 5
    assert read("aval_pool_connections", state="used") == 2 * 3
    assert read("aval_build_info", version="0.1.0") == 1
    assert read("aval_quarantine_size") == 7
    assert read("process_something") == 4
    page = generate_latest(shown).decode()
    assert page.count("# TYPE aval_decisions_total counter") == 1
    assert "pid=" not in page


def test_every_gauge_says_how_its_values_meet() -> None:
    """`all`, the library's default, would show a line a process."""
    gauges = [metric for metric in METRICS if isinstance(metric, Gauge)]
    assert len(gauge_rules()) == len(gauges)
    assert set(gauge_rules().values()) <= {"sum", "max", "min", "mostrecent"}
