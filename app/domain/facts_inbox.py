"""The inbox: what each source said under which event id, so that a repeat changes nothing."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from app.domain.facts import EXPECTED, Event, Problem, Result

EventKey = tuple[str, str]
"""(source, event_id)."""


def is_over(version: int, applied: int, *, for_itself: bool) -> bool:
    """Tell whether a statement that waits says nothing any more, once a version is applied.

    `for_itself`: it waits for a version of its own document. One that is as new and waits for a
    customer or a rate repeats what was applied or contradicts it: that is seen when it gets that.
    """
    return version < applied or (for_itself and version == applied)


@dataclass(slots=True)
class Opened:
    """A statement to be put in quarantine; `superseded` by what the same batch applied after it.

    `concerns` are the accounts besides its own whose figures it would have changed.
    """

    event: Event
    account_id: int | None
    concerns: AbstractSet[int]
    problem: Problem
    superseded: bool = False


@dataclass(slots=True)
class Inbox:
    """`known` is the digest of the first statement under an id; `told` is what a repeat hears.

    `told` holds the answers to statements in quarantine by id and digest, those of other content
    under a used id among them. `held` is the version that is held at least, by the causes of
    documents that were told anew.
    """

    known: dict[EventKey, bytes] = field(default_factory=dict)
    told: dict[tuple[EventKey, bytes], Result] = field(default_factory=dict)
    fresh: list[tuple[Event, Result]] = field(default_factory=list)
    opened: list[Opened] = field(default_factory=list)
    opened_by: dict[str, list[Opened]] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)

    def is_told(self, event: Event) -> bool:
        """Tell whether this very statement is in quarantine, or was once."""
        return ((event.source, event.event_id), event.digest) in self.told

    def answer(self, event: Event) -> Result | None:
        """Answer a repeat, or a used id; None for a statement that is new."""
        key = event.source, event.event_id
        first = self.known.get(key)
        if first is None:
            return None
        if self.is_told(event):
            return self.told[key, event.digest]
        if first == event.digest:
            return Result(event.event_id, "duplicate")
        detail = f"{event.source} used the event_id {event.event_id} for another statement"
        problem = Problem("event_id_reused", detail, "event_id", event.cause)
        return Result(event.event_id, "quarantined", problem=problem)

    def held_of(self, waiting: AbstractSet[str]) -> dict[str, int]:
        """Give what is `held` of causes in quarantine: of those `waiting` before, or put there."""
        causes = waiting | self.opened_by.keys()
        return {cause: self.held[cause] for cause in causes & self.held.keys()}

    def note(
        self,
        event: Event,
        account_id: int | None,
        result: Result,
        concerns: Callable[[], AbstractSet[int]],
    ) -> None:
        """Remember a statement and its answer; what is applied supersedes what waits for it."""
        key = event.source, event.event_id
        if result.is_known and (key, event.digest) not in self.told:  # else it was never applied
            self.held[event.cause] = max(event.version, self.held.get(event.cause, EXPECTED))
        if key not in self.known:
            self.known[key] = event.digest
            self.fresh.append((event, result))
        if result.problem and (key, event.digest) not in self.told:
            self.told[key, event.digest] = result
            one = Opened(event, account_id, concerns(), result.problem)
            self.opened.append(one)
            self.opened_by.setdefault(event.cause, []).append(one)
        if result.result == "applied" and self.opened:
            for one in self.opened_by.get(event.cause, ()):
                for_itself = one.problem.cause == event.cause
                version = one.event.version
                one.superseded |= is_over(version, event.version, for_itself=for_itself)
