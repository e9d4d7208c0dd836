"""What lifts a class: proposals that hold when they are rated, and none that are for nothing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.features import FEATURES, Features
from app.domain.scorecard import rate
from app.domain.scores import Score
from app.domain.whatif import MOST, Row, is_lifted, propose
from app.scoring.scorecard_file import standard_scorecard

CARD = standard_scorecard()
GOOD = Features(
    currency="CNY",
    on_time_rate=1.0,
    mean_days_late=0.0,
    max_days_late=0,
    recent_trend=None,
    overdue_share=0.0,
    overdue_amount_minor=0,
    overdue_days=0,
    utilization=0.2,
    tenure_days=4000,
    order_habit=1.0,
    invoices_closed=20,
    invoices_known=20,
    disputed_share=0.0,
)
WHOLE = {"invoices_closed", "invoices_known", "overdue_amount_minor", "overdue_days"}


def rated(rows: Sequence[Row]) -> list[Score]:
    found = []
    for row in rows:
        values: Any = {name: int(row[name] or 0) if name in WHOLE else row[name] for name in row}
        found.append(rate(replace(GOOD, **values), CARD))
    return found


def row_of(**values: float | None) -> Row:
    return {name: getattr(GOOD, name) for name in FEATURES} | values


CASES: dict[str, tuple[Row, list[list[str]]]] = {
    "nothing-to-lift": (row_of(), []),
    "overdue-only": (
        row_of(overdue_days=70, overdue_share=1.0, overdue_amount_minor=500),
        [["PAY_OVERDUE"]],
    ),
    "newcomer": (
        row_of(invoices_known=0, on_time_rate=None, mean_days_late=None),
        [["PAY_ON_TIME"]],
    ),
    "in-nobodys-hands": (row_of(max_days_late=200, recent_trend=40.0, tenure_days=3), []),
}


@pytest.mark.parametrize("case", CASES)
def test_levers(case: str) -> None:
    row, levers = CASES[case]
    now = rated([row])[0]
    found = propose(row, now, rated)
    assert [[step.lever for step in one.steps] for one in found][: len(levers) or 1] == levers


def test_two_levers_where_neither_does_alone() -> None:
    row = row_of(overdue_days=3, overdue_share=0.6, overdue_amount_minor=500, utilization=1.4)
    row = {**row, "on_time_rate": 0.96, "mean_days_late": 2.0}
    now = rated([row])[0]
    found = propose(row, now, rated)
    assert found
    for one in found:
        for step in one.steps if len(one.steps) > 1 else ():
            assert not is_lifted(now, rated([{**row, **step.changes}])[0])


share = st.floats(0, 1)
days = st.integers(0, 200)
rows = st.fixed_dictionaries(
    {
        "on_time_rate": st.none() | share,
        "mean_days_late": st.none() | st.floats(0, 90),
        "max_days_late": st.none() | days,
        "overdue_share": st.none() | share,
        "overdue_amount_minor": st.integers(0, 10**9),
        "overdue_days": days,
        "utilization": st.none() | st.floats(-1, 3),
        "order_habit": st.none() | st.floats(0, 50),
        "invoices_known": st.integers(0, 60),
        "invoices_closed": st.integers(0, 60),
    }
)


@given(rows)
def test_every_proposal_holds_when_it_is_rated(drawn: dict[str, float | None]) -> None:
    row = row_of(**drawn)
    now = rated([row])[0]
    found = propose(row, now, rated)
    assert len(found) <= MOST
    for one in found:
        again = rated([{**row, **one.changes}])[0]
        assert again == one.score
        assert is_lifted(now, again)
        assert {name for step in one.steps for name in step.changes} == one.changes.keys()
