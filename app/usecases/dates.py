"""Business dates: which day it is in a segment."""

from datetime import date, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from app.domain.segments import Segment


def business_date(segment: Segment, at: datetime) -> date:
    """Give the date in the segment's time zone at a moment."""
    return at.astimezone(ZoneInfo(segment.time_zone)).date()


@cache
def time_zones() -> frozenset[str]:
    """List the IANA names there are, as this machine knows them."""
    return frozenset(available_timezones())
