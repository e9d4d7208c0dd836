"""Whose score is asked for, and how a stored one counts at a moment."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from app.domain.callers import Caller
from app.domain.errors import CustomerUnknownError
from app.domain.scores import StoredScore
from app.domain.scores_override import in_force
from app.store import accounts, groups, scores
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
    customer_id = accounts.customer_of(tx, ref)
    if caller.segments is None:
        return customer_id
    if not any(caller.sees(term.segment_id) for term in groups.terms(tx, [customer_id])):
        raise unknown(ref)
    return customer_id


def unknown(ref: str) -> CustomerUnknownError:
    """Say that nobody in sight has an id."""
    return CustomerUnknownError(f"no customer has the id {ref[:64]!r}", "customer_id")


def read_score(tx: Tx, customer_id: str, at: datetime) -> StoredScore | None:
    """Read the score in force and tell whether it is stale: old, or something came after it."""
    found = scores.read(tx, customer_id)
    return None if found is None else aged(found, at)


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
