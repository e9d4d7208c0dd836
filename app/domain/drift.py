"""Whether a model still meets the customers it was made for, and still tells the truth of them.

The population stability index (PSI) compares shares by bins: below 0.1 is stable, from 0.25 on the
model meets other customers than before. Bins are the tenths of the reference; missing is a bin.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

FEWEST: Final = 50
"""Fewer values on a side say nothing."""

_BINS: Final = 10
_WATCH_PSI: Final = 0.1
_ACT_PSI: Final = 0.25
_WATCH_Z: Final = 2.0
_ACT_Z: Final = 3.0
_SMALL: Final = 1e-4
"""Stands for a share of nothing, whose logarithm there is not."""


class Verdict(StrEnum):
    """What is to be done; the later the worse, but for TOO_LITTLE, which says nothing."""

    TOO_LITTLE = "TOO_LITTLE"
    OK = "OK"
    WATCH = "WATCH"
    ACT = "ACT"


@dataclass(frozen=True, slots=True)
class Stability:
    """How far a feature (or the score) moved; shares of missing values are 0 to 1."""

    name: str
    psi: float | None
    missing_before: float
    missing_now: float

    @property
    def verdict(self) -> Verdict:
        """Judge the index."""
        if self.psi is None:
            return Verdict.TOO_LITTLE
        if self.psi < _WATCH_PSI:
            return Verdict.OK
        return Verdict.WATCH if self.psi < _ACT_PSI else Verdict.ACT


@dataclass(frozen=True, slots=True)
class Month:
    """Scores of a month against what happened since: each customer once, by its first score.

    Counted are those whose next invoice has shown whether it is late: `scored`, of whom `predicted`
    is the mean PD, and `defaulted` of whom it was late beyond the bound. `matured`: the horizon of
    all who were scored is over; before, more may still come.
    """

    month: date
    scored: int
    predicted: float
    defaulted: int
    matured: bool

    @property
    def actual(self) -> float:
        """The share that defaulted."""
        return self.defaulted / self.scored

    @property
    def verdict(self) -> Verdict:
        """Judge a matured month: too many or too few defaults for the probabilities told."""
        if not self.matured or self.scored < FEWEST:
            return Verdict.TOO_LITTLE
        spread = math.sqrt(max(self.predicted * (1 - self.predicted), _SMALL) / self.scored)
        z = abs(self.actual - self.predicted) / spread
        if z < _WATCH_Z:
            return Verdict.OK
        return Verdict.WATCH if z < _ACT_Z else Verdict.ACT


def stability(name: str, before: Sequence[float | None], now: Sequence[float | None]) -> Stability:
    """Compare what a feature was with what it is; None where a side has fewer than `FEWEST`."""
    missing = _missing(before), _missing(now)
    if min(len(before), len(now)) < FEWEST:
        return Stability(name, None, *missing)
    edges = _edges(sorted(value for value in before if value is not None))
    shares = zip(_shares(before, edges), _shares(now, edges), strict=True)
    return Stability(name, sum((q - p) * math.log(q / p) for p, q in shares), *missing)


def _edges(known: Sequence[float]) -> list[float]:
    """Cut into tenths; what lies beyond the ends is a bin on each side."""
    if not known:
        return []
    tenths = {known[len(known) * part // _BINS] for part in range(1, _BINS)}
    return sorted({known[0], *tenths, math.nextafter(known[-1], math.inf)})


def _missing(values: Sequence[float | None]) -> float:
    return sum(value is None for value in values) / len(values) if values else 0.0


def _shares(values: Sequence[float | None], edges: Sequence[float]) -> list[float]:
    counts = [0] * (len(edges) + 2)
    for value in values:
        counts[-1 if value is None else bisect_right(edges, value)] += 1
    return [max(count / len(values), _SMALL) for count in counts]


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Give the worst; TOO_LITTLE only where nothing says more."""
    order = list(Verdict)
    return max(verdicts, key=order.index, default=Verdict.TOO_LITTLE)
