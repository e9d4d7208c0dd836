"""What registries know is counted by kind, role and age; what nobody asked is a missing input."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from app.domain.decisions import Inputs
from app.domain.judging import judge
from app.domain.rules import read_rule_set
from app.domain.rules_names import NAMES
from app.domain.signals import COUNTS, RECENT_DAYS, Signal, SignalKind, SignalRole, count_signals
from tests.domain.situations import TODAY, Desk, account, question

DAY = timedelta(days=1)
SUED = Signal(SignalKind.LITIGATION, SignalRole.DEFENDANT, TODAY - 10 * DAY)


def counted(*events: Signal, on: date = TODAY) -> dict[str, int]:
    """Give the counts that are not 0."""
    found = count_signals(events, on)
    assert (found["checked_on"], [*found["counts"]]) == (on.isoformat(), [*COUNTS])
    return {name: count for name, count in found["counts"].items() if count}


@pytest.mark.parametrize(
    ("event", "counts"),
    [
        (SUED, {"adverse", "adverse_90d", "adverse_365d", "as_defendant", "litigation"}),
        (
            replace(SUED, role=SignalRole.SUBJECT),
            {"adverse", "adverse_90d", "adverse_365d", "litigation"},
        ),
        (replace(SUED, role=SignalRole.PLAINTIFF), {"as_plaintiff"}),
        (replace(SUED, ended_on=TODAY), {"adverse_90d", "adverse_365d"}),
        (
            replace(SUED, ended_on=TODAY + DAY),
            {"adverse", "adverse_90d", "adverse_365d", "as_defendant", "litigation"},
        ),
        (replace(SUED, known_on=TODAY + DAY), set()),
        (
            replace(SUED, known_on=TODAY - 90 * DAY),
            {"adverse", "adverse_365d", "as_defendant", "litigation"},
        ),
        (replace(SUED, known_on=TODAY - 365 * DAY), {"adverse", "as_defendant", "litigation"}),
    ],
    ids=[
        "sued",
        "subject",
        "suing",
        "over-today",
        "over-tomorrow",
        "not-yet-known",
        "day-90",
        "day-365",
    ],
)
def test_an_event_counts_where_it_should(event: Signal, counts: set[str]) -> None:
    assert counted(event) == dict.fromkeys(counts, 1)


def test_each_kind_is_counted_by_itself() -> None:
    events = [replace(SUED, kind=kind) for kind in SignalKind]
    found = counted(*events, *events)
    assert {kind.value.lower(): 2 for kind in SignalKind}.items() <= found.items()
    assert (found["adverse"], RECENT_DAYS) == (20, (90, 365))
    assert counted() == {}


RULES: dict[str, Any] = {
    "format": 2,
    "name": "signals",
    "texts": {"ON_LIST": {"zh": "失信", "en": "listed"}, "OLD": {"zh": "过期", "en": "old"}},
    "rows": [
        {
            "id": "listed",
            "zh": "失信",
            "en": "listed",
            "outcome": "REJECT",
            "reason": "ON_LIST",
            "when": "signals_dishonest_debtor > 0 || signals_as_defendant > 3",
        },
        {
            "id": "old",
            "zh": "过期",
            "en": "old",
            "outcome": "WARN",
            "reason": "OLD",
            "when": "signals_age_days > 30",
            "on_missing": "WARN",
        },
    ],
}


def told(signals: dict[str, Any] | None) -> tuple[str, list[str], list[str]]:
    more = {} if signals is None else {"signals": signals}
    desk = Desk.of(account(1, 400_00), inputs=Inputs(1, active=True, score=None, more=more))
    asked = question(10_00)
    found = judge(asked, desk.situation(asked), read_rule_set(2, RULES), "new")
    reasons, warnings = ([one.reason for one in part] for part in (found.reasons, found.warnings))
    return found.judged, reasons, warnings


def test_a_rule_reads_what_registries_told_and_misses_what_they_did_not() -> None:
    listed = replace(SUED, kind=SignalKind.DISHONEST_DEBTOR)
    assert told(count_signals([SUED], TODAY)) == ("APPROVE", [], [])
    assert told(count_signals([listed], TODAY)) == ("REJECT", ["ON_LIST"], [])
    assert told(count_signals([], TODAY - 30 * DAY)) == ("APPROVE", [], [])
    assert told(count_signals([], TODAY - 31 * DAY)) == ("APPROVE", [], ["OLD"])
    assert told(None) == ("HOLD", ["MISSING_INPUT"], ["MISSING_INPUT"])


def test_every_count_is_a_name_that_may_miss() -> None:
    for count in COUNTS:
        one = NAMES[f"signals_{count}"]
        assert (one.group, one.unit, one.may_miss, one.kind.low) == ("signal", "count", True, 0)
    assert NAMES["signals_age_days"].group == "freshness"
