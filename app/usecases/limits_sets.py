"""The use cases about limits beside proposals and decisions, which are with parties."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.store.database import Database
from app.usecases.limits import ProposeLimit
from app.usecases.limits_bulk import ProposeLimits
from app.usecases.limits_policy import PutLimitPolicy, ReadLimitPolicy
from app.usecases.recommendation import RecommendLimit
from app.usecases.reviews import ListEnding, ListReviews, RecordReview
from app.usecases.terms_read import ReadTerms


@dataclass(frozen=True, slots=True)
class Limits:
    """One field a use case."""

    recommend: RecommendLimit
    read_policy: ReadLimitPolicy
    put_policy: PutLimitPolicy
    list_reviews: ListReviews
    list_ending: ListEnding
    record_review: RecordReview
    read_terms: ReadTerms
    bulk: ProposeLimits

    @classmethod
    def over(cls, database: Database, now: Callable[[], datetime]) -> Self:
        """Make them on one database."""
        return cls(
            RecommendLimit(database, now),
            ReadLimitPolicy(database),
            PutLimitPolicy(database),
            ListReviews(database, now),
            ListEnding(database, now),
            RecordReview(database, now),
            ReadTerms(database, now),
            ProposeLimits(database, ProposeLimit(database, now)),
        )
