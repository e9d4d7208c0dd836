"""The life of a rule set: proposed, approved or rejected by another, activated, left again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from app.domain.callers import Caller
from app.domain.errors import FieldError, ForbiddenError, FourEyesError
from app.domain.errors_rules import RuleSetRefusedError, RuleSetStateError
from app.domain.rules import read_rule_set
from app.domain.rules_lint import Finding, lint
from app.domain.segments import Segment
from app.store import rules, rules_force, segments
from app.store.database import Database, Tx
from app.store.rules import Event, Life
from app.store.rules_force import Activation
from app.texts import TEXTS, text
from app.usecases.asks import Answer
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.rules_named import need_own_ids
from app.usecases.rules_views import Render, counted, view

Decision = Literal["propose", "approve", "reject"]


@dataclass(frozen=True, slots=True)
class Wish:
    """When a version shall come into force, and where: None is at once, and by default all."""

    segment_id: str | None = None
    effective_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DecideRuleSet:
    """Take a version further: propose it, and somebody else approves or rejects it."""

    database: Database
    now: Callable[[], datetime]

    def __call__(
        self, keyed: Keyed, version: int, what: tuple[Decision, str | None], show: Render
    ) -> Answer:
        """Answer the version as it then is; `what` is the decision and a note.

        Raises:
            NotFoundError: There is no such version.
            RuleSetStateError: It is not in a state in which this can be done.
            RuleSetRefusedError: It does not pass its lint or its own examples.
            FourEyesError: Who wrote or proposed it may not approve it.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else decides on it, or the database was out of reach.

        """
        decision, note = what

        def act() -> Answer:
            life, at = rules.lock(tx, version), self.now()
            if decision == "propose":
                rules.write(tx, _proposed(tx, life, keyed.caller, at))
            else:
                rules.write(tx, _decided(life, keyed.caller, decision, at))
            caller = keyed.caller
            event = Event(_ACTION[decision], caller.client, caller.actor, note, at)
            rules.note(tx, version, event)
            return show(view(tx, caller, version, at))

        with self.database.begin() as tx:
            answer = once(tx, keyed.caller, keyed.key, keyed.digest, act)
        return counted(answer, _ACTION[decision], version, keyed.caller)


_ACTION: Final[Mapping[Decision, Literal["PROPOSE", "APPROVE", "REJECT"]]] = {
    "propose": "PROPOSE",
    "approve": "APPROVE",
    "reject": "REJECT",
}


def _proposed(tx: Tx, life: Life, caller: Caller, at: datetime) -> Life:
    if life.status != "DRAFT":
        raise RuleSetStateError(f"version {life.version} is {life.status}, not DRAFT")
    found = lint(read_rule_set(life.version, rules.data_of(tx, life.version)), TEXTS)
    faults = [(one.field, text(one.code, one.values).en) for one in found if _stops(one)]
    if faults:
        raise RuleSetRefusedError("the lint found errors", None, faults)
    return replace(life, status="PROPOSED", proposed_by=caller.client, proposed_at=at)


def _stops(one: Finding) -> bool:
    return one.severity == "ERROR"


def _decided(life: Life, caller: Caller, decision: Decision, at: datetime) -> Life:
    if life.status != "PROPOSED":
        raise RuleSetStateError(f"version {life.version} is {life.status}, not PROPOSED")
    if decision == "approve" and caller.client in {life.author, life.proposed_by}:
        raise FourEyesError(f"{caller.client!r} wrote or proposed version {life.version}")
    status: Literal["APPROVED", "REJECTED"] = "APPROVED" if decision == "approve" else "REJECTED"
    return replace(life, status=status, decided_by=caller.client, decided_at=at)


@dataclass(frozen=True, slots=True)
class ActivateRuleSet:
    """Put an approved version in force, in one segment or by default in all others."""

    database: Database
    now: Callable[[], datetime]

    def __call__(
        self, keyed: Keyed, version: int, wish: tuple[Wish, str | None], show: Render
    ) -> Answer:
        """Answer the version as it then is; decisions from that moment on name it.

        A version that was in force before may be put in force again. `wish` comes with a note.

        Raises:
            NotFoundError: There is no such version.
            RuleSetStateError: It was not approved, or another one waits that it would cross.
            RuleSetRefusedError: A row names a customer by an id that is not its own.
            FieldError: The moment has passed.
            SegmentUnknownError: No such segment within sight.
            ForbiddenError: A client that is confined to segments sets no default for all.
            KeyReusedError: The key was used with another question.
            BusyError: Segments are being changed, or the database was out of reach.

        """
        caller, (wanted, note) = keyed.caller, wish
        if wanted.segment_id is None and caller.segments is not None:
            raise ForbiddenError("a client confined to segments must name one of them")
        if wanted.segment_id is not None:
            caller.visit(wanted.segment_id)

        def act() -> Answer:
            life = rules.lock(tx, version)
            if life.status != "APPROVED":
                raise RuleSetStateError(f"version {version} is {life.status}, not APPROVED")
            rules_force.lock_segments(tx)
            at = self.now()  # only now: who waited for the lock must not come into force before
            _activate(tx, caller, version, wanted, at)
            need_own_ids(tx, version)
            event = Event("ACTIVATE", caller.client, caller.actor, note, at)
            rules.note(tx, version, event)
            return show(view(tx, caller, version, at))

        with self.database.begin() as tx:
            answer = once(tx, caller, keyed.key, keyed.digest, act)
        return counted(answer, "ACTIVATE", version, caller)


@dataclass(frozen=True, slots=True)
class FollowDefault:
    """Let a segment that has a rule set of its own be judged by the default for all again."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, keyed: Keyed, segment_id: str, note: str | None, show: Render) -> Answer:
        """Answer the default's version as it then is; decisions from that moment on name it.

        What was scheduled for the segment is dropped; what is scheduled for the default holds for
        it, too. No other person is needed than for an activation: two put the default in force.

        Raises:
            SegmentUnknownError: No such segment within sight.
            RuleSetStateError: It follows the default already.
            RuleSetRefusedError: A row of the default names a customer by an id that is not its own.
            KeyReusedError: The key was used with another question.
            BusyError: Segments are being changed, or the database was out of reach.

        """
        caller = keyed.caller
        caller.visit(segment_id)

        def act() -> Answer:
            rules_force.lock_segments(tx)
            at = self.now()  # only now: see `ActivateRuleSet`
            waiting = rules_force.own_waiting(tx, at)  # what came by itself is its own by now
            held = segments.read(tx, segment_id)
            if not held.own_rule_set and segment_id not in waiting:
                raise RuleSetStateError(f"segment {segment_id!r} follows the default already")
            rules_force.follow_default(tx, segment_id)
            version = segments.read(tx, segment_id).rule_set_at(at)
            need_own_ids(tx, version)
            who = caller.client, caller.actor, at
            rules_force.note_following(tx, Activation(version, segment_id, at, *who, follows=True))
            # which segment it was is kept with the activation: not everybody may see it
            event = Event("FOLLOW", caller.client, caller.actor, note, at)
            for touched in sorted({version, *_scheduled(held, at)}):
                rules.note(tx, touched, event)
            return show(view(tx, caller, version, at))

        with self.database.begin() as tx:
            answer = once(tx, caller, keyed.key, keyed.digest, act)
        return counted(answer, "FOLLOW", None, caller)


