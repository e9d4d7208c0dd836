"""Overrides of scores: said by one person, where the policy asks for it approved by a second."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal
from uuid import uuid4

from app.domain.callers import Caller
from app.domain.errors import BusyError, FourEyesError
from app.domain.errors_models import OverrideStateError
from app.domain.ids import need_id
from app.domain.scores import RiskClass
from app.domain.scores_override import Override, OverrideStatus, check_expiry
from app.domain.scores_refresh import Urgency
from app.store import customers, overrides, score_due, scores
from app.store.database import Database, Tx
from app.usecases.score_raters import RateAsBefore, RateByCard, Rater
from app.usecases.score_reads import find_customer
from app.usecases.scoring import score_customers
from app.usecases.sight import need_sight

Action = Literal["approve", "reject", "end"]

_FROM: Final = {
    "approve": OverrideStatus.PROPOSED,
    "reject": OverrideStatus.PROPOSED,
    "end": OverrideStatus.IN_FORCE,
}


@dataclass(frozen=True, slots=True)
class OverrideAsk:
    """A class as a person sees it, why, and until when; `replaces` names what it takes over."""

    risk_class: RiskClass
    reason: str
    expires_at: datetime
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class ProposeOverride:
    """Override a customer's score, or with `four_eyes` propose to."""

    database: Database
    now: Callable[[], datetime]
    rater: Rater = field(default_factory=RateByCard)
    four_eyes: bool = False

    def __call__(self, caller: Caller, ref: str, ask: OverrideAsk) -> tuple[Override, bool]:
        """Return the override and whether it is new; the same said again is the one that was.

        Raises:
            CustomerUnknownError: Nobody has this id, or it lies out of sight.
            ForbiddenError: The customer has accounts in segments out of sight.
            FieldError: It would be over already, or hold for more than a year.
            OverrideStateError: Another one is in force that this does not replace, or the one that
                it replaces is not.
            BusyError: The database was out of reach, or somebody else scores or merges the
                customer.

        """
        at = self.now()
        check_expiry(ask.expires_at, at)
        with self.database.begin() as tx:
            customer_id = _lock(tx, caller, ref)
            made = _made(customer_id, ask, caller, at)
            standing = _standing(tx, customer_id, at)
            if standing is not None and standing.says_the_same(made):
                return standing, False
            if self.four_eyes:
                for waiting in overrides.proposed(tx, customer_id, at):
                    if waiting.says_the_same(made):
                        return waiting, False
                overrides.add(tx, made)
                return made, True
            _replace(tx, standing, ask.replaces, caller, at)
            made = replace(
                made, status=OverrideStatus.IN_FORCE, decided_by=caller.client, decided_at=at
            )
            overrides.add(tx, made)
            _rescore(tx, customer_id, at, self.rater)
        return made, True


@dataclass(frozen=True, slots=True)
class DecideOverride:
    """Approve or reject a proposed override, or end one that is in force."""

    database: Database
    now: Callable[[], datetime]
    rater: Rater = field(default_factory=RateByCard)
    four_eyes: bool = False

    def __call__(self, caller: Caller, named: tuple[str, str], action: Action) -> Override:
        """Return the override as decided; `named` is (id or alias of the customer, its own id).

        Raises:
            CustomerUnknownError: Nobody has this id, or it lies out of sight.
            ForbiddenError: The customer has accounts in segments out of sight.
            NotFoundError: The customer has no such override.
            OverrideStateError: It is not in a state in which this can be done, or what is in force
                came after it was proposed.
            FourEyesError: A second person is asked for, and the caller proposed it, or would end
                one that is worse than what was computed.
            BusyError: The database was out of reach, or somebody else scores or merges the
                customer.

        """
        ref, override_id = named
        need_id(override_id, "override")
        at = self.now()
        with self.database.begin() as tx:
            customer_id = _lock(tx, caller, ref)
            before = overrides.lock(tx, customer_id, override_id)
            after = self._decide(tx, before, (action, caller), at)
            overrides.write(tx, after)
            if action != "reject":
                _rescore(tx, customer_id, at, self.rater)
            if action == "end" and self.four_eyes:
                _need_no_better(tx, before)
        return after

    def _decide(
        self, tx: Tx, before: Override, what: tuple[Action, Caller], at: datetime
    ) -> Override:
        action, caller = what
        if before.status is not _FROM[action] or before.expires_at <= at:
            state = "over" if before.expires_at <= at else before.status
            raise OverrideStateError(
                f"the override is {state}, only one that is {_FROM[action]} can be taken here"
            )
        if action == "end":
            status = OverrideStatus.ENDED
            return replace(before, status=status, ended_by=caller.client, ended_at=at)
        decided = replace(before, decided_by=caller.client, decided_at=at)
        if action == "reject":
            return replace(decided, status=OverrideStatus.REJECTED)
        if self.four_eyes and before.client == caller.client:
            raise FourEyesError(f"{caller.client!r} proposed this override: another must approve")
        standing = _standing(tx, before.customer_id, at)
        if standing is not None:
            _need_older(standing, before)
            _replace(tx, standing, standing.override_id, caller, at)
        return replace(decided, status=OverrideStatus.IN_FORCE)


