"""Score customers: rate them, let overrides speak, store what is new."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import structlog

from app.domain.errors import BusyError
from app.domain.feature_catalogue import RELATED_NAMES
from app.domain.manifests import Manifest
from app.domain.rules_context import behaviour_of, behaviour_read
from app.domain.scores_json import says_the_same, score_from_json, score_to_json
from app.domain.scores_override import Override, override_score
from app.domain.scores_refresh import Urgency
from app.store import overrides, score_due, score_models, scores
from app.store.database import Database, Tx
from app.store.facts_inbox import use_indexes
from app.store.score_due import Due
from app.store.score_models import Shadowed
from app.store.scores import Found, Subject
from app.telemetry.scores import SCORE_WAIT_SECONDS, SCORES
from app.usecases.score_raters import RateByCard, Rated, Rater
from app.usecases.score_reads import COOLDOWN

_log = structlog.get_logger(__name__)

CHUNK: Final = 50
"""Customers scored in one transaction."""

MOST_AT_ONCE: Final = 50
"""So many customers are scored right after facts, in one transaction of some 25 ms.

Where more are due all are left to background work, which has to come for most of them anyway: a
full batch of facts touches hundreds, and which of them came first would say nothing.
"""

COMMITTED: Final = timedelta(minutes=1)
"""So long after the moment that facts say they came, they are there for every reader, as a
rule; who is missed by a longer commit is scored in the night."""

RENEWED: Final = timedelta(days=1)
"""A score that says the same is stored anew when the one stored is older than this."""

_MANY: Final = 100
"""From so many invoices of a payer on, rules need not hear at once that there is one more."""


@dataclass(frozen=True, slots=True)
class ScoreCustomers:
    """Score some customers, or all of them, `CHUNK` in a transaction."""

    database: Database
    now: Callable[[], datetime]
    rater: Rater = field(default_factory=RateByCard)

    def __call__(self, customer_ids: Collection[str]) -> int:
        """Score customers by their ids (not aliases) and return how many there were.

        Raises:
            BusyError: The database or the model was out of reach; what was committed stays.

        """
        ids = iter(sorted(set(customer_ids)))
        done = 0
        while chunk := list(islice(ids, CHUNK)):
            done += self._score(chunk)
        return done

    def every(self, told: Callable[[int, int], None]) -> int:
        """Score every customer; `told` hears how many are done, and of how many.

        Raises:
            BusyError: The database or the model was out of reach; what was committed stays.

        """
        done, after = 0, ""
        with self.database.read() as tx:
            total = scores.count(tx)
        while True:
            with self.database.read() as tx:
                chunk = scores.page(tx, after, CHUNK)
            if not chunk:
                return done
            done, after = done + self._score(chunk), chunk[-1]
            told(done, max(done, total))

    def _score(self, chunk: Sequence[str]) -> int:
        with self.database.begin() as tx:
            return score_customers(tx, chunk, self.now(), self.rater)


@dataclass(frozen=True, slots=True)
class RescoreAccounts:
    """Score the customers of accounts that facts were booked on, after these were committed."""

    score: ScoreCustomers
    cooldown: timedelta = COOLDOWN

    def __call__(self, account_ids: Collection[int], most: int = MOST_AT_ONCE) -> int:
        """Score them and those of their groups; returns how many.

        Of those whose score is due and does not rest, all or, where these are more than `most`,
        none.

        Raises:
            BusyError: The database or the model was out of reach, or features cannot be computed
                of one of them; what was not done stays due.

        """
        if not account_ids:
            return 0
        at = self.score.now()
        with self.score.database.read() as tx:
            use_indexes(tx)
            ids = score_due.ripe(tx, account_ids, at, self.cooldown, most + 1)
        return self.score(ids) if len(ids) <= most else 0

    def afterwards(self, account_ids: Collection[int]) -> None:
        """Score them if that can be done now: the facts are in, and what is not done stays due."""
        try:
            self(account_ids)
        except BusyError as trouble:
            _log.warning("not_rescored", accounts=len(account_ids), reason=trouble.detail)


def score_customers(tx: Tx, customer_ids: Collection[str], at: datetime, rater: Rater) -> int:
    """Score customers within a transaction and return how many there were.

    What was due of them is done with it. Who was merged into another is none.

    Raises:
        BusyError: What computes is out of reach.

    """
    due = score_due.remove(tx, customer_ids)  # before anything is read: see `app/store/score_due`
    subjects = scores.lock(tx, customer_ids)
    rated = rater(tx, subjects, at)
    said = overrides.in_force(tx, [one.customer_id for one in subjects], at)
    found = [_found(one, rated[one.customer_id], said.get(one.customer_id), at) for one in subjects]
    scores.write(tx, found, at)
    _keep_shadows(tx, found, rated, at)
    _list_relatives(tx, due, rated, at)
    for row in due:
        SCORE_WAIT_SECONDS.observe(max(0.0, (at - row.since).total_seconds()))
    for source, count in Counter(one.data["source"] for one in found).items():
        SCORES.labels(source).inc(count)
    return len(found)


def _list_relatives(tx: Tx, due: Sequence[Due], rated: Mapping[str, Rated], at: datetime) -> None:
    """Let those whose features see customers of whom something came be scored behind all others.

    Not those scored since, in another portion of a whole portfolio, say.
    """
    came = [one for one in due if one.urgency <= Urgency.EVENT]
    if came and any(_looks_at_relatives(one) for one in rated.values()):
        seen = max(one.since for one in came) + COMMITTED
        score_due.add_relatives(tx, {one.customer_id for one in came}, seen, at)


def _looks_at_relatives(rated: Rated) -> bool:
    scale = rated.scale
    return isinstance(scale, Manifest) and not RELATED_NAMES.isdisjoint(scale.feature_names)


def _keep_shadows(tx: Tx, found: Sequence[Found], rated: Mapping[str, Rated], at: datetime) -> None:
    """Keep what a watching model said beside the scores that hold from now on."""
    kept = []
    for one in found:
        shadow = rated[one.subject.customer_id].shadow
        if shadow is not None:
            held = score_from_json(one.data)
            kept.append(Shadowed(one.subject.customer_id, one.as_of, shadow, held))
    score_models.keep_shadows(tx, kept, at)


def _found(subject: Subject, rated: Rated, override: Override | None, at: datetime) -> Found:
    score = rated.score
    if override is not None:
        score = override_score(score, override, rated.scale)
    data = score_to_json(score, rated.as_of, rated.computed_at or at)
    data["behaviour"] = behaviour_of(rated.features)
    return Found(
        subject=subject,
        as_of=rated.as_of,
        data=data,
        evidence={**data, "features": rated.features},
        is_new=not _stands(subject.data, data, at),
        inputs=tuple(
            one.account_id
            for one in subject.accounts
            if not _reads_the_same(subject.told.get(one.account_id), data, at)
        ),
    )


def _stands(before: Mapping[str, object] | None, data: Mapping[str, object], at: datetime) -> bool:
    """Tell whether a stored score says the same and is not a day old."""
    if before is None or not says_the_same(before, data):
        return False
    return at - datetime.fromisoformat(str(before["scored_at"])) < RENEWED


def _reads_the_same(
    before: Mapping[str, object] | None, data: Mapping[str, object], at: datetime
) -> bool:
    """Tell whether rules would read of an account what they read of it before.

    They read how the customer paid too, which may have moved where the score did not.
    """
    return _stands(before, data, at) and _paid(before) == _paid(data)


def _paid(data: Mapping[str, object] | None) -> dict[str, int]:
    """Give how a customer paid; invoices beyond many are no news, or each would write inputs."""
    return {
        name: min(value, _MANY) if name == "invoices_known" else value
        for name, value in behaviour_read(data).items()
    }
