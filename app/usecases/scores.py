"""The score of one customer, computed now; and the use cases of scores together."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.domain.callers import Caller
from app.domain.scores import StoredScore
from app.store.database import Database
from app.usecases.health_models import ReadHealth
from app.usecases.overrides import DecideOverride, ListOverrides, ProposeOverride
from app.usecases.score_report import ReportShadow
from app.usecases.score_terms import ScoreTerms
from app.usecases.score_together import ScoreTogether
from app.usecases.score_what_if import AskWhatIf
from app.usecases.scorecards import ActivateScorecard, ReadScorecard
from app.usecases.scoring import RescoreAccounts, ScoreCustomers


@dataclass(frozen=True, slots=True)
class ScoreCustomer:
    """Score a customer now."""

    together: ScoreTogether

    def __call__(self, caller: Caller, ref: str) -> StoredScore:
        """Compute, store and return the score of the customer that `ref`, an id or alias, names.

        Raises:
            CustomerUnknownError: Nobody has this id, or it lies out of sight.
            BusyError: The database or the model was out of reach, somebody else scores the
                customer, or too many wait.

        """
        return self.together(caller, ref).result()

    async def soon(self, caller: Caller, ref: str) -> StoredScore:
        """Do the same without blocking the event loop; who is cancelled harms nobody else."""
        return await asyncio.wrap_future(self.together(caller, ref))


@dataclass(frozen=True, slots=True)
class Scores:
    """The use cases of scores together, one field each."""

    score_customer: ScoreCustomer
    score_customers: ScoreCustomers
    rescore: RescoreAccounts
    read_scorecard: ReadScorecard
    activate_scorecard: ActivateScorecard
    propose_override: ProposeOverride
    decide_override: DecideOverride
    list_overrides: ListOverrides
    what_if: AskWhatIf
    health: ReadHealth
    shadow_report: ReportShadow

    @classmethod
    def over(
        cls, database: Database, now: Callable[[], datetime], terms: ScoreTerms | None = None
    ) -> Self:
        """Make them on one database; without terms the scorecard rates and one person overrides."""
        known = terms or ScoreTerms()
        rater, four_eyes = known.rater, known.four_eyes
        score_customers = ScoreCustomers(database, now, rater)
        return cls(
            ScoreCustomer(ScoreTogether(database, now, rater, known.cooldown)),
            score_customers,
            RescoreAccounts(score_customers, known.cooldown),
            ReadScorecard(database),
            ActivateScorecard(database, now),
            ProposeOverride(database, now, rater, four_eyes=four_eyes),
            DecideOverride(database, now, rater, four_eyes=four_eyes),
            ListOverrides(database),
            AskWhatIf(database, now, rater),
            ReadHealth(database, now),
            ReportShadow(database, now),
        )
