"""Customers: list."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.domain.callers import Caller
from app.domain.segments import MAIN
from app.store import customer_lists, customers, groups, segments
from app.store.customer_lists import CustomerFilter
from app.store.database import Database
from app.usecases.customers import CustomerView
from app.usecases.dates import business_date


@dataclass(frozen=True, slots=True)
class ListCustomers:
    """List customers that lie within sight; merged records are not listed."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, wanted: CustomerFilter) -> list[CustomerView]:
        """Return one page, by id; `owner` and `traffic_light` look at one segment's accounts.

        That is `segment`, or `main` where none is asked for.

        Raises:
            SegmentUnknownError: No such segment within sight.

        """
        segment_id = wanted.segment or MAIN
        if wanted.about_accounts:
            caller.visit(segment_id)
        with self.database.read() as tx:
            at, today = self.now(), None
            if wanted.about_accounts:
                today = business_date(segments.read(tx, segment_id), at)
            ids = customer_lists.page(tx, wanted, caller.segments, at, today)
            found = customers.get_many(tx, ids)
            terms = [term for term in groups.terms(tx, ids) if caller.sees(term.segment_id)]
        return [
            CustomerView(found[key], [term for term in terms if term.customer_id == key])
            for key in ids
        ]
