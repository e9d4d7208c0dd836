"""The score of one customer, computed now; and the use cases of scores together."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.domain.callers import Caller
from app.domain.scores import StoredScore
from app.store.database import Database
from app.usecases.health_models import ReadHealth
from app.usecases.overrides import DecideOverride, ListOverrides, ProposeOverride
from app.usecases.score_reads import find_customer, unknown
from app.usecases.score_report import ReportShadow
from app.usecases.score_terms import ScoreTerms
from app.usecases.score_together import ScoreTogether
from app.usecases.score_what_if import AskWhatIf
from app.usecases.scorecards import ActivateScorecard, ReadScorecard
from app.usecases.scoring import RescoreAccounts, ScoreCustomers


@dataclass(frozen=True, slots=True)
class ScoreCustomer:
    """Score a customer now."""

    database: Database
    now: Callable[[], datetime]
    together: ScoreTogether

    def __call__(self, caller: Caller, ref: str) -> StoredScore:
        """Compute, store and return the score of the customer that `ref`, an id or alias, names.

        Raises:
            CustomerUnknownError: Nobody has this id, or it lies out of sight.
            BusyError: The database or the model was out of reach, or somebody else scores the
                customer.

        """
        with self.database.read() as tx:
            customer_id = find_customer(tx, caller, ref)
        found = self.together(customer_id)
        if found is None:  # merged into another between the two
            raise unknown(ref)
        return found


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
            ScoreCustomer(database, now, ScoreTogether(database, now, rater)),
            score_customers,
            RescoreAccounts(score_customers, known.cooldown),
            ReadScorecard(database),
            ActivateScorecard(database),
            ProposeOverride(database, now, rater, four_eyes=four_eyes),
            DecideOverride(database, now, rater, four_eyes=four_eyes),
            ListOverrides(database),
            AskWhatIf(database, now, rater),
            ReadHealth(database, now),
            ReportShadow(database, now),
        )
