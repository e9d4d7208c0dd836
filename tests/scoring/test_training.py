"""A model is trained on what was known, tested once, and comes out the same each time."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser

import numpy as np
import pytest

from app.cli.train_child import attach
from app.domain.feature_catalogue import FEATURE
from app.domain.manifests import ModelKind, inputs
from app.domain.manifests_check import check_manifest
from app.domain.manifests_json import manifest_from_bytes, manifest_to_bytes
from app.domain.scorecard_check import validate_scorecard
from app.domain.scorecard_json import scorecard_from_json
from app.scoring.scorecard_file import standard_scorecard
from app.scoring.training_matrix import TrainingError
from app.scoring.training_package import package
from app.scoring.training_report import Evaluation, Verdict, evaluate, report
from app.scoring.training_rows import Target
from app.scoring.training_run import Trained, Wish, train
from app.scoring.validator import check_text
from app.texts import PLACEHOLDERS
from tests.scoring.payers import TODAY, Bill, ledger, payers

CARD = replace(standard_scorecard(), name="late-payment", late_days=0)


def wish(kind: ModelKind = ModelKind.LIGHTGBM) -> Wish:
    return Wish(kind, Target(0, CARD.horizon_days), None, TODAY, 1, CARD)


def quiet(_done: float, _note: str) -> None:
    """Hear nothing."""


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(ledger(payers()), wish(), quiet)


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
