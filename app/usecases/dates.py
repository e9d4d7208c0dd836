"""Business dates: which day it is in a segment."""

from datetime import date, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from app.domain.facts import CreditBody, DisputeBody, Event
from app.domain.segments import Segment
from app.domain.values import changed


def business_date(segment: Segment, at: datetime) -> date:
    """Give the date in the segment's time zone at a moment."""
    return at.astimezone(ZoneInfo(segment.time_zone)).date()


def dated(event: Event, segment: Segment) -> Event:
    """Fill in the day where the event does not say it: when it occurred, in the segment."""
    body, at = event.body, event.occurred_at
    if isinstance(body, CreditBody) and body.credit_date is None:
        day = business_date(segment, at)
        told = CreditBody(body.amount, body.currency, body.invoice_id, day)
        return changed(event, body=told)
    if isinstance(body, DisputeBody) and body.since is None:
        return changed(event, body=DisputeBody(body.open, business_date(segment, at)))
    return event


@cache
def time_zones() -> frozenset[str]:
    """List the IANA names there are, as this machine knows them."""
    return frozenset(available_timezones())