@dataclass(frozen=True, slots=True)
class ListOverrides:
    """List the overrides of a customer, the newest first."""

    database: Database

    def __call__(self, caller: Caller, ref: str) -> list[Override]:
        """Return all there ever were.

        Raises:
            CustomerUnknownError: Nobody has this id, or it lies out of sight.
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            return overrides.listing(tx, find_customer(tx, caller, ref))


def _lock(tx: Tx, caller: Caller, ref: str) -> str:
    """Keep others from merging a customer, making it accounts and scoring it; returns its id.

    The customer comes first: who merges it away holds it too, so that nothing is said of a record
    that goes meanwhile. All its segments judge by its score, those of before the lock and no more.
    """
    found = find_customer(tx, caller, ref)
    customer_id = customers.lock_named(tx, ref)
    if customer_id != found:
        raise BusyError("the customer is being merged; try again")
    need_sight(tx, caller, customer_id)
    scores.lock(tx, [customer_id])
    return customer_id


def _made(customer_id: str, ask: OverrideAsk, caller: Caller, at: datetime) -> Override:
    return Override(
        override_id=str(uuid4()),
        customer_id=customer_id,
        risk_class=ask.risk_class,
        reason=ask.reason,
        expires_at=ask.expires_at,
        status=OverrideStatus.PROPOSED,
        client=caller.client,
        actor=caller.actor,
        created_at=at,
    )


def _standing(tx: Tx, customer_id: str, at: datetime) -> Override | None:
    """Read what is in force; what is over by now lapses on the way."""
    found = overrides.standing(tx, customer_id)
    if found is None or found.expires_at > at:
        return found
    overrides.write(tx, replace(found, status=OverrideStatus.LAPSED, ended_at=at))
    return None


def _need_older(standing: Override, proposed: Override) -> None:
    """Insist that who proposed could know of what an approval takes over.

    Else a proposal that was left lying would undo what was said later, by approval alone.
    """
    if standing.decided_at is not None and standing.decided_at > proposed.created_at:
        raise OverrideStateError(
            f"{standing.override_id} came into force after this was proposed; propose it anew"
        )


def _need_no_better(tx: Tx, ended: Override) -> None:
    """Insist that an end has bettered no class: one person alone would undo what took two to say.

    Too little to say (N) is better than what was said: policies let it buy where they hold E.

    Raises:
        FourEyesError: It would; one that takes over is to be proposed, for another to approve.

    """
    (subject,) = scores.read_subjects(tx, [ended.customer_id])
    after = (subject.data or {}).get("risk_class", RiskClass.N)
    if after < ended.risk_class or after == RiskClass.N:
        raise FourEyesError(
            f"{ended.risk_class} would end for {after}: propose an override that takes over, for"
            " another to approve"
        )


def _replace(
    tx: Tx, standing: Override | None, replaces: str | None, caller: Caller, at: datetime
) -> None:
    """End what is in force, if that is what the caller knows of: two persons must not cross."""
    known = None if standing is None else standing.override_id
    if known != replaces:
        told = "no override is in force" if known is None else f"{known} is in force"
        raise OverrideStateError(f"{told}; name in `replaces` the one that this takes over")
    if standing is not None:
        status = OverrideStatus.REPLACED
        after = replace(standing, status=status, ended_by=caller.client, ended_at=at)
        overrides.write(tx, after)


def _rescore(tx: Tx, customer_id: str, at: datetime, rater: Rater) -> None:
    """Let the override speak at once, or be silent; a model that is away does not hinder it.

    The score is then the computed one that was there, and due to be computed anew.
    """
    try:
        score_customers(tx, [customer_id], at, rater)
    except BusyError:
        score_customers(tx, [customer_id], at, RateAsBefore())
        score_due.add(tx, [customer_id], Urgency.ADVERSE, at)
