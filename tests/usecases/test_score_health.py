"""Health and shadow reports over real rows: months against the ledger, drift, and money."""

import math
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from app.domain.drift import Verdict
from app.domain.errors import FieldError, NotFoundError
from app.domain.models import ModelState, RegisteredModel
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.domain.scores import ModelVersion
from app.scoring.scorecard_file import standard_scorecard
from app.store import models
from app.store.database import Database
from app.store.trials import Period
from app.usecases.health_models import ReadHealth, WatchHealth
from app.usecases.score_report import ReportShadow
from app.usecases.seeds import SeedDatabase
from tests.scoring.packages import sample
from tests.server import Clock
from tests.usecases.town import ADMIN, Town

NAME = "late-payment"


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
    town = Town.found(database, clock)
    champion(town, 1)
    return town


def champion(town: Town, version: int) -> None:
    """Let a version be champion; the one before is retired."""
    manifest = replace(sample().manifest, version=version)
    content = f"v{version}".encode()
    made = RegisteredModel(
        manifest, ModelState.CANDIDATE, sha256(content).digest(), "tests", "tests", None,
        town.clock(),
    )  # fmt: skip
    with town.database.begin() as tx:
        models.claim(tx, NAME)
        models.add(tx, made, content)
        if version > 1:
            models.set_state(tx, ModelVersion(NAME, version - 1), ModelState.RETIRED)
        models.set_state(tx, made.model, ModelState.CHAMPION)


def become(town: Town, state: ModelState) -> None:
    """Let the first version be something else."""
    with town.database.begin() as tx:
        models.set_state(tx, ModelVersion(NAME, 1), state)


def say(
    town: Town,
    customer_id: str,
    day: date,
    probability: float,
    **fields: Any,  # noqa: ANN401
) -> None:
    """Store a score of the champion as of a day, as if it had been computed then."""
    data = {
        "score": 700,
        "probability_of_default": probability,
        "features_as_of": day.isoformat(),
        "model": {"name": NAME, "version": 1},
        "features": {"mean_days_late": 3.0},
    } | fields
    at = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    with town.database.begin() as tx:
        tx.execute(
            text(
                "WITH made AS (INSERT INTO score (customer_id, data, scored_at)"
                " VALUES (:id, CAST(:data AS jsonb), :at) RETURNING score_id)"
                " INSERT INTO customer_score (customer_id, score_id, scored_at)"
                " SELECT :id, score_id, :at FROM made ON CONFLICT (customer_id) DO UPDATE"
                " SET score_id = excluded.score_id"
            ),
            {"id": customer_id, "data": orjson.dumps(data).decode(), "at": at},
        )


def bill(
    town: Town, customer_id: str, due: date, paid: date | None, issued: date | None = None
) -> None:
    """Report an invoice, issued on the day after `DAY` unless told, and its payment."""
    name = f"I-{town.next()}"
    days = {"issue_date": str(issued or NEXT), "due_date": due.isoformat()}
    town.fact("invoice", customer_id, invoice_id=name, amount=1_000, **days)
    if paid is not None:
        parts = [{"invoice_id": name, "amount": 1_000}]
        told = {"payment_id": f"P-{name}", "paid_date": paid.isoformat(), "allocations": parts}
        town.fact("payment", customer_id, amount=1_000, **told)


DAY = date(2025, 7, 10)
NEXT = DAY + timedelta(days=1)
DUE = DAY + timedelta(days=14)
LATE = sample().manifest.late_days
HORIZON = sample().manifest.horizon_days
LAST = DAY + timedelta(days=HORIZON - LATE - 1)
ONE_DAY, IN_TIME = timedelta(days=1), timedelta(days=LATE)
BILLS: dict[str, tuple[list[tuple[date, date, date | None]], bool | None]] = {
    "paid-in-time": ([(NEXT, DUE, DUE + IN_TIME)], False),
    "a-day-too-late": ([(NEXT, DUE, DUE + IN_TIME + ONE_DAY)], True),
    "never-paid": ([(NEXT, DUE, None)], True),
    "only-late-what-was-open-already": ([(DAY, DUE, None)], None),
    "late-what-was-open-and-not-the-next": ([(DAY, DUE, None), (NEXT, DUE, DUE)], False),
    "late-a-later-one": ([(NEXT, DUE, DUE), (DUE, LAST, None)], False),
    "late-the-next-and-no-later-one": ([(DUE, LAST, LAST), (NEXT, DUE, None)], True),
    "last-day-of-the-horizon": ([(NEXT, LAST, None)], True),
    "a-day-beyond-the-horizon": ([(NEXT, LAST + ONE_DAY, None)], None),
    "the-next-one-that-can-show": ([(NEXT, LAST + ONE_DAY, None), (DUE, LAST, LAST)], False),
    "no-invoice": ([], None),
}
"""Invoices by issue date, due date and payment, and whether the one foretold was late."""


def test_what_was_foretold_is_whether_the_next_invoice_is_late(town: Town) -> None:
    for case, (bills, outcome) in BILLS.items():
        town.put(case)
        for issued, due, paid in bills:
            bill(town, case, due, paid, issued)
        say(town, case, DAY, 0.9 if outcome is None else 0.2)
        say(town, case, DAY + timedelta(days=3), 0.9)  # the first of a month counts
        say(town, case, DAY, 0.9, model={"name": NAME, "version": 2})
    (month,) = ReadHealth(town.database, town.clock)(NAME).months
    outcomes = [outcome for _, outcome in BILLS.values() if outcome is not None]
    assert (month.month, month.scored) == (date(2025, 7, 1), len(outcomes))
    assert month.predicted == pytest.approx(0.2)
    assert month.defaulted == sum(outcomes)
    assert month.matured


