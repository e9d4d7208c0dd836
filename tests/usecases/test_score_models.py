"""Scores by the model that stands: exactly its version, reasons, trouble, and its shadow beside."""

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.decisions import Question
from app.domain.errors import BusyError
from app.domain.models import Alias, ModelState, RegisteredModel
from app.domain.money import Money
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.domain.scores import RiskClass, Score, StoredScore
from app.scoring.loadable import Loadable
from app.scoring.observing import Copies, FeatureProcess, ObservingError
from app.scoring.process import ScoringProcess
from app.scoring.process_pipe import ProcessLimits
from app.scoring.scorecard_file import standard_scorecard
from app.store import models, scores
from app.store.database import Database
from app.usecases.overrides import OverrideAsk
from app.usecases.portfolio_scores import ScorePortfolio, in_bulk
from app.usecases.score_models import OLDEST_RATES_DAYS, RateByModel
from app.usecases.score_orders import OrderPds
from app.usecases.score_outcomes import CountOutcomes
from app.usecases.score_portions import Scored, ScorePortion
from app.usecases.score_refresh import RefreshScores
from app.usecases.score_terms import ScoreTerms
from app.usecases.scores import Scores
from app.usecases.seeds import SeedDatabase
from tests.scoring.packages import constant, sample
from tests.server import Clock
from tests.usecases.readers import Reader
from tests.usecases.town import ADMIN, Town

NAME = "late-payment"


NUMBERS = count(1)


def loadable(probability: float | None) -> Loadable:
    """Make the trained sample (None), or a model that gives one number, as the next version.

    A process holds versions by name and number, so no two tests may mean others by the same one.
    """
    version = next(NUMBERS)
    package = sample() if probability is None else constant(probability)
    text_of = package.model.decode().partition("end of trees")[0] + "end of trees\n"
    return Loadable(replace(package.manifest, version=version), text_of)


@pytest.fixture(scope="module")
def process() -> Iterator[ScoringProcess]:
    made = ScoringProcess(ProcessLimits(answer_s=20.0))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def observer() -> Iterator[FeatureProcess]:
    made = FeatureProcess(60.0)
    yield made
    made.stop()


@pytest.fixture
def rater(process: ScoringProcess, observer: FeatureProcess) -> RateByModel:
    return RateByModel(process, observer)


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    """Make a town in which C-1 has paid six invoices 20 days late, and owes one more."""
    SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
    town = Town.found(database, clock)
    town.put("C-1")
    for number in range(6):
        name, issued = f"I-{number}", date(2026, 1, 5) + timedelta(days=14 * number)
        days = {"issue_date": str(issued), "due_date": str(issued + timedelta(days=14))}
        town.fact("invoice", "C-1", invoice_id=name, amount=10_000, **days)
        paid = {"payment_id": f"P-{number}", "paid_date": str(issued + timedelta(days=34))}
        parts = [{"invoice_id": name, "amount": 10_000}]
        town.fact("payment", "C-1", amount=10_000, allocations=parts, **paid)
    town.invoice("C-1", 5_000, due="2026-06-01")
    return town


def stand(town: Town, process: ScoringProcess, alias: Alias, model: Loadable | None) -> None:
    """Let a version stand in the database and in the process, as a promotion would."""
    if model is not None:
        manifest = model.manifest
        made = RegisteredModel(
            manifest=manifest,
            state=ModelState.CANDIDATE,
            manifest_sha256=sha256(model.key.encode()).digest(),
            signed_by="tests",
            client="tests",
            actor=None,
            registered_at=town.clock(),
            fault=None,
        )
        with town.database.begin() as tx:
            models.claim(tx, manifest.name)
            models.add(tx, made, model.key.encode())
            tx.execute(
                text(
                    "UPDATE model_version SET state = CASE WHEN version = :version THEN :state"
                    " ELSE 'RETIRED' END WHERE version = :version OR state = :state"
                ),
                {"version": manifest.version, "state": alias.name},
            )
    process.install((NAME, alias), model)


