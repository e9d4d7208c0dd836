"""Score the whole portfolio in one process, at memory that does not grow with it.

Customers are worked off a portion at a time, each in a transaction of its own as everywhere else
(`score_customers`); only the rater differs: it computes the features of a portion in bulk.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, Protocol

import polars as pl

from app.domain.features import FEATURES, Features
from app.domain.scorecard import Scorecard, rate
from app.scoring.features import feature_frame
from app.scoring.frames import OBSERVATIONS
from app.store import scores
from app.store.database import Database, Tx
from app.store.scores import Subject
from app.usecases.portfolio import pages, read_ledger
from app.usecases.score_raters import Bench, RateByCard, Rated, Standing, stand
from app.usecases.scoring import score_customers

PORTION: Final = 500
"""Customers scored in one transaction: it holds their accounts for a tenth of a second at most."""

AT_ONCE: Final = 2
"""Portions worked on at the same time: while one waits for the database, the other computes."""


class Scorer(Protocol):
    """What turns rows of features into scores; a scorecard, or a model behind its pipe."""

    def __call__(self, features: pl.DataFrame, standing: Sequence[Standing], /) -> Sequence[Rated]:
        """Rate each row of the feature table, in order; `standing` are their accounts.

        Raises:
            BusyError: What computes is out of reach; nobody is rated.

        """
        ...


@dataclass(frozen=True, slots=True)
class ScoreByCard:
    """The scorecard as a scorer of rows."""

    card: Scorecard

    def __call__(self, features: pl.DataFrame, standing: Sequence[Standing], /) -> Sequence[Rated]:
        """Rate each row as `rate` does."""
        rows = features.select(pl.col(name).cast(kind) for name, kind in _KINDS.items())
        return [
            self._rate(row, one)
            for row, one in zip(rows.iter_rows(named=True), standing, strict=True)
        ]

    def _rate(self, row: Mapping[str, Any], one: Standing) -> Rated:
        features = Features(currency=one.use.currency, **row)
        told = {"currency": one.use.currency, **row}
        return Rated(rate(features, self.card), one.as_of, told, self.card)


_WHOLE: Final = ("max_days_late", "overdue_amount_minor", "overdue_days", "tenure_days")
_KINDS: Final[dict[str, pl.DataType]] = {
    name: pl.Int64() if name in {*_WHOLE, "invoices_closed", "invoices_known"} else pl.Float64()
    for name in FEATURES
}


@dataclass(frozen=True, slots=True)
class RateInBulk:
    """Rate many customers over one feature table; `scorer` is chosen once a transaction."""

    scorer: Callable[[Tx], Scorer]

    def bench(self, tx: Tx, subject: Subject, at: datetime, /) -> Bench:
        """Do as the scorecard does: one customer is no bulk."""
        return RateByCard().bench(tx, subject, at)

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime, /) -> Mapping[str, Rated]:
        """Rate each subject, by customer id."""
        standing = stand(tx, subjects, at)
        ledger = read_ledger(tx, list(standing), None)
        features = feature_frame(ledger, _asked(standing))
        rated = self.scorer(tx)(features, list(standing.values()))
        return dict(zip(standing, rated, strict=True))


def _asked(standing: Mapping[str, Standing]) -> pl.DataFrame:
    """Ask as of each one's business date; use and limit are those of the account's counters."""
    rows = [
        {
            "customer_id": key,
            "as_of": one.as_of,
            "used_minor": one.use.used_minor,
            "limit_minor": one.use.limit_minor,
            "currency": one.use.currency,
        }
        for key, one in standing.items()
    ]
    return pl.DataFrame(rows, schema={key: OBSERVATIONS[key] for key in rows[0]} if rows else None)


def by_card(tx: Tx) -> Scorer:
    """Choose the scorecard in use."""
    return ScoreByCard(scores.active_scorecard(tx))


@dataclass(frozen=True, slots=True)
class ScorePortfolio:
    """Score every customer, `portion` in a transaction and `at_once` transactions at a time."""

    database: Database
    now: Callable[[], datetime]
    rater: RateInBulk = RateInBulk(by_card)
    portion: int = PORTION
    at_once: int = AT_ONCE

    def __call__(self, told: Callable[[int, int], None]) -> int:
        """Score all and return how many there were; `told` hears how many are done, of how many.

        Raises:
            BusyError: The database or the model was out of reach; what was committed stays.

        """
        with self.database.read() as tx:
            total = scores.count(tx)
        done = 0
        with ThreadPoolExecutor(self.at_once) as pool:
            for count in _in_turns(pool, self.score, pages(self.database, self.portion)):
                done += count
                told(done, max(done, total))
        return done

    def score(self, customer_ids: Sequence[str]) -> int:
        """Score one portion in one transaction and return how many it has.

        Raises:
            BusyError: The database or the model was out of reach; nothing was changed.

        """
        with self.database.begin() as tx:
            return score_customers(tx, customer_ids, self.now(), self.rater)


def _in_turns(
    pool: ThreadPoolExecutor, work: Callable[[list[str]], int], portions: Iterator[list[str]]
) -> Iterator[int]:
    """Give out portions no faster than they are done, so that few are in memory."""
    running: set[Future[int]] = set()
    for ids in portions:
        running.add(pool.submit(work, ids))
        if len(running) > AT_ONCE:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in ended)
    yield from (one.result() for one in list(islice(running, None)))
