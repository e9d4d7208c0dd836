"""Whether a run reached what it was to reach is computed from its rows."""

from array import array

import pytest

from bench import figures
from bench.figures import Found, Key
from bench.reach import GOALS, Goal, reach
from bench.report import page, table
from bench.tallies import Tally

EMBEDDED, NOWHERE = figures.EMBEDDED, figures.NOWHERE


def rate(value: float, p50_s: float = 0.001) -> Tally:
    return Tally(array("d", [p50_s] * 100), seconds=1.0, items=int(value), done=int(value))


def goal(start: str) -> Goal:
    return next(goal for goal in GOALS if goal.measure.startswith(start))


def line(found: Found, start: str) -> str:
    return next(text for text in reach(found).splitlines() if text.startswith(f"| {start}"))


@pytest.mark.parametrize(
    ("start", "value", "verdict"),
    [
        pytest.param("limit checks", 0.399, "missed", id="just-below-the-least"),
        pytest.param("limit checks", 0.40, "reached", id="exactly-the-least"),
        pytest.param("limit checks", 0.599, "reached", id="just-below-the-aim"),
        pytest.param("limit checks", 0.60, "aim reached", id="exactly-the-aim"),
        pytest.param("p99", 15.01, "missed", id="a-little-too-slow"),
        pytest.param("p99", 15.0, "reached", id="as-slow-as-may-be"),
        pytest.param("p99", 8.0, "aim reached", id="as-slow-as-is-aimed-at"),
    ],
)
def test_verdict(start: str, value: float, verdict: str) -> None:
    assert goal(start).verdict(value) == verdict


def test_rates_are_compared_at_32_connections() -> None:
    found = Found()
    found.add(Key(figures.ECHO, NOWHERE, 32), rate(8000))
    found.add(Key(figures.ECHO, NOWHERE, 8), rate(100))
    found.add(Key(figures.UNIFORM, EMBEDDED, 32), rate(4000))
    found.add(Key(figures.UNIFORM, EMBEDDED, 8), rate(9000))
    found.add(Key(figures.HOT, EMBEDDED, 32), rate(3400))
    found.add(Key(figures.NAIVE, EMBEDDED, 32), rate(1000))
    assert "| 0.50 | reached |" in line(found, f"{figures.UNIFORM} / echo")
    assert "| 0.85 | missed |" in line(found, "one hot account")
    assert "| 4.00 | reached |" in line(found, f"{figures.UNIFORM} / naive")


def test_batches_are_compared_with_the_echo_around_them_at_their_best() -> None:
    found = Found()
    found.add(Key(figures.ECHO, NOWHERE, 32), rate(4000))
    found.add(Key(figures.BESIDE, EMBEDDED, 1), rate(4500))
    found.add(Key(figures.BESIDE, EMBEDDED, 8), rate(8000))
    found.add(Key(figures.BATCH, EMBEDDED, 1), rate(9000))
    found.add(Key(figures.BATCH, EMBEDDED, 8), rate(12000))
    found.add(Key(figures.BATCH, EMBEDDED, 32), rate(99000))  # no echo around it
    assert "| 2.00 | reached |" in line(found, "authorizations in batches")


def test_growth_is_the_worst_ratio_of_medians() -> None:
    found = Found()
    for connections, large_s in ((1, 0.0010), (32, 0.0012)):
        found.add(Key(figures.SMALL, EMBEDDED, connections), rate(1, 0.001))
        found.add(Key(figures.LARGE, EMBEDDED, connections), rate(1, large_s))
    assert "| 1.20 | reached |" in line(found, "p50")


def test_numbers_are_written_in_their_units() -> None:
    found = Found()
    found.numbers[figures.MEMORY, EMBEDDED] = 150e6
    found.numbers[figures.DISK, EMBEDDED] = 1501
    assert "| 150.00 MB | aim reached |" in line(found, "memory")
    assert "| 1.50 KB | missed |" in line(found, "disk")


def test_what_was_not_measured_says_why() -> None:
    found = Found()
    found.missing["", figures.SYSTEM] = "no initdb on the PATH"
    found.missing[figures.BATCH, EMBEDDED] = "POST answers 405"
    told = line(found, "authorizations in batches")
    assert told.count("not measured") == 2
    assert "POST answers 405" in told
    assert "no initdb on the PATH" in told
    assert "not measured: not in this run" in line(found, "p50")


def test_every_goal_has_its_line() -> None:
    lines = reach(Found()).splitlines()
    assert len(lines) == 2 + len(GOALS)
    assert len({text.count("|") for text in lines}) == 1, "a cell too many or too few"


def test_the_table_shows_every_row_and_what_is_missing() -> None:
    found = Found()
    found.add(Key(figures.ECHO, NOWHERE, 8), rate(8000))
    found.add(Key(figures.UNIFORM, EMBEDDED, 8), rate(2000, 0.0042))
    found.add(Key(figures.ECHO, NOWHERE, 1), rate(4000))
    found.missing[figures.BATCH, EMBEDDED] = "POST answers 405"
    lines = table(found).splitlines()
    assert [text.split(" | ")[2] for text in lines[2:5]] == ["1", "8", "8"]
    assert "| 2,000 | 0.25 | 4.20 | 4.20 | 4.20 |" in lines[4]
    assert "not measured: POST answers 405" in lines[5]
    assert len({text.count("|") for text in lines}) == 1, "a cell too many or too few"


def test_the_page_ends_with_what_was_reached() -> None:
    text = page(["2 cores"], Found(), "| process |", ["all exact"])
    assert "- 2 cores\n" in text
    assert "- all exact\n" in text
    assert text.endswith(reach(Found()) + "\n")
