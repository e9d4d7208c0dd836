"""A limit that is asked for once more: known as long as what came of it counts, then a new one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

import orjson

from app.domain.errors import NotFoundError
from app.domain.limits import LimitRecord, holds_some_day
from app.store import accounts, limits, requests, segments
from app.store.database import Database, Tx
from app.usecases.dates import business_date
from app.usecases.keyed import Keyed
from app.usecases.limits import LimitAsk


@dataclass(frozen=True, slots=True)
class KeyToday:
    """Find the key of a question that is made of its content and may be asked again in time.

    500, then 800, then 500 once more: the third is no repeat of the first.
    """

    database: Database
    now: Callable[[], datetime]

    def __call__(self, keyed: Keyed, ref: str, ask: LimitAsk) -> Keyed:
        """Return the question under the first key that is free, or whose limit counts still.

        Each key but the first names the limit that came of the one before: a run that broke off
        finds the same keys again. The stored answers name their `limit_id`.

        Raises:
            SegmentUnknownError: There is no such segment any more.
            CustomerUnknownError: Nobody has this id any more.
            BusyError: The database was out of reach.

        """
        key = keyed.key
        with self.database.read() as tx:
            while (known := requests.find(tx, keyed.caller.client, key)) is not None:
                limit_id = str(orjson.loads(known.body)["limit_id"])
                if self._counts(tx, limit_id, ref, ask):
                    break
                key = f"{keyed.key}:{limit_id}"
        return replace(keyed, key=key)

    def _counts(self, tx: Tx, limit_id: str, ref: str, ask: LimitAsk) -> bool:
        """Tell whether to ask again would be a repeat."""
        today = business_date(segments.read(tx, ask.segment_id), self.now())
        held = accounts.find(tx, accounts.customer_of(tx, ref), ask.segment_id)
        if held is None:
            return False
        try:
            record = limits.read(tx, limit_id, [held.account_id], "limit")
        except NotFoundError:  # the customer was merged since
            return False
        if record.valid_to is not None and record.valid_to < today:
            return True  # over: another one would be so from the start
        return record.status == "PROPOSED" or _holds(tx, record, today)


def _holds(tx: Tx, record: LimitRecord, today: date) -> bool:
    """Tell whether an approved limit holds today or is to hold; any other does not."""
    key, limit_id = record.account_id, record.limit_id
    rows = limits.approved(tx, [key])[key]
    others = limits.approved(tx, [key], without=limit_id)[key]
    return any(holds_some_day(row, rows, today) for row in rows if row not in others)
