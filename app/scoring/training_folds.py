"""Cut rows by time: what a model may learn from, and what it is then asked about.

A row may be learned from on a day only if its window had closed before that day. An invoice that is
not yet due is no row even where it is paid: of those only the punctual are known so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from app.scoring.metrics import Numbers
from app.scoring.training_matrix import Days, Matrix, Rows, TrainingError

LEAST_CUSTOMERS: Final = 10
"""With fewer customers a model learns who they are, not how customers pay."""

LEAST_OF_EACH: Final = 20
"""So many late and so many punctual rows are needed to learn from."""

FOLDS: Final = 3
"""Steps of the rolling backtest within the training window."""

_TEST_SHARE: Final = 0.25
_FIRST_CUT: Final = 0.5


@dataclass(frozen=True, slots=True)
class Fold:
    """Row numbers to learn from, and later ones to be asked about."""

    learn: Rows
    check: Rows


@dataclass(frozen=True, slots=True)
class Check:
    """Rows that were asked about, and the log odds a model said that had not seen them."""

    rows: Rows
    log_odds: Numbers


def pooled(learn: Matrix, checks: Sequence[Check]) -> tuple[Numbers, Numbers]:
    """Put labels and log odds of all checks together."""
    return (
        np.concatenate([learn.labels[one.rows] for one in checks]),
        np.concatenate([one.log_odds for one in checks]),
    )


def split_at(matrix: Matrix, test_from: date) -> Fold:
    """Ask about days from `test_from` (inclusive); learn from windows that closed before it.

    Raises:
        TrainingError: Too little on either side, or one outcome only.

    """
    first = np.datetime64(test_from, "D")
    fold = Fold(np.flatnonzero(matrix.closes < first), np.flatnonzero(matrix.days >= first))
    _refuse_thin(matrix, fold, test_from)
    return fold


def _refuse_thin(matrix: Matrix, fold: Fold, test_from: date) -> None:
    if not len(fold.learn):
        raise TrainingError(f"no observation window had closed before {test_from}")
    if not len(fold.check):
        last = np.max(matrix.days)
        raise TrainingError(f"the test window is empty: no closed row from {test_from} ({last})")
    customers = len(np.unique(matrix.customers[fold.learn]))
    if customers < LEAST_CUSTOMERS:
        raise TrainingError(f"{customers} customers to learn from, {LEAST_CUSTOMERS} are needed")
    for part, rows, least in (
        ("learn from", fold.learn, LEAST_OF_EACH),
        ("test on", fold.check, 1),
    ):
        late = int(np.sum(matrix.labels[rows]))
        good = len(rows) - late
        if min(late, good) < least:
            raise TrainingError(
                f"{late} late and {good} punctual rows to {part}, {least} of each are needed"
            )


def default_cut(matrix: Matrix) -> date:
    """Give the day from which on the newest quarter of the rows lies.

    Raises:
        TrainingError: There is no row.

    """
    if not len(matrix):
        raise TrainingError("no observation window has closed yet")
    return _day(matrix.days, 1 - _TEST_SHARE)


def _day(days: Days, share: float) -> date:
    ranked = np.sort(days)
    found: date = ranked[min(len(ranked) - 1, int(share * len(ranked)))].astype(object)
    return found


def rolling(learn: Matrix) -> list[Fold]:
    """Cut the training rows into `FOLDS` steps: learn what had closed, ask about what came next.

    Steps without both outcomes on both sides are left out; without any step left, customers are cut
    in parts instead: better than no check at all, where all days are one.
    """
    shares = np.linspace(_FIRST_CUT, 1, FOLDS + 1)[:-1]
    cuts = sorted({_day(learn.days, float(share)) for share in shares})
    days = [np.datetime64(cut, "D") for cut in cuts]
    after = [*days[1:], np.max(learn.days) + np.timedelta64(1, "D")]
    found = [
        Fold(
            np.flatnonzero(learn.closes < cut),
            np.flatnonzero((learn.days >= cut) & (learn.days < until)),
        )
        for cut, until in zip(days, after, strict=True)
    ]
    usable = [fold for fold in found if _has_both(learn, fold)]
    return usable or by_customer(learn)


def by_customer(learn: Matrix, parts: int = FOLDS) -> list[Fold]:
    """Cut customers into parts by their place in the sorted list; each part is asked about once.

    Raises:
        TrainingError: Not one part has both outcomes on both sides.

    """
    _, place = np.unique(learn.customers, return_inverse=True)
    found = [
        Fold(np.flatnonzero(place % parts != part), np.flatnonzero(place % parts == part))
        for part in range(parts)
    ]
    usable = [fold for fold in found if _has_both(learn, fold)]
    if not usable:
        raise TrainingError("no part of the training rows has both late and punctual ones")
    return usable


def _has_both(learn: Matrix, fold: Fold) -> bool:
    parts = (learn.labels[fold.learn], learn.labels[fold.check])
    return all(len(part) and 0 < np.sum(part) < len(part) for part in parts)
