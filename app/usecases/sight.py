"""What a key that is confined to segments may reach of a customer, which is in several."""

from app.domain.callers import Caller
from app.domain.errors import ForbiddenError
from app.store import groups, segments
from app.store.database import Tx


def need_segment(tx: Tx, caller: Caller, segment_id: str | None) -> None:
    """Insist that a segment, where one is asked for, is there: else its list would look empty.

    Raises:
        SegmentUnknownError: No such segment within sight.

    """
    if segment_id is not None:
        caller.visit(segment_id)
        segments.read(tx, segment_id)


def need_sight(tx: Tx, caller: Caller, *customer_ids: str) -> None:
    """Insist that the caller sees every segment in which customers have accounts.

    Raises:
        ForbiddenError: The change would reach into others.

    """
    if caller.segments is None:
        return
    if not all(caller.sees(term.segment_id) for term in groups.terms(tx, customer_ids)):
        raise ForbiddenError("this reaches into segments that the key is not for")


def need_everywhere(tx: Tx, caller: Caller) -> None:
    """Insist that the caller sees every segment there is: what it changes counts in all of them.

    Raises:
        ForbiddenError: It does not.

    """
    if caller.segments is None:
        return
    if not all(caller.sees(one.segment_id) for one in segments.every(tx)):
        raise ForbiddenError("this counts in segments that the key is not for")
