"""From what stands above an account's limit down to the entries that brought it there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from app.domain.accounts import Account
from app.domain.callers import Caller
from app.domain.limits import settle
from app.domain.money import Money
from app.store import accounts, forced, limits, segments
from app.store.database import Database, Tx
from app.store.forced import ForcedEntry
from app.usecases.accounts import not_here
from app.usecases.dates import business_date

_MOST_READ: Final = 1000
"""So many entries a page looks at, whether they changed what is forced or not."""


@dataclass(frozen=True, slots=True)
class ForcedPage:
    """Entries of an account below a `seq` (None: of all), at most `most`."""

    segment_id: str
    before: int | None
    most: int


@dataclass(frozen=True, slots=True)
class ForcedView:
    """Entries that changed what is forced since nothing was, the newest first, by how much.

    `forced` is the account's with the limit of the business date, which comes first where nobody
    has booked it yet (`seq` None); the changes of all pages add up to it. `seq` is the account's.
    `after` is the `seq` below which more may follow, None at the end. `as_of` is the moment of the
    snapshot.
    """

    customer_id: str
    segment_id: str
    forced: Money
    changes: Sequence[tuple[ForcedEntry, Money]]
    after: int | None
    as_of: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class ListForced:
    """Read why an account is above its limit; a group's entries are its members' too."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, ref: str, page: ForcedPage) -> ForcedView:
        """Return a page for the account of the customer that `ref` names.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.
            NotFoundError: The customer has no account there.

        """
        caller.visit(page.segment_id)
        at = self.now()
        with self.database.read() as tx:
            customer_id = accounts.customer_of(tx, ref)
            held = accounts.find(tx, customer_id, page.segment_id)
            if held is None:
                raise not_here(caller, ref, page.segment_id)
            after, waiting = _not_booked(tx, held, at)
            before = held.seq + 1 if page.before is None else min(page.before, held.seq + 1)
            read = forced.entries(tx, held.account_id, before, _MOST_READ + 1)
        head = waiting if page.before is None else []
        full = len(head) == page.most
        steps, more = ([], before) if full else _changes(read, page.most - len(head))
        return ForcedView(
            customer_id=held.customer_id,
            segment_id=held.segment_id,
            forced=Money(after.forced, held.currency),
            changes=[(entry, Money(change, held.currency)) for entry, change in [*head, *steps]],
            after=more,
            as_of=at,
            seq=held.seq,
        )


_Change = tuple[ForcedEntry, int]


def _not_booked(tx: Tx, held: Account, at: datetime) -> tuple[Account, list[_Change]]:
    """Put the limit of the business date in force, as whoever reads the account is shown it."""
    today = business_date(segments.read(tx, held.segment_id), at)
    if held.limit_changes_on is None or held.limit_changes_on > today:
        return held, []
    after, entry = settle(held, limits.approved(tx, [held.account_id])[held.account_id], today)
    if entry is None or after.forced == held.forced:
        return after, []
    new = ForcedEntry(None, entry.kind, entry.ref, None, at, after.forced)
    return after, [(new, after.forced - held.forced)]


def _changes(read: Sequence[ForcedEntry], most: int) -> tuple[list[_Change], int | None]:
    """Give the entries that changed what is forced, and below which `seq` more may follow.

    The first entry of an account follows on nothing; so does, here, the oldest of those that were
    read, of which only the next page knows what it changed.
    """
    found: list[_Change] = []
    for entry, older in pairwise(read):
        if not entry.forced:
            return found, None
        if entry.forced != older.forced:
            found.append((entry, entry.forced - older.forced))
        if not older.forced:
            return found, None
        if len(found) == most:
            return found, entry.seq
    last = read[-1] if read else None
    if last is None or not last.forced:
        return found, None
    if last.seq is not None and last.seq > 1:
        return found, last.seq + 1
    return [*found, (last, last.forced)], None
