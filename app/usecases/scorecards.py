"""Scorecards: the one in use, and a new version in its place."""

from dataclasses import dataclass, replace

from app.domain.scorecard import Scorecard
from app.store import scores
from app.store.database import Database


@dataclass(frozen=True, slots=True)
class ReadScorecard:
    """Read the scorecard in use."""

    database: Database

    def __call__(self) -> Scorecard:
        """Return the scorecard that customers are scored by.

        Raises:
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            return scores.active_scorecard(tx)


@dataclass(frozen=True, slots=True)
class ActivateScorecard:
    """Store a scorecard as the next version and score by it from now on."""

    database: Database

    def __call__(self, card: Scorecard) -> tuple[Scorecard, bool]:
        """Return the scorecard in use after, and whether it is a new version.

        `card` was found without error by `validate_scorecard`. Its version is not looked at: the
        next free one is given, and a card equal to the one in use is left as it is.

        Raises:
            BusyError: The database was out of reach.

        """
        with self.database.begin() as tx:
            newest = scores.newest_scorecard(tx)
            before = scores.active_scorecard(tx)
            if replace(card, version=before.version) == before:
                return before, False
            after = replace(card, version=newest + 1)
            scores.activate_scorecard(tx, after)
            return after, True
