"""What the test window says of a model, in figures: whether it beats the rule, and how surely."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np

from app.domain.manifests import CalibrationMethod
from app.scoring.calibration import probabilities
from app.scoring.metrics import (
    Interval,
    Numbers,
    Rivals,
    auc,
    brier,
    calibration_error,
    compare,
    drawn_customers,
    ks,
    log_loss,
)
from app.scoring.training_matrix import Matrix, TrainingError
from app.scoring.training_rivals import logistic_regression, scorecard_log_odds
from app.scoring.training_run import Trained


class Verdict(StrEnum):
    """Whether the model ranks customers better than the rule, for all that chance may do."""

    BETTER = "better than the rule"
    NO_BETTER = "no better than the rule: keep the scorecard"
    WORSE = "worse than the rule: keep the scorecard"


@dataclass(frozen=True, slots=True)
class Period:
    """A step of the backtest, or a slice of the test: days from `start` to `until`, inclusive."""

    name: str
    rows: int
    late: int
    predicted: float
    auc: float | None
    brier: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The test window's rows that get a score, what everybody predicted there, and what came.

    `logistic` and `scorecard` are the rivals' probabilities; `scorecard` NaN where it gives none.
    `as_such` is the model asked about the customer, without what is known of the order.
    """

    test: Matrix
    predicted: Numbers
    rule: Numbers
    logistic: Numbers
    scorecard: Numbers
    as_such: Numbers
    rivals: Rivals
    unscored: int
    backtest: tuple[Period, ...]

    @property
    def verdict(self) -> Verdict:
        """Judge by the gain in AUC, customers drawn again."""
        gain = self.rivals.auc_gain
        if gain.lower > 0:
            return Verdict.BETTER
        return Verdict.WORSE if gain.upper < 0 else Verdict.NO_BETTER

    @property
    def auc_as_such(self) -> float | None:
        """Give the AUC without what is known of the order; None where there is none."""
        labels, said = self._as_such()
        return auc(labels, said) if 0 < float(np.sum(labels)) < len(labels) else None

    @property
    def ece_as_such(self) -> float | None:
        """Give the calibration error without what is known of the order; None without a score."""
        labels, said = self._as_such()
        return calibration_error(labels, said) if len(labels) else None

    def _as_such(self) -> tuple[Numbers, Numbers]:
        there = ~np.isnan(self.as_such)
        return self.test.labels[there], self.as_such[there]


def evaluate(trained: Trained) -> Evaluation:
    """Look at the test window, once.

    Raises:
        TrainingError: None of its rows gets a score, or those that do have one outcome.

    """
    whole = trained.model.predict(trained.test)
    scored = np.flatnonzero(~np.isnan(whole))
    test, predicted = trained.test.take(scored), whole[scored]
    if not 0 < float(np.sum(test.labels)) < len(test):
        raise TrainingError("test: among the rows that get a score there is one outcome only")
    rule = test.rule(trained.mean)
    learn = trained.learn.keep(trained.names)
    draw = drawn_customers(test.customers, trained.wish.seed)
    return Evaluation(
        test=test,
        predicted=predicted,
        rule=rule,
        logistic=logistic_regression(learn, test.keep(trained.names)),
        scorecard=_expit(scorecard_log_odds(trained.wish.card, test)),
        as_such=trained.model.predict(test.without_order()),
        rivals=compare(test.labels, predicted, rule, draw),
        unscored=len(whole) - len(scored),
        backtest=tuple(_backtest(trained)),
    )


def _expit(log_odds: Numbers) -> Numbers:
    found: Numbers = 1 / (1 + np.exp(-log_odds))
    return found


def _backtest(trained: Trained) -> Sequence[Period]:
    found: list[Period] = []
    for one in trained.model.checks:
        rows = trained.learn.take(one.rows)
        predicted = probabilities(trained.model.calibration, one.log_odds)
        name = f"{np.min(rows.days)}/{np.max(rows.days)}" if len(rows) else ""
        if len(rows):
            found.append(period(name, rows.labels, predicted))
    return found


def period(name: str, labels: Numbers, predicted: Numbers) -> Period:
    """Sum up some rows, at least one; no AUC where there is one outcome only."""
    late = int(np.sum(labels))
    both = 0 < late < len(labels)
    return Period(
        name=name,
        rows=len(labels),
        late=late,
        predicted=float(np.mean(predicted)),
        auc=auc(labels, predicted) if both else None,
        brier=brier(labels, predicted),
    )


def report(trained: Trained, found: Evaluation) -> dict[str, object]:
    """Write the report of `aval train --report`; the first nine names are the contract's."""
    labels, predicted = found.test.labels, found.predicted
    return {
        "auc": found.rivals.auc.value,
        "ks": ks(labels, predicted),
        "brier": found.rivals.brier.value,
        "baseline_auc": found.rivals.rule_auc.value,
        "baseline_brier": brier(labels, found.rule),
        "n_train": len(trained.learn),
        "n_test": len(found.test),
        "positives_test": int(np.sum(labels)),
        "features": list(trained.names),
        "verdict": found.verdict.value,
        "kind": trained.wish.kind.value,
        "target": {
            "late_days": trained.wish.target.late_days,
            "horizon_days": trained.wish.target.horizon_days,
        },
        "test_from": trained.test_from.isoformat(),
        "known_until": trained.observed.until.isoformat(),
        "positives_train": int(np.sum(trained.learn.labels)),
        "customers_test": len(np.unique(found.test.customers)),
        "unscored_test": found.unscored,
        "log_loss": log_loss(labels, predicted),
        "ece": calibration_error(labels, predicted),
        "intervals": _intervals(found.rivals),
        "rivals": rivals(found),
        "auc_without_order": found.auc_as_such,
        "ece_without_order": found.ece_as_such,
        "backtest": [asdict(one) for one in found.backtest],
        "calibration": _calibration(trained),
        "shape": trained.model.shape,
        "trees": trained.model.trees,
        "constant": ", ".join(name for name, why in trained.dropped.items() if why == "constant"),
        "missing": [name for name, why in trained.dropped.items() if why == "missing"],
        "left_out": dict(trained.observed.left_out),
        "seed": trained.wish.seed,
        "data_sha256": trained.learn.keep(trained.names).digest(),
    }


def rivals(found: Evaluation) -> dict[str, dict[str, float | int]]:
    """Say how each rival does, on the rows that it gives a probability for."""
    sides = {"rule": found.rule, "logistic": found.logistic, "scorecard": found.scorecard}
    answer: dict[str, dict[str, float | int]] = {}
    for name, said in sides.items():
        there = ~np.isnan(said)
        labels = found.test.labels[there]
        if 0 < float(np.sum(labels)) < len(labels):
            answer[name] = {
                "auc": auc(labels, said[there]),
                "brier": brier(labels, said[there]),
                "rows": len(labels),
            }
    return answer


def _intervals(found: Rivals) -> dict[str, list[float]]:
    parts: dict[str, Interval] = {
        "auc": found.auc,
        "auc_gain": found.auc_gain,
        "brier": found.brier,
        "brier_gain": found.brier_gain,
    }
    return {name: [one.value, one.lower, one.upper] for name, one in parts.items()}


def _calibration(trained: Trained) -> dict[str, object]:
    line = trained.model.calibration
    if line.method is CalibrationMethod.NONE:
        return {"method": "none"}
    return {"method": line.method.value, "slope": line.slope, "intercept": line.intercept}