@pytest.fixture
def clean(process: ScoringProcess) -> Iterator[ScoringProcess]:
    yield process
    for alias in Alias:
        process.install((NAME, alias), None)


def counted(town: Town) -> None:
    count = CountOutcomes(town.database, clock=lambda _: town.clock())
    assert (count().items, count().items) == (1, 0)


def score(town: Town, rater: RateByModel, customer_id: str = "C-1") -> Score:
    return desk(town, rater).score_customer(ADMIN, customer_id).score


def desk(town: Town, rater: RateByModel) -> Scores:
    return Scores.over(town.database, town.clock, ScoreTerms(rater))


def read(town: Town) -> StoredScore:
    return Reader(town.database, town.clock).score("C-1")


def test_the_champion_scores_and_says_why(
    town: Town, clean: ScoringProcess, rater: RateByModel
) -> None:
    champion = loadable(None)
    stand(town, clean, Alias.CHAMPION, champion)
    counted(town)
    found = score(town, rater)
    assert (found.source, found.model) == ("model", champion.model)
    assert found.score is not None
    losses = [one.contribution for one in found.reasons]
    assert losses == sorted(losses)
    assert losses[-1] < 0
    assert len({one.code for one in found.reasons}) == len(losses) <= 4
    assert "MEAN_DAYS_LATE_HIGH" in {one.code for one in found.reasons}
    told = read(town)
    assert (told.score, told.stale) == (replace(found, reasons=told.score.reasons), False)
    query = (
        "SELECT data -> 'features' -> 'mean_days_late' FROM score ORDER BY score_id DESC LIMIT 1"
    )
    with town.database.read() as tx:
        assert tx.execute(text(query)).scalar_one() == pytest.approx((6 * 20 + 14) / 7)


def test_a_portfolio_is_scored_by_the_same_model(
    town: Town, clean: ScoringProcess, rater: RateByModel
) -> None:
    stand(town, clean, Alias.CHAMPION, loadable(None))
    stand(town, clean, Alias.SHADOW, loadable(0.3))
    counted(town)
    for name in ("C-2", "C-3"):
        town.put(name, parent_id="C-1")
    with town.database.begin() as tx:
        subjects = scores.lock(tx, ["C-1", "C-2", "C-3"])
        one_by_one = rater(tx, subjects, town.clock())
        at_once = in_bulk(rater)(tx, subjects, town.clock())
    assert at_once == one_by_one
    assert {one.score.source for one in at_once.values()} == {"model"}


def test_a_portfolio_goes_on_after_what_predicts_was_killed(
    town: Town, clean: ScoringProcess, rater: RateByModel
) -> None:
    stand(town, clean, Alias.CHAMPION, loadable(0.02))
    counted(town)
    town.put("C-2")
    before = clean.pid
    assert before is not None
    kill(before)
    run = ScorePortfolio(ScorePortion(town.database, town.clock, in_bulk(rater), pause_s=0.4))
    seen: list[tuple[int, int]] = []
    assert run(lambda done, total: seen.append((done, total))) == Scored(2)
    assert seen[-1] == (2, 2)
    assert read(town).score.source == "model"
    assert clean.pid not in {before, None}


def test_a_newcomer_is_of_class_n_by_a_model_too(
    town: Town, clean: ScoringProcess, rater: RateByModel
) -> None:
    stand(town, clean, Alias.CHAMPION, loadable(0.02))
    counted(town)
    town.put("C-2")
    found = score(town, rater, "C-2")
    assert (found.risk_class, found.score, found.source) == (RiskClass.N, None, "model")
    assert [one.code for one in found.reasons] == ["TOO_LITTLE_HISTORY"]


