"""Move versions of models: shadow, promote, approve, reject, roll back, retire.

Each applied move is one transaction under the model's lock, so a model has one champion at every
moment and a promotion that lost a race is refused as what it then is.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from app.domain.callers import Caller
from app.domain.errors import FieldError, FourEyesError
from app.domain.errors_models import ModelStateError
from app.domain.ids import need_id
from app.domain.models import (
    ModelState,
    Move,
    Promotion,
    PromotionStatus,
    Standing,
    check_move,
    state_after,
)
from app.domain.scores import ModelVersion
from app.scoring.shelf import Shelf
from app.store import models, score_nights
from app.store.database import Database, Tx
from app.usecases.models_loading import load_version
from app.usecases.sight import need_everywhere

_log = structlog.get_logger(__name__)

SCOPE: Final = "model:admin"
LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class MoveAsk:
    """What shall be done with a version, and why.

    `replaces` is the version that the caller believes stands in the place; None does not care.
    """

    model: ModelVersion
    move: Move
    reason: str
    replaces: int | None = None


@dataclass(frozen=True, slots=True)
class MoveModel:
    """Let a version stand as shadow or champion, roll back or retire one.

    Where `four_eyes` holds, becoming champion is proposed and another client must approve it. A
    rollback needs nobody else: it brings back what was approved before, and haste is its point.
    `moved` hears of every applied move, after it was committed. Where the version that scores is
    another one afterwards, everybody's score is due in the same transaction: the night begins anew.
    `scores_by` is the name whose champion scores; None: any may.
    """

    database: Database
    shelf: Shelf
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    four_eyes: bool
    moved: Callable[[], None]
    scores_by: str | None = None

    def __call__(self, caller: Caller, ask: MoveAsk) -> Promotion | None:
        """Apply a move, or propose it; None where the version stands there already.

        Raises:
            ForbiddenError: The caller may not, or only in some segments.
            FieldError: The reason is none.
            NotFoundError: There is no such version.
            ModelStateError: The version cannot be moved there, or another promotion waits.
            ModelRefusedError: The version cannot be loaded; what stands there goes on.
            BusyError: Database, store or trial process was out of reach.

        """
        self._need(caller)
        _check_reason(ask.reason)
        if ask.move is not Move.RETIRE:
            self._prove(ask.model)
        with self.database.begin() as tx:
            made = self._move(tx, caller, ask)
        return made and self._told(made)

    def roll_back(self, caller: Caller, name: str, reason: str) -> Promotion:
        """Let the champion before the present one be champion again; the present one is retired.

        Raises:
            ModelStateError: There is no champion, or none was before it.

        The others are those of a move.

        """
        self._need(caller)
        _check_reason(reason)
        with self.database.read() as tx:
            back = _before(tx, models.standing(tx, name))
        self._prove(back)
        with self.database.begin() as tx:
            standing = models.standing(tx, name, lock=True)
            if _before(tx, standing) != back:
                raise ModelStateError("the champion was changed meanwhile; look again")
            ask = MoveAsk(back, Move.ROLLBACK, reason)
            made = self._new(caller, ask, standing.champion, PromotionStatus.APPLIED)
            models.add_promotion(tx, made)
            self._apply(tx, made, standing)
        return self._told(made)

    def approve(self, caller: Caller, name: str, promotion_id: str) -> Promotion:
        """Apply a proposed promotion; whoever proposed it is not the one to approve it.

        Raises:
            FourEyesError: The caller proposed it.
            ModelStateError: It was decided on before, or the version cannot be moved any more.

        The others are those of a move.

        """
        self._need(caller)
        found = self._find(name, promotion_id)
        if found.status is PromotionStatus.PROPOSED:
            self._prove(found.model)
        with self.database.begin() as tx:
            standing = models.standing(tx, name, lock=True)
            before = _need_open(models.promotion(tx, name, promotion_id))
            _other_eyes(caller, before)
            state = models.read(tx, name, before.model.version).state
            check_move(before.move, before.model.version, state, standing)
            made = self._decided(caller, before, PromotionStatus.APPLIED, standing.champion)
            models.write_promotion(tx, made)
            self._apply(tx, made, standing)
        return self._told(made)

    def reject(self, caller: Caller, name: str, promotion_id: str) -> Promotion:
        """Close a proposed promotion without effect; who proposed it may, too.

        Raises:
            ModelStateError: It was decided on before.

        """
        self._need(caller)
        need_id(promotion_id, "promotion")
        with self.database.begin() as tx:
            models.standing(tx, name, lock=True)
            before = _need_open(models.promotion(tx, name, promotion_id))
            made = self._decided(caller, before, PromotionStatus.REJECTED, before.replaced)
            models.write_promotion(tx, made)
        return made

    def _need(self, caller: Caller) -> None:
        """Insist on the scope, in every segment: a model has one champion for all of them."""
        caller.need(SCOPE)
        with self.database.read() as tx:
            need_everywhere(tx, caller)

    def _move(self, tx: Tx, caller: Caller, ask: MoveAsk) -> Promotion | None:
        standing = models.standing(tx, ask.model.name, lock=True)
        found = models.read(tx, ask.model.name, ask.model.version)
        there = _stands_at(standing, ask.move)
        if found.state is state_after(ask.move):
            return None
        if ask.replaces is not None and ask.replaces != there:
            raise ModelStateError(f"version {there} stands there, not version {ask.replaces}")
        check_move(ask.move, ask.model.version, found.state, standing)
        waits = self.four_eyes and ask.move is Move.PROMOTE
        status = PromotionStatus.PROPOSED if waits else PromotionStatus.APPLIED
        made = self._new(caller, ask, there, status)
        if waits and (other := models.proposed(tx, ask.model.name)):
            told = f"promotion {other.promotion_id} to version {other.model.version} waits"
            raise ModelStateError(f"{told} for a second person; decide on it first")
        models.add_promotion(tx, made)
        if not waits:
            self._apply(tx, made, standing)
        return made

    def _new(
        self, caller: Caller, ask: MoveAsk, replaced: int | None, status: PromotionStatus
    ) -> Promotion:
        at = self.now()
        applied = status is PromotionStatus.APPLIED
        return Promotion(
            promotion_id=self.new_id(),
            model=ask.model,
            move=ask.move,
            status=status,
            reason=ask.reason,
            replaced=replaced,
            proposed_by=caller.client,
            proposed_actor=caller.actor,
            proposed_at=at,
            decided_by=caller.client if applied else None,
            decided_actor=caller.actor if applied else None,
            decided_at=at if applied else None,
        )

    def _decided(
        self, caller: Caller, before: Promotion, status: PromotionStatus, replaced: int | None
    ) -> Promotion:
        return replace(
            before,
            status=status,
            replaced=replaced,
            decided_by=caller.client,
            decided_actor=caller.actor,
            decided_at=self.now(),
        )

    def _apply(self, tx: Tx, made: Promotion, standing: Standing) -> None:
        """Move a version, and first whoever stands there: the database lets one stand at a time."""
        there = _stands_at(standing, made.move)
        if there is not None and made.move is not Move.RETIRE:
            leaves = ModelState.CANDIDATE if made.move is Move.SHADOW else ModelState.RETIRED
            models.set_state(tx, ModelVersion(standing.name, there), leaves)
        models.set_state(tx, made.model, state_after(made.move))
        champion = models.standing(tx, standing.name).champion
        if champion != standing.champion and self.scores_by in {None, standing.name}:
            score_nights.begin_anew(tx, self.now())

    def _find(self, name: str, promotion_id: str) -> Promotion:
        need_id(promotion_id, "promotion")
        with self.database.read() as tx:
            return models.promotion(tx, name, promotion_id)

    def _prove(self, one: ModelVersion) -> None:
        """Insist that a version can be loaded, before it may stand anywhere."""
        with self.database.read() as tx:
            found = models.read(tx, one.name, one.version)
        load_version(self.database, self.shelf, found, self.now())

    def _told(self, made: Promotion) -> Promotion:
        _log.info(
            "model_moved",
            model=made.model.name,
            version=made.model.version,
            move=made.move.value,
            status=made.status.value,
            replaced=made.replaced,
            client=made.decided_by or made.proposed_by,
        )
        if made.status is PromotionStatus.APPLIED:
            self.moved()
        return made


def _check_reason(reason: str) -> None:
    if not 0 < len(reason) <= LONGEST_REASON or not reason.strip() or not reason.isprintable():
        raise FieldError(f"must be 1 to {LONGEST_REASON} printable characters", "reason")


def _other_eyes(caller: Caller, found: Promotion) -> None:
    """Insist on another authenticated client; whom it names as its person proves nothing."""
    if found.proposed_by == caller.client:
        told = f"{caller.client!r} proposed this promotion: another client must approve"
        raise FourEyesError(told)


def _need_open(found: Promotion) -> Promotion:
    if found.status is not PromotionStatus.PROPOSED:
        raise ModelStateError(f"the promotion is {found.status}, it cannot be decided on again")
    return found


def _stands_at(standing: Standing, move: Move) -> int | None:
    return standing.shadow if move is Move.SHADOW else standing.champion


def _before(tx: Tx, standing: Standing) -> ModelVersion:
    """Find the champion before the present one: the one that its own promotion replaced."""
    if standing.champion is None:
        raise ModelStateError(f"{standing.name} has no champion to roll back from")
    made = models.promoted(tx, ModelVersion(standing.name, standing.champion))
    if made is None or made.replaced is None:
        raise ModelStateError(f"{standing.name} had no champion before the present one")
    return ModelVersion(standing.name, made.replaced)
