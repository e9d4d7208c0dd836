"""A model is trained on what was known, tested once, and comes out the same each time."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from app.cli.train_child import attach
from app.domain.feature_catalogue import FEATURE
from app.domain.features import FEATURES, Features
from app.domain.manifests import ModelKind, inputs
from app.domain.manifests_check import check_manifest
from app.domain.manifests_json import manifest_from_bytes, manifest_to_bytes
from app.domain.scorecard import rate
from app.domain.scorecard_check import validate_scorecard
from app.domain.scorecard_json import scorecard_from_json
from app.scoring.card_slices import by_month, by_segment, by_size
from app.scoring.metrics import Interval, compare, drawn_customers
from app.scoring.scorecard_file import standard_scorecard
from app.scoring.training_matrix import TrainingError
from app.scoring.training_package import package
from app.scoring.training_report import Evaluation, Verdict, evaluate, report, rivals
from app.scoring.training_rivals import scorecard_log_odds
from app.scoring.training_rows import Target
from app.scoring.training_run import Trained, Wish, train
from app.scoring.training_trees import MOST_ROUNDS, Fit, fit_here
from app.scoring.validator import check_text
from app.texts import PLACEHOLDERS
from tests.scoring.payers import TODAY, Bill, ledger, payers

CARD = replace(standard_scorecard(), name="late-payment", late_days=0)


def wish(kind: ModelKind = ModelKind.LIGHTGBM) -> Wish:
    return Wish(kind, Target(0, CARD.horizon_days), None, TODAY, 1, CARD)


def quiet(_done: float, _note: str) -> None:
    """Hear nothing."""


HEARD: list[tuple[float, str]] = []
"""What the run of `trained` told on its way."""


@pytest.fixture(scope="module")
def trained() -> Trained:
    HEARD.clear()
    return train(ledger(payers()), wish(), lambda done, note: HEARD.append((done, note)))


@pytest.fixture(scope="module")
def found(trained: Trained) -> Evaluation:
    return evaluate(trained)


@pytest.fixture(scope="module")
def points() -> Trained:
    return train(ledger(payers()), wish(ModelKind.SCORECARD), quiet)


def test_the_same_data_and_seed_give_the_same_bytes(trained: Trained, found: Evaluation) -> None:
    again = train(ledger(payers()), wish(), quiet)
    assert again.model.text == trained.model.text
    said = [
        package(one, report(one, looked), {}, "tests")
        for one, looked in ((trained, found), (again, evaluate(again)))
    ]
    assert manifest_to_bytes(said[0][0]) == manifest_to_bytes(said[1][0])


def test_a_run_says_how_far_it_is(trained: Trained) -> None:
    parts = [done for done, _ in HEARD]
    assert parts == sorted(parts)
    assert (parts[0], parts[-1]) == (0, 0.7)
    notes = [note for _, note in HEARD]
    assert notes[:2] == ["features", f"{len(trained.learn)} rows to learn from"]
    fits = len(notes) - 2
    assert notes[2:] == [f"fit {number} of {fits}" for number in range(1, fits + 1)]


def test_growth_is_stopped_where_later_rows_are_served_no_better(trained: Trained) -> None:
    learn = trained.learn.keep(trained.names)
    chance = np.random.default_rng(1).permutation(len(learn))
    asked = (learn.values, learn.labels[chance])
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True}
    fit = Fit(settings, learn.names, learn.values, learn.labels, None, MOST_ROUNDS, asked)
    (booster,) = fit_here([fit])
    assert 0 < booster.num_trees() == booster.best_iteration < MOST_ROUNDS
    assert 0 < trained.model.trees < MOST_ROUNDS


def shifted(bills: list[Bill], first: date) -> Iterator[Bill]:
    """Rewrite what became of every invoice from a day on, and every payment made from then on."""
    for bill in bills:
        paid = bill.paid
        if paid is not None and (bill.issued >= first or paid >= first):
            paid = max(paid, first) + timedelta(days=hash(bill.amount) % 50)
        yield replace(bill, paid=paid)


def test_what_comes_after_the_cut_changes_nothing_of_the_model(trained: Trained) -> None:
    other = list(shifted(payers(), trained.test_from))
    assert other != payers()
    again = train(ledger(other), replace(wish(), test_from=trained.test_from), quiet)
    assert again.model.text == trained.model.text
    assert again.model.calibration == trained.model.calibration


def test_paying_worse_never_lowers_the_probability(trained: Trained) -> None:
    rows = trained.test.take(np.arange(40))
    for name in trained.names:
        if not (way := FEATURE[name].monotone):
            continue
        place = rows.names.index(name)
        said = []
        for level in np.nanquantile(trained.learn.values[:, place], np.linspace(0, 1, 9)):
            values = rows.values.copy()
            values[:, place] = level
            said.append(trained.model.predict(replace(rows, values=values)))
        assert (np.diff(np.array(said), axis=0) * way >= -1e-12).all(), name


def test_habits_are_learned_and_beat_a_coin(trained: Trained, found: Evaluation) -> None:
    assert 0.8 < found.rivals.auc.value < 1
    assert found.rivals.auc.lower > 0.7
    told = report(trained, found)
    assert list(told)[:9] == [
        "auc",
        "ks",
        "brier",
        "baseline_auc",
        "baseline_brier",
        "n_train",
        "n_test",
        "positives_test",
        "features",
    ]
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    sides = rivals(found)
    assert set(sides) == {"rule", "logistic", "scorecard"}
    assert sides["rule"]["auc"] == told["baseline_auc"]
    assert sides["logistic"]["auc"] > 0.8


def test_the_scorecard_is_a_rival_as_it_rates(trained: Trained) -> None:
    rows = trained.learn.keep(tuple(FEATURES))
    odds = scorecard_log_odds(CARD, rows)
    seen = set()
    for values, said in zip(rows.values, odds, strict=True):
        known: dict[str, Any] = {
            name: None if np.isnan(value) else value
            for name, value in zip(FEATURES, values, strict=True)
        }
        score = rate(Features(currency="CNY", **known), CARD)
        seen.add(score.risk_class)
        if score.probability_of_default is None:
            assert np.isnan(said)
        else:
            assert 1 / (1 + np.exp(-said)) == pytest.approx(score.probability_of_default, abs=5e-5)
    assert len(seen) > 3


def test_the_test_window_is_cut_by_month_segment_and_size(found: Evaluation) -> None:
    segments = np.where(np.arange(len(found.test)) % 3 == 0, "north", "main").astype(np.str_)
    looked = replace(found, test=replace(found.test, segments=segments))
    for cut in (by_month, by_segment, by_size):
        rows = cut(looked)
        assert len(rows) > 1
        assert sum(row.rows for row in rows) == len(found.test)
        assert sum(row.late for row in rows) == np.sum(found.test.labels)
    assert [row.name for row in by_segment(looked)] == ["main", "north"]
    north = segments == "north"
    assert by_segment(looked)[1].predicted == pytest.approx(np.mean(found.predicted[north]))
    months = [row.name for row in by_month(looked)]
    assert months == sorted({str(day)[:7] for day in found.test.days.astype(str)})
    smallest = found.test.amounts <= np.quantile(found.test.amounts, 0.25)
    assert (by_size(looked)[0].name, by_size(looked)[0].rows) == ("Q1", int(np.sum(smallest)))


@pytest.mark.parametrize(
    ("lower", "upper", "verdict"),
    [
        (0.001, 0.1, Verdict.BETTER),
        (0.0, 0.1, Verdict.NO_BETTER),
        (-0.1, 0.0, Verdict.NO_BETTER),
        (-0.1, -0.001, Verdict.WORSE),
    ],
    ids=["surely-better", "may-be-nothing", "may-be-nothing-below", "surely-worse"],
)
def test_the_verdict_is_that_of_the_interval(
    found: Evaluation, lower: float, upper: float, verdict: Verdict
) -> None:
    gain = Interval((lower + upper) / 2, lower, upper)
    told = replace(found, rivals=replace(found.rivals, auc_gain=gain)).verdict
    assert told is verdict
    assert ("keep the scorecard" in told.value) is (verdict is not Verdict.BETTER)


def test_intervals_draw_the_customers_of_the_test_window(
    trained: Trained, found: Evaluation
) -> None:
    test = found.test
    draw = drawn_customers(test.customers, trained.wish.seed)
    rule = test.rule(trained.mean)
    assert found.rivals == compare(test.labels, found.predicted, rule, draw)
    assert len(np.unique(test.customers)) < len(test) / 2


def test_where_there_is_no_habit_the_scorecard_is_kept() -> None:
    coin = train(ledger(payers(habits=False)), wish(), quiet)
    assert evaluate(coin).verdict is not Verdict.BETTER


def test_a_level_that_was_never_seen_is_foretold_too(trained: Trained) -> None:
    rows = trained.test.take(np.arange(5))
    values = rows.values.copy()
    for name in ("due_month", "due_weekday", "order_amount_minor"):
        values[:, rows.names.index(name)] = 10**12
    said = trained.model.predict(replace(rows, values=values))
    assert ((said > 0) & (said < 1)).all()
    everything_missing = np.full_like(values, np.nan)
    said = trained.model.predict(replace(rows, values=everything_missing))
    assert ((said > 0) & (said < 1)).all()


def test_the_package_is_what_the_registry_takes(trained: Trained, found: Evaluation) -> None:
    manifest, data = package(trained, report(trained, found), {"a.png": b"x"}, "tests")
    check_manifest(manifest)
    assert manifest_from_bytes(manifest_to_bytes(manifest)) == manifest
    assert check_text(data, manifest).trees == trained.model.trees
    kept = trained.learn.keep(trained.names)
    row = dict(zip(kept.names, map(float, kept.values[0]), strict=True))
    assert inputs(manifest, row) == tuple(
        None if np.isnan(value) else float(value) for value in kept.values[0]
    )


def test_a_learned_card_is_an_ordinary_one(points: Trained) -> None:
    card = scorecard_from_json(json.loads(points.model.text))
    assert validate_scorecard(card, PLACEHOLDERS) == ()
    assert card.scaling == CARD.scaling
    looked = evaluate(points)
    assert looked.rivals.auc.lower > 0.7
    manifest, _ = package(points, report(points, looked), {}, "tests")
    check_manifest(manifest)
    few = points.test.values[:, points.test.names.index("invoices_known")] < card.minimum_history
    assert np.isnan(points.model.predict(points.test))[few].all()


class Outline(HTMLParser):
    """Opened and closed tags, and the text between."""

    def __init__(self, page: str) -> None:
        """Read a page."""
        super().__init__()
        self.open: list[str] = []
        self.images = 0
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "img" or dict(attrs)["alt"]
        self.images += tag == "img"
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_card_speaks_both_languages(trained: Trained, found: Evaluation) -> None:
    files = attach(trained, found, report(trained, found))
    pages = {name: Outline(files[f"card.{name}.html"].decode()) for name in ("zh", "en")}
    for page in pages.values():
        assert page.open == []
        assert page.images == 8
        assert f"{found.rivals.auc.value:.3f}" in page.words
    han = re.compile(r"[\u4e00-\u9fff]")
    assert han.search(pages["zh"].words)
    assert not han.search(pages["en"].words)
    assert all(files[name].startswith(b"\x89PNG") for name in files if name.endswith(".png"))


def test_too_few_customers_are_refused() -> None:
    three = [bill for bill in payers() if bill.customer < "C-003"]
    with pytest.raises(TrainingError, match="3 customers"):
        train(ledger(three), wish(), quiet)