def test_exactly_the_version_that_stands_scores(
    town: Town, clean: ScoringProcess, rater: RateByModel
) -> None:
    first, second = loadable(0.02), loadable(0.3)
    stand(town, clean, Alias.CHAMPION, first)
    counted(town)
    assert score(town, rater).model == first.model
    stand(town, clean, Alias.CHAMPION, second)
    assert score(town, rater).probability_of_default == 0.3
    clean.install((NAME, Alias.CHAMPION), first)  # the second was promoted, and is not loaded yet
    with pytest.raises(BusyError, match=f"version {second.manifest.version} is not loaded"):
        score(town, rater)
    assert read(town).score.model == second.model


@pytest.mark.parametrize("trouble", ["keep", "scorecard"])
def test_what_holds_while_the_champion_is_away(
    town: Town,
    clean: ScoringProcess,
    rater: RateByModel,
    trouble: Any,  # noqa: ANN401
) -> None:
    stand(town, clean, Alias.CHAMPION, loadable(0.02))
    counted(town)
    before = score(town, rater)
    clean.install((NAME, Alias.CHAMPION), None)
    town.clock.advance(minutes=1)
    town.invoice("C-1", 100, due="2026-06-01")
    careful = replace(rater, trouble=trouble)
    refresh = RefreshScores(town.database, careful, clock=lambda _: town.clock())
    if trouble == "scorecard":
        assert refresh().items == 1
        assert (read(town).score.source, read(town).stale) == ("scorecard", False)
        return
    with pytest.raises(BusyError):
        refresh()
    found = read(town)
    assert (found.score.probability_of_default, found.stale) == (
        before.probability_of_default,
        True,
    )


def test_without_the_rates_of_all_customers_no_model_scores(
    town: Town, clean: ScoringProcess, rater: RateByModel
) -> None:
    stand(town, clean, Alias.CHAMPION, loadable(0.02))
    with pytest.raises(BusyError, match="not counted"):
        score(town, rater)
    counted(town)
    town.clock.advance(days=OLDEST_RATES_DAYS - 1)  # they were counted as of the day before
    assert score(town, rater).source == "model"
    town.clock.advance(days=1)
    with pytest.raises(BusyError, match="not counted"):
        score(town, rater)


def shadows(town: Town) -> list[tuple[Any, ...]]:
    query = (
        "SELECT version, day, risk_class, held_class, held_source, probability FROM score_shadow"
        " ORDER BY version, day"
    )
    with town.database.read() as tx:
        return [tuple(row) for row in tx.execute(text(query))]


def test_a_shadow_is_kept_apart_a_row_a_day(
    town: Town, clean: ScoringProcess, rater: RateByModel
) -> None:
    watching = loadable(0.02)
    stand(town, clean, Alias.SHADOW, watching)
    counted(town)
    held = score(town, rater)
    assert held.source == "scorecard"
    score(town, rater)
    ask = OverrideAsk(RiskClass.A, "x", town.clock() + timedelta(days=9))
    desk(town, rater).propose_override(ADMIN, "C-1", ask)
    said = grade_of(0.02)
    version = watching.manifest.version
    assert shadows(town) == [(version, town.today, said, "A", "override", 0.02)]
    town.clock.advance(days=1)
    score(town, rater)
    assert [row[1] for row in shadows(town)] == [town.today - timedelta(days=1), town.today]


def grade_of(probability: float) -> str:
    manifest = sample().manifest
    from_best = [row.risk_class.value for row in manifest.classes]
    assert "B" in from_best
    return "B" if probability == 0.02 else from_best[-1]


def test_a_shadow_beside_a_champion_and_its_trouble_harms_nobody(
    town: Town, clean: ScoringProcess, rater: RateByModel
) -> None:
    champion, watching = loadable(0.02), loadable(0.3)
    stand(town, clean, Alias.CHAMPION, champion)
    stand(town, clean, Alias.SHADOW, watching)
    counted(town)
    assert score(town, rater).model == champion.model
    assert [row[0] for row in shadows(town)] == [watching.manifest.version]
    clean.install((NAME, Alias.SHADOW), None)
    town.clock.advance(days=1)
    assert score(town, rater).model == champion.model
    assert len(shadows(town)) == 1


