"""Whether a run reached what it was to reach is computed from its rows."""

from array import array

import pytest

from bench import figures
from bench.figures import Found, Key
from bench.reach import GOALS, Goal, reach
from bench.report import page, remarks, table
from bench.tallies import Tally

EMBEDDED, NOWHERE = figures.EMBEDDED, figures.NOWHERE


def rate(value: float, p50_s: float = 0.001) -> Tally:
    return Tally(array("d", [p50_s] * 100), seconds=1.0, items=int(value), done=int(value))


def turns(each: float, *rates: float) -> list[Tally]:
    """Make rounds of these rates, each with the echo at `each` right beside it."""
    tallies = [rate(one) for one in rates]
    for tally in tallies:
        tally.besides = [each]
    return tallies


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
    for what, value in ((figures.UNIFORM, 4000), (figures.HOT, 3400), (figures.NAIVE, 1000)):
        for tally in turns(8000, value):
            found.add(Key(what, EMBEDDED, 32), tally)
    found.add(Key(figures.UNIFORM, EMBEDDED, 8), rate(9000))
    found.add(Key(figures.ECHO, NOWHERE, 8), rate(100))
    assert "| 0.50 | reached |" in line(found, f"{figures.UNIFORM} / echo")
    assert "| 0.85 | missed |" in line(found, "one hot account")
    assert "| 4.00 | reached |" in line(found, f"{figures.UNIFORM} / naive")


def test_a_machine_that_slows_down_amid_a_run_changes_no_ratio() -> None:
    found = Found()
    for pace in (1.0, 0.5, 1.0, 0.5, 0.5):  # of every round, the echo's beside it included
        for tally in turns(8000 * pace, 4000 * pace):
            found.add(Key(figures.UNIFORM, EMBEDDED, 32), tally)
    for pace in (0.5, 0.5, 1.0, 1.0, 1.0):  # ... and other rows had other luck
        for tally in turns(8000 * pace, 4800 * pace):
            found.add(Key(figures.HOT, EMBEDDED, 32), tally)
        found.add(Key(figures.ECHO, NOWHERE, 32), rate(8000))
    assert "| 0.50 | reached |" in line(found, f"{figures.UNIFORM} / echo")
    assert "| 1.20 | aim reached |" in line(found, "one hot account")
    assert "| 2,800 | 0.50 |" in table(found), "the table's share is not the middle one"


def test_one_round_that_was_disturbed_changes_no_ratio() -> None:
    found = Found()
    for value in (4000, 4100, 900, 3900, 4000):
        for tally in turns(8000, value):
            found.add(Key(figures.UNIFORM, EMBEDDED, 32), tally)
    assert "| 0.50 | reached |" in line(found, f"{figures.UNIFORM} / echo")


def test_rows_that_take_turns_are_compared_round_by_round() -> None:
    found = Found()
    for naive, ours in ((100, 2500), (50, 1250), (100, 1250)):
        found.add(Key(figures.SLOW_NAIVE, EMBEDDED, 64), rate(naive))
        found.add(Key(figures.SLOW_GROUP, EMBEDDED, 64), rate(ours))
    assert "| 25.00 | reached |" in line(found, "one hot group")


def test_the_middle_portion_tells_how_long_is_waited_and_all_are_shown() -> None:
    found = Found()
    for waited_s in (0.012, 0.2, 0.013, 0.011, 0.1):
        found.add(Key(figures.HALF, EMBEDDED, 64), rate(2000, waited_s))
    assert "| 13.00 ms | reached |" in line(found, "p99")
    assert any("12.0, 200.0, 13.0, 11.0, 100.0 ms" in told for told in remarks(found))


def test_how_steady_the_machine_was_is_told() -> None:
    found = Found()
    for value in (8000, 4000, 7000):
        found.add(Key(figures.ECHO, NOWHERE, 32), rate(value))
    found.add(Key(figures.BESIDE, EMBEDDED, 8), rate(3000))
    found.add(Key(figures.ECHO, NOWHERE, 128), rate(100))
    assert any("3,000 to 8,000 a second over the run, 5,500" in told for told in remarks(found))


def test_batches_are_compared_with_the_echo_around_them_at_their_best() -> None:
    found = Found()
    found.add(Key(figures.ECHO, NOWHERE, 32), rate(4000))
    for connections, echo, value in ((1, 4500, 9000), (8, 8000, 12000)):
        for tally in turns(echo, value):
            found.add(Key(figures.BATCH, EMBEDDED, connections), tally)
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
