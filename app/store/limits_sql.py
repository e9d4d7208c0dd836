"""A piece of SQL about limits that several statements share."""

from typing import Final

OVER_WHEN_TOLD: Final = (
    "coalesce(l.valid_to < (l.decided_at AT TIME ZONE s.time_zone)::date, false)"
)
"""Whether a limit `l` in a segment `s` was over before the business day of its approval."""
