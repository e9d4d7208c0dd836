"""Rule sets: drafted, looked at, proposed, approved by another, activated.

What is drafted never changes: a better draft is another version. So what was linted, tested and
approved is what comes into force.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from app.domain.callers import Caller
from app.domain.errors_rules import RuleSetRefusedError
from app.domain.rules import FORMAT, RuleSet, RuleSetError, read_rule_set
from app.domain.rules_examples import Tested, run_example, run_examples
from app.domain.rules_lint import Finding, lint
from app.store import rules, segments
from app.store.database import Database
from app.store.rules import Event
from app.texts import TEXTS
from app.usecases.asks import Answer
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.rules_life import ActivateRuleSet, DecideRuleSet, FollowDefault
from app.usecases.rules_views import Render, RuleSetView, counted, in_sight, view


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found in a rule set, and what came of its examples."""

    findings: Sequence[Finding]
    tests: Sequence[Tested]


def readable(version: int, data: Mapping[str, Any]) -> RuleSet:
    """Read a rule set that somebody sent, in the form with conditions.

    Raises:
        RuleSetRefusedError: It is none; says what is wrong in which row and column.

    """
    if data.get("format") != FORMAT:
        raise RuleSetRefusedError(f"must be {FORMAT}", "format")
    try:
        policy = read_rule_set(version, data)
    except RuleSetError as bad:
        faults = [
            (one.field, f"rule {one.rule_id}: {one.message}" if one.rule_id else one.message)
            for one in bad.faults
        ]
        raise RuleSetRefusedError("the rule set cannot be read", None, faults) from None
    if empty := [(path, "must name at least one, or be absent") for path in _empty_scopes(data)]:
        raise RuleSetRefusedError("a scope is empty", None, empty)
    return policy


def _empty_scopes(data: Mapping[str, Any]) -> Iterator[str]:
    """Find scopes that name nobody, which the table takes for everybody."""
    for place, row in enumerate(data["rows"]):
        for key in ("scope", "except"):
            for dimension, values in (row.get(key) or {}).items():
                if not values:
                    yield f"rows[{place}].{key}.{dimension}"


def inspect(policy: RuleSet) -> Linted:
    """Lint a rule set and run its examples."""
    return Linted(lint(policy, TEXTS), run_examples(policy))


@dataclass(frozen=True, slots=True)
class DraftRuleSet:
    """Store a new version; what cannot be read is refused, what is unwise is not."""

    database: Database
    now: Callable[[], datetime]

    def __call__(
        self, keyed: Keyed, data: Mapping[str, Any], note: str | None, show: Render
    ) -> Answer:
        """Answer the draft with its number.

        Raises:
            RuleSetRefusedError: It cannot be read; nothing is stored.
            KeyReusedError: The key was used with another question.
            BusyError: The database was out of reach.

        """
        readable(0, data)

        def act() -> Answer:
            caller, at = keyed.caller, self.now()
            version = rules.add(tx, data, caller.client)
            rules.note(tx, version, Event("DRAFT", caller.client, caller.actor, note, at))
            return show(view(tx, caller, version, at))

        with self.database.begin() as tx:
            answer = once(tx, keyed.caller, keyed.key, keyed.digest, act)
        return counted(answer, "DRAFT", None, keyed.caller)


@dataclass(frozen=True, slots=True)
class ReadRuleSets:
    """Read versions, their rows, and what is in force."""

    database: Database
    now: Callable[[], datetime]

    def page(self, caller: Caller, before: int | None, limit: int) -> list[RuleSetView]:
        """Return versions, the newest first; `before` is exclusive."""
        with self.database.read() as tx:
            at = self.now()
            found = in_sight(tx, caller, at)
            return [RuleSetView(one, found) for one in rules.page(tx, before, limit, at)]

    def one(self, caller: Caller, version: int) -> tuple[RuleSetView, dict[str, Any]]:
        """Return a version with its history and its JSON as it is stored.

        Raises:
            NotFoundError: There is no such version.

        """
        with self.database.read() as tx:
            data = rules.data_of(tx, version)
            return view(tx, caller, version, self.now()), data

    def active(self, caller: Caller, segment_id: str) -> tuple[RuleSetView, dict[str, Any]]:
        """Return what a segment is judged by at this moment.

        Raises:
            SegmentUnknownError: No such segment within sight.

        """
        caller.visit(segment_id)
        at = self.now()
        with self.database.read() as tx:
            version = segments.read(tx, segment_id).rule_set_at(at)
            return view(tx, caller, version, at), rules.data_of(tx, version)

    def inspected(self, version: int, more: Sequence[Mapping[str, Any]] = ()) -> Linted:
        """Lint a stored version and run its examples, and `more` of them.

        Raises:
            NotFoundError: There is no such version.

        """
        with self.database.read() as tx:
            data = rules.data_of(tx, version)
        policy = read_rule_set(version, data)
        found = inspect(policy)
        tried = [run_example(policy, one, place) for place, one in enumerate(more)]
        return replace(found, tests=[*found.tests, *tried])


@dataclass(frozen=True, slots=True)
class RuleSets:
    """One field a use case."""

    draft: DraftRuleSet
    read: ReadRuleSets
    decide: DecideRuleSet
    activate: ActivateRuleSet
    follow: FollowDefault

    @classmethod
    def over(cls, database: Database, now: Callable[[], datetime]) -> Self:
        """Make them on one database."""
        return cls(
            DraftRuleSet(database, now),
            ReadRuleSets(database, now),
            DecideRuleSet(database, now),
            ActivateRuleSet(database, now),
            FollowDefault(database, now),
        )
