"""The credit horizon: an order that ships far ahead is authorized now and counts later."""

from datetime import date, timedelta
from typing import Final

from app.domain.decisions import Question, Situation

MOST_DAYS: Final = 3650
"""The furthest horizon of a segment, inclusive."""

_WAITING: Final = frozenset({"QUOTE", "ORDER"})
"""Check points at which goods are still to be planned; at all others the order counts at once."""


def counts_from(question: Question, situation: Situation) -> date | None:
    """Say from which business date an order counts against its limits; None: at once.

    An order whose ship date lies within the horizon, its last day included, counts at once; so
    does one without a ship date.
    """
    days, ships = situation.horizon_days, question.ship_date
    if days is None or ships is None or question.order_type != "sale":
        return None
    if question.check_point not in _WAITING or (ships - situation.today).days <= days:
        return None
    return ships - timedelta(days=days)
