"""What quarantined facts wait for: announced once it is there, and looked for whether it is."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from time import monotonic
from typing import Final

import structlog

from app.domain.errors import BusyError
from app.domain.facts import ANEW
from app.domain.rates import find_rate
from app.store import rates, segments
from app.store.database import Tx
from app.store.facts_payers import known_refs
from app.usecases.dates import business_date

Requeue = Callable[[str, float], object]
"""Applies the facts that wait for a cause, `customer:<ref>` or `rate:<from>:<to>`, until a moment.

The moment is of the monotonic clock, in seconds; what is under way then is finished.
"""

LET_GO_S: Final = 5.0
"""How long a request goes on letting facts go."""

_log = structlog.get_logger(__name__)


def announce(requeue: Requeue, causes: Iterable[str], let_go_s: float = LET_GO_S) -> None:
    """Hand causes on, after the commit that brought them.

    What could not be applied right now, or within `let_go_s`, is left to background work: the
    change itself stands.
    """
    until_s = monotonic() + let_go_s
    for cause in causes:
        if monotonic() > until_s:
            _log.info("facts_left_waiting", cause=cause, applied=0)
            continue
        try:
            requeue(cause, until_s)
        except BusyError:
            _log.warning("quarantined facts were not applied yet")


def there(tx: Tx, causes: Collection[str], at: datetime) -> dict[str, set[str]]:
    """Give those causes that are there at a moment, with the segments in which they let facts go.

    A customer is there for all of them, a rate where it is fresh on the segment's business date.
    Other causes are not looked for: whoever brings them ends the waiting in one transaction.
    """
    days = {one.segment_id: business_date(one, at) for one in segments.every(tx)}
    refs, pairs = _rests(causes, "customer"), _rests(causes, "rate")
    known = known_refs(tx, refs.values()) if refs else set()
    found = {cause: {*days} for cause, ref in refs.items() if ref in known}
    if ANEW in causes:
        found[ANEW] = {*days}
    currencies = {code for pair in pairs.values() for code in pair.split(":")}
    for day in {*days.values()} if pairs else ():
        fresh = rates.recent(tx, currencies, day)
        for cause, pair in pairs.items():
            source, _, target = pair.partition(":")
            if find_rate(fresh, source, target, day):
                here = (segment for segment, today in days.items() if today == day)
                found.setdefault(cause, set()).update(here)
    return found


def _rests(causes: Iterable[str], kind: str) -> dict[str, str]:
    """Give what follows the kind in the causes of one kind."""
    parts = ((cause, cause.partition(":")) for cause in causes)
    return {cause: rest for cause, (first, _, rest) in parts if first == kind}
