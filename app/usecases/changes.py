"""Change documents of master data: list them."""

from dataclasses import dataclass, replace

from app.domain.callers import Caller
from app.store import changes
from app.store.changes import ChangeFilter, StoredChange
from app.store.database import Database
from app.usecases.score_reads import find_customer
from app.usecases.sight import need_segment


@dataclass(frozen=True, slots=True)
class ListChanges:
    """Read a page of changes."""

    database: Database

    def __call__(self, caller: Caller, wanted: ChangeFilter) -> list[StoredChange]:
        """Return them, newest first; `customer_id` may be an alias.

        Who is confined to segments reads nothing of groups.

        Raises:
            CustomerUnknownError: Nobody within sight has this id.
            SegmentUnknownError: No such segment within sight.

        """
        with self.database.read() as tx:
            need_segment(tx, caller, wanted.segment_id)
            customer_id = wanted.customer_id and find_customer(tx, caller, wanted.customer_id)
            seen = replace(wanted, customer_id=customer_id, segments=caller.segments)
            found = changes.page(tx, seen)
        return found if caller.segments is None else [_without_groups(one) for one in found]


def _without_groups(one: StoredChange) -> StoredChange:
    """Leave out groups: some may have no account in sight."""
    before, after = (
        {name: value for name, value in side.items() if name != "parent_id"}
        for side in (one.change.before, one.change.after)
    )
    return replace(one, change=replace(one.change, before=before, after=after))
