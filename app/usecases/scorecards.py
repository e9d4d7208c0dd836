"""Scorecards: the one in use, what another would change, and a new version in its place."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.features import Features
from app.domain.scorecard import Scorecard
from app.domain.scorecard_diff import ScorecardDiff, ScorecardTrial, diff_scorecards
from app.store import score_cards, score_nights, scores
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
    """Store a scorecard as the next version and score by it from now on.

    Everybody's score is due in the same transaction, as with another champion: the night begins
    anew.
    """

    database: Database
    now: Callable[[], datetime]

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
            score_nights.begin_anew(tx, self.now())
            return after, True


@dataclass(frozen=True, slots=True)
class ScorecardPreview:
    """What another scorecard would change; `base_version` is that of the one in use."""

    base_version: int
    diff: ScorecardDiff
    trial: ScorecardTrial


@dataclass(frozen=True, slots=True)
class TryScorecard:
    """Say what a scorecard would change, and change nothing."""

    database: Database

    def __call__(self, card: Scorecard) -> ScorecardPreview:
        """Compare with the one in use, and rate everybody whom that one rated.

        Each customer is rated by what its stored score was computed from; who is rated by a model
        or by a person's word is not counted.

        Raises:
            BusyError: The database was out of reach.

        """
        trial = ScorecardTrial(card)
        with self.database.read() as tx:
            before = scores.active_scorecard(tx)
            for stored in score_cards.rated_by_card(tx):
                trial.add(stored, Features(**stored["features"]))
        return ScorecardPreview(before.version, diff_scorecards(before, card), trial)
