"""What registries know of a company, as kinds of events and the role it played in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final


class SignalKind(StrEnum):
    """Kinds of risk events; a registry's own names are mapped to these."""

    DISHONEST_DEBTOR = "DISHONEST_DEBTOR"
    ABNORMAL_OPERATION = "ABNORMAL_OPERATION"
    SERIOUS_ILLEGAL = "SERIOUS_ILLEGAL"
    LITIGATION = "LITIGATION"
    ADMIN_PENALTY = "ADMIN_PENALTY"
    EQUITY_FREEZE = "EQUITY_FREEZE"
    CONSUMPTION_LIMIT = "CONSUMPTION_LIMIT"
    TAX_ARREARS = "TAX_ARREARS"
    LIQUIDATION = "LIQUIDATION"
    DEREGISTRATION = "DEREGISTRATION"


class SignalRole(StrEnum):
    """Which part the company has in an event; a plaintiff is owed something, which is no fault."""

    SUBJECT = "SUBJECT"
    DEFENDANT = "DEFENDANT"
    PLAINTIFF = "PLAINTIFF"
    OTHER = "OTHER"


COUNTED_KINDS: Final[tuple[str, ...]] = tuple(kind.value for kind in SignalKind)
"""Each kind is a feature of its own: its adverse events that are not over."""

ADVERSE: Final = "adverse"
AS_DEFENDANT: Final = "as_defendant"
AS_PLAINTIFF: Final = "as_plaintiff"
RECENT_DAYS: Final = (90, 365)
"""Adverse events that became known within so many days are counted apart, over or not."""

COUNTS: Final[tuple[str, ...]] = (
    ADVERSE,
    *(f"{ADVERSE}_{days}d" for days in RECENT_DAYS),
    AS_DEFENDANT,
    AS_PLAINTIFF,
    *(kind.lower() for kind in COUNTED_KINDS),
)
"""What `count_signals` counts."""


@dataclass(frozen=True, slots=True)
class Signal:
    """An event as a registry told it: known from `known_on` on, over from `ended_on` on."""

    kind: SignalKind
    role: SignalRole
    known_on: date
    ended_on: date | None = None


def count_signals(events: Iterable[Signal], checked_on: date) -> dict[str, Any]:
    """Count what is known of a company on the day a registry was asked last, as rules read it.

    Adverse is what the company is not the plaintiff of. Counts by kind and as a defendant are of
    what is not over on that day, as the features of the same names are. The JSON is the part
    `signals` of an account's slow inputs: whoever reports signals stores it there; where it is not,
    every name of signals is a missing input.
    """
    known = [one for one in events if one.known_on <= checked_on]
    adverse = [one for one in known if one.role is not SignalRole.PLAINTIFF]
    lasting = [one for one in adverse if not _is_over(one, checked_on)]
    counts = {ADVERSE: len(lasting)}
    for days in RECENT_DAYS:
        since = checked_on - timedelta(days=days)
        counts[f"{ADVERSE}_{days}d"] = sum(one.known_on > since for one in adverse)
    counts[AS_DEFENDANT] = sum(one.role is SignalRole.DEFENDANT for one in lasting)
    counts[AS_PLAINTIFF] = len(known) - len(adverse)
    for kind in SignalKind:
        counts[kind.value.lower()] = sum(one.kind is kind for one in lasting)
    return {"checked_on": checked_on.isoformat(), "counts": counts}


def _is_over(one: Signal, on: date) -> bool:
    return one.ended_on is not None and one.ended_on <= on
