"""Whose score is asked for, and how a stored one counts at a moment."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from app.domain.callers import Caller
from app.domain.errors import CustomerUnknownError
from app.domain.scores import StoredScore
from app.domain.scores_override import in_force
from app.store import customers, groups, scores
from app.store.database import Tx

STALE_AFTER: Final = timedelta(days=35)
"""A score older than this is stale, whatever happened since (exclusive)."""

COOLDOWN: Final = timedelta(seconds=5)
"""For how long a score rests by default, unless something adverse comes."""


def find_customer(tx: Tx, caller: Caller, ref: str) -> str:
    """Find the customer that an id or alias names, within what the caller may see.

    Raises:
        CustomerUnknownError: Nobody has this id, or no account of it lies within sight.

    """
    (found,) = find_customers(tx, [(caller, ref)])
    if found is None:
        raise unknown(ref)
    return found


def find_customers(tx: Tx, asked: Sequence[tuple[Caller, str]]) -> list[str | None]:
    """Find the customers that ids or aliases name, within sight of who asks; None: no such one."""
    owners = customers.owners(tx, {ref for _, ref in asked})
    looked = {owners[ref] for one, ref in asked if one.segments is not None and ref in owners}
    segments: dict[str, set[str]] = {}
    for term in groups.terms(tx, looked) if looked else ():
        segments.setdefault(term.customer_id, set()).add(term.segment_id)
    found: list[str | None] = []
    for caller, ref in asked:
        owner = owners.get(ref)
        blind = caller.segments is not None and not any(
            caller.sees(one) for one in segments.get(owner or "", ())
        )
        found.append(None if blind else owner)
    return found


def unknown(ref: str) -> CustomerUnknownError:
    """Say that nobody in sight has an id."""
    return CustomerUnknownError(f"no customer has the id {ref[:64]!r}", "customer_id")


def read_score(tx: Tx, customer_id: str, at: datetime) -> StoredScore | None:
    """Read the score in force and tell whether it is stale: old, or something came after it."""
    return read_scores(tx, [customer_id], at).get(customer_id)


def read_scores(
    tx: Tx, customer_ids: Collection[str], at: datetime, cooldown: timedelta = COOLDOWN
) -> dict[str, StoredScore]:
    """Read the scores in force of customers, as `read_score` does; who has none is left out."""
    return {one.customer_id: aged(one, at, cooldown) for one in scores.read_many(tx, customer_ids)}


def aged(found: StoredScore, at: datetime, cooldown: timedelta = COOLDOWN) -> StoredScore:
    """Give a score as it counts at a moment.

    It is stale when it is too old, whatever happened, and when an override of it has lapsed: what
    was computed then counts again, until it is computed anew.
    """
    score = in_force(found.score, at)
    over = score is not found.score
    old = at - found.scored_at > STALE_AFTER
    due_at = found.scored_at + cooldown if found.rests and not over else None
    return replace(found, score=score, stale=found.stale or over or old, due_at=due_at)
