"""Score the whole portfolio in one process, at memory that does not grow with it.

Customers are worked off a portion at a time, each in a transaction of its own as everywhere else
(`score_customers`); only the features are computed otherwise: of a whole portion in one table,
here and not behind a pipe. Nothing that `serve` imports may import this module.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Any, Final, Protocol

import polars as pl

from app.domain.errors import BusyError
from app.domain.feature_catalogue import NAMES
from app.domain.features import FEATURES, AccountUse, Features
from app.domain.scorecard import Scorecard, rate
from app.scoring.features import observed
from app.scoring.frames import OBSERVATIONS
from app.scoring.frames_csv import ledger_of
from app.scoring.observing import Copies
from app.store import scores
from app.store.database import Tx
from app.store.scores import Subject
from app.usecases.portfolio import copy_ledger, pages
from app.usecases.score_models import RateByModel
from app.usecases.score_portions import Scored, ScorePortion
from app.usecases.score_raters import Bench, RateByCard, Rated, Rater, uses

PORTION: Final = 1_000
"""Customers scored in one transaction: it holds their accounts for a fifth of a second at most."""

AT_ONCE: Final = 2
"""Portions worked on at the same time: while one waits for the database, the other computes."""

_WHOLE: Final = frozenset(
    {
        "invoices_closed",
        "invoices_known",
        "max_days_late",
        "overdue_amount_minor",
        "overdue_days",
        "tenure_days",
    }
)
_KINDS: Final = {name: pl.Int64() if name in _WHOLE else pl.Float64() for name in FEATURES}


@dataclass(frozen=True, slots=True)
class FeaturesHere:
    """The feature process's work, in this process."""

    def __call__(
        self, copies: Copies, asks: Sequence[Mapping[str, object]]
    ) -> list[dict[str, float | None]]:
        """Compute all features of the catalogue for each ask, in order."""
        background = [{**row, "day": _day(row["day"])} for row in copies.background]
        asked = [{**row, "as_of": _day(row["as_of"])} for row in asks]
        frame = observed(partial(ledger_of, copies.parts, background), _observations(asked))
        return list(frame.select(NAMES).iter_rows(named=True))

    def stop(self) -> None:
        """Do nothing: there is no process."""


def _day(text: object) -> date:
    return date.fromisoformat(str(text))


def _observations(asked: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    names = asked[0].keys() if asked else ("customer_id", "as_of")
    return pl.DataFrame(asked, schema={name: OBSERVATIONS[name] for name in names})


@dataclass(frozen=True, slots=True)
class RateByCardInBulk:
    """Rate by the scorecard in use, over one feature table of all subjects."""

    def stop(self) -> None:
        """Do nothing: there is no process."""

    def bench(self, tx: Tx, subject: Subject, at: datetime) -> Bench:
        """Do as for one customer at a time."""
        return RateByCard().bench(tx, subject, at)

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        """Rate each subject, by customer id."""
        card = scores.active_scorecard(tx)
        known = uses(tx, subjects, at)
        parts = copy_ledger(tx, list(known))
        # a scorecard knows no rates of all customers
        frame = observed(partial(ledger_of, parts, []), _asked(known))
        rows = frame.select(pl.col(name).cast(kind) for name, kind in _KINDS.items())
        pairs = zip(known.items(), rows.iter_rows(named=True), strict=True)
        return {key: _rate_row(row, use.currency, day, card) for (key, (use, day)), row in pairs}


def _asked(known: Mapping[str, tuple[AccountUse, date]]) -> pl.DataFrame:
    """Ask as of each one's business date; use and limit are those of the account's counters."""
    return _observations(
        [
            {
                "customer_id": key,
                "as_of": day,
                "used_minor": use.used_minor,
                "limit_minor": use.limit_minor,
                "currency": use.currency,
            }
            for key, (use, day) in known.items()
        ]
    )


def _rate_row(row: Mapping[str, Any], currency: str, as_of: date, card: Scorecard) -> Rated:
    told = {"currency": currency, **row}
    return Rated(rate(Features(**told), card), as_of, told, card)


def in_bulk(rater: Rater) -> Rater:
    """Give a rater that says the same and computes the features of many customers at once."""
    if isinstance(rater, RateByModel):
        return replace(rater, observer=FeaturesHere(), card=RateByCardInBulk())
    return RateByCardInBulk()


class Spread(Protocol):
    """Who works portions off, at the same time and in any order."""

    def __call__(
        self, score: Callable[[Sequence[str]], Scored], portions: Iterator[list[str]], /
    ) -> Iterator[Scored]:
        """Yield what became of each portion as it is done.

        `score` is what this process would do with a portion; others do the same by their own.

        Raises:
            BusyError: Many in a row could not be scored; what was committed stays.

        """
        ...


def in_threads(
    score: Callable[[Sequence[str]], Scored], portions: Iterator[list[str]], /
) -> Iterator[Scored]:
    """Work in threads of this process, giving portions out no faster than they are done."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running: set[Future[Scored]] = set()
        for ids in portions:
            running.add(pool.submit(score, ids))
            if len(running) > AT_ONCE:
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in ended)
        yield from (one.result() for one in running)


@dataclass(frozen=True, slots=True)
class ScorePortfolio:
    """Score every customer, `portion` at a time; who cannot be scored ends nothing."""

    score: ScorePortion
    portion: int = PORTION

    def __call__(self, told: Callable[[int, int], None], spread: Spread = in_threads) -> Scored:
        """Score all and return what became of them; `told` hears how many were tried, of how many.

        Raises:
            BusyError: Many in a row could not be scored; what was committed stays.

        """
        database = self.score.database
        with database.read() as tx:
            total = scores.count(tx)
        found, in_a_row = Scored(), 0
        for one in spread(self.score, pages(database, self.portion)):
            found += one
            tried = found.done + found.failed
            told(tried, max(tried, total))
            in_a_row = in_a_row + 1 if one.failed and not one.done else 0
            if in_a_row == self.score.most_in_a_row:
                break
        if found.failed and (in_a_row == self.score.most_in_a_row or not found.done):
            raise BusyError(found.reason)
        return found