def _scheduled(segment: Segment, at: datetime) -> list[int]:
    """Name the version that was to come into force, whose history tells that it will not."""
    later, version = segment.next_rule_set_at, segment.next_rule_set_version
    return [version] if version is not None and later is not None and later > at else []


def _activate(tx: Tx, caller: Caller, version: int, wanted: Wish, at: datetime) -> None:
    effective_at = wanted.effective_at or at
    if effective_at < at:
        raise FieldError(f"{effective_at.isoformat()} has passed", "effective_at")
    if wanted.segment_id is not None:
        segments.read(tx, wanted.segment_id)
    if effective_at > at:
        _need_order(tx, wanted.segment_id, effective_at, at)
    activation = Activation(
        version, wanted.segment_id, effective_at, caller.client, caller.actor, at
    )
    rules_force.activate(tx, activation)


def _need_order(tx: Tx, segment_id: str | None, effective_at: datetime, at: datetime) -> None:
    """Insist that of one segment one version at most waits: its own, or the one of the default.

    Raises:
        RuleSetStateError: The default's comes first, and then the segment's own, or would.

    """
    own, default = rules_force.own_waiting(tx, at), rules_force.default_waiting(tx, at)
    if segment_id is None:
        later = [name for name, from_then in own.items() if from_then >= effective_at]
        if later:
            raise RuleSetStateError(
                f"segment {later[0]!r} waits for a version of its own, from"
                f" {own[later[0]].isoformat()} on: schedule this one for after that, or let the"
                " segment follow the default first"
            )
        return
    follows = not segments.read(tx, segment_id).own_rule_set
    if follows and default is not None and default[1] <= effective_at:
        raise RuleSetStateError(
            f"version {default[0]} is to be the default from {default[1].isoformat()} on:"
            " schedule this one for before that, or activate it once that is in force"
        )