def test_what_if_by_a_model(town: Town, clean: ScoringProcess, rater: RateByModel) -> None:
    stand(town, clean, Alias.CHAMPION, loadable(None))
    counted(town)
    changes = {"mean_days_late": 0.0, "on_time_rate": 1.0, "overdue_share": 0.0}
    found = desk(town, rater).what_if(ADMIN, "C-1", changes)
    assert found.now.source == "model"
    assert found.asked is not None
    assert (found.asked.probability_of_default or 1) < (found.now.probability_of_default or 0)
    assert set(found.row) == {*sample().manifest.feature_names, "invoices_known"}
    for one in found.proposals:
        again = desk(town, rater).what_if(ADMIN, "C-1", dict(one.changes)).asked
        assert again == one.score


# The process that computes features


def test_the_feature_process_comes_back_after_a_crash_however_many_ask_meanwhile() -> None:
    made = FeatureProcess(60.0)
    refused: list[str] = []
    until = time.monotonic() + 60
    try:
        while not refused[1:]:  # where the machine stalls for a second nobody asks meanwhile
            assert time.monotonic() < until
            refused = refusals(made)
            assert "restarted" not in refused[0]
    finally:
        made.stop()
    assert {"restarted" in one for one in refused[1:]} == {True}
    assert made.pid is None


def refusals(made: FeatureProcess) -> list[str]:
    """Kill the process and ask until there is another one; gives what was said until then."""
    asks = [{"customer_id": "C-1", "as_of": "2026-06-15"}]
    assert made(nothing(), asks)[0]["invoices_known"] == 0
    first = made.pid
    assert first is not None
    kill(first)
    began, refused = time.monotonic(), list[str]()
    while made.pid in {first, None}:
        try:
            assert made(nothing(), asks)[0]["invoices_known"] == 0
        except BusyError as busy:
            refused.append(busy.detail)
            assert time.monotonic() - began < 20
            time.sleep(0.05)
    return refused


def test_what_has_no_features_is_told_and_the_process_goes_on(observer: FeatureProcess) -> None:
    asks = [{"customer_id": "C-1", "as_of": "2026-06-15"}]
    assert observer(nothing(), asks)[0]["invoices_known"] == 0
    before = observer.pid
    garbage = replace(nothing(), parts={**nothing().parts, "invoices": b"a,b\n"})
    with pytest.raises(ObservingError):
        observer(garbage, asks)
    assert observer(nothing(), asks)[0]["invoices_known"] == 0
    assert observer.pid == before


@dataclass
class Blind(FeatureProcess):
    """Has a bug with whatever it is given."""

    def __call__(
        self, copies: Copies, asks: Sequence[Mapping[str, object]]
    ) -> list[dict[str, float | None]]:
        raise ObservingError(f"ShapeError on {len(copies.parts)} parts, {len(asks)} asks")


def test_a_bug_in_features_harms_neither_the_card_nor_an_order(
    town: Town, clean: ScoringProcess
) -> None:
    blind = RateByModel(clean, Blind())
    stand(town, clean, Alias.SHADOW, loadable(0.3))
    counted(town)
    assert score(town, blind).source == "scorecard"
    assert shadows(town) == []
    stand(town, clean, Alias.CHAMPION, loadable(0.3))
    asked = Question("C-1", "main", "ORDER", "SO-1", Money(100, "CNY"))
    pds = OrderPds(town.database, blind)
    assert pds.compute([asked]) == [None]


def nothing() -> Copies:
    parts = dict.fromkeys(("invoices", "customers", "limits", "statements", "signals"), b"")
    return Copies(parts, [])


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