def test_a_month_is_over_once_the_horizon_of_all_who_were_scored_is(town: Town) -> None:
    """Who has no invoice yet may still have one."""
    first = town.today - timedelta(days=HORIZON)
    assert first.day > 1
    for customer_id, day in (("C-1", first), ("C-2", first - ONE_DAY)):
        town.put(customer_id)
        say(town, customer_id, day, 0.2)
    bill(town, "C-1", first + ONE_DAY, None, first + ONE_DAY)
    assert [one.matured for one in ReadHealth(town.database, town.clock)(NAME).months] == [True]
    town.clock.advance(days=-1)
    assert [one.matured for one in ReadHealth(town.database, town.clock)(NAME).months] == [False]
    town.clock.advance(days=1)
    town.put("C-3")
    say(town, "C-3", first + ONE_DAY, 0.2)
    (month,) = ReadHealth(town.database, town.clock)(NAME).months
    assert (month.scored, month.defaulted, month.matured) == (1, 1, False)


def test_an_invoice_counts_once_its_last_day_in_time_is_over(town: Town) -> None:
    scored = town.today - IN_TIME - timedelta(days=5)
    town.put("C-1")
    say(town, "C-1", scored, 0.2)
    bill(town, "C-1", town.today - IN_TIME, None, scored + ONE_DAY)
    assert ReadHealth(town.database, town.clock)(NAME).months == []
    town.clock.advance(days=1)
    (month,) = ReadHealth(town.database, town.clock)(NAME).months
    assert (month.scored, month.defaulted, month.matured) == (1, 1, False)


def test_drift_is_that_of_the_version_and_overrides_are_left_out(town: Town) -> None:
    for number in range(120):
        customer_id = f"C-{number}"
        town.put(customer_id)
        usual: dict[str, Any] = {"score": 500 + number}
        say(town, customer_id, date(2026, 1, 5), 0.1, **usual, features={"mean_days_late": number})
        later = {"mean_days_late": number + 60, "on_time_rate": 0.5}
        computed = {"model": {"name": NAME, "version": 1}, "score": 500 + number}
        told = {"score": 0, "override": {"computed": computed}} if number % 2 else usual
        say(town, customer_id, date(2026, 6, 5), 0.1, **told, features=later)
    found = ReadHealth(town.database, town.clock)(NAME, 1)
    assert found.counts == (120, 120)
    assert found.score.verdict is Verdict.OK
    assert found.features[0].name in {"mean_days_late", "on_time_rate"}
    moved = {one.name: one for one in found.features}
    assert moved["mean_days_late"].verdict is Verdict.ACT
    assert (moved["on_time_rate"].missing_before, moved["on_time_rate"].missing_now) == (1, 0)
    assert found.verdict is Verdict.WATCH  # a feature alone calls for a look
    watch = WatchHealth(town.database, clock=lambda _: town.clock())
    assert (watch().items, watch().items) == (1, 0)
    for one in (found.score, *found.features):
        assert metric("aval_model_psi", feature=one.name) == one.psi
    assert metric("aval_model_calibration") == 0  # no month is over
    become(town, ModelState.RETIRED)
    assert watch().items == 0  # none is left, and what was told of it is no number
    for one in (found.score, *found.features):
        assert math.isnan(metric("aval_model_psi", feature=one.name))
    become(town, ModelState.CHAMPION)
    assert watch().items == 1  # at once
    for one in (found.score, *found.features):
        assert metric("aval_model_psi", feature=one.name) == one.psi
    champion(town, 2)
    assert watch().items == 1  # at once, and what was told of the other is no number
    for one in (found.score, *found.features):
        assert math.isnan(metric("aval_model_psi", feature=one.name))


def test_what_the_champion_told_and_what_came_is_a_metric(town: Town) -> None:
    for customer_id, paid in (("C-1", None), ("C-2", DUE), ("C-3", DUE)):
        town.put(customer_id)
        bill(town, customer_id, DUE, paid)
        say(town, customer_id, DAY, 0.25)
    watch = WatchHealth(town.database, clock=lambda _: town.clock())
    assert watch().items == 1
    assert metric("aval_model_calibration") == pytest.approx(1 / 0.75)
    town.clock.advance(hours=23, minutes=59)
    assert watch().items == 0
    town.clock.advance(minutes=1)
    assert watch().items == 1
    become(town, ModelState.RETIRED)
    assert watch().items == 0
    assert metric("aval_model_calibration") == 0


def metric(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(name, labels)
    assert found is not None, (name, labels)
    return found


def test_a_version_that_never_scored_and_one_that_is_not_there(town: Town) -> None:
    found = ReadHealth(town.database, town.clock)(NAME)
    assert (found.reference, found.verdict, found.calibration) == (None, Verdict.TOO_LITTLE, None)
    for name, version in ((NAME, 9), ("nobody", None), ("nobody", 1)):
        with pytest.raises(NotFoundError):
            ReadHealth(town.database, town.clock)(name, version)


# The report of a shadow


def report(town: Town) -> ReportShadow:
    return ReportShadow(town.database, town.clock)


def test_periods_and_names_of_a_report(town: Town) -> None:
    now = town.clock()
    month = Period(now - timedelta(days=30), now)
    found = report(town)(ADMIN, (NAME, None), month)
    assert (found.tried.trial.decisions, found.unknown) == (0, 0)
    with pytest.raises(FieldError):
        report(town)(ADMIN, (NAME, None), Period(now, now))
    with pytest.raises(NotFoundError):
        report(town)(ADMIN, ("nobody", None), month)
    with pytest.raises(NotFoundError):
        report(town)(ADMIN, (NAME, 7), month)
