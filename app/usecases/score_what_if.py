"""What if: what a customer's score would be after changes, and which would lift its class."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from app.domain.callers import Caller
from app.domain.errors import FieldError
from app.domain.features import FEATURES, Unit
from app.domain.scores import Score
from app.domain.whatif import Proposal, Row, propose
from app.store import scores
from app.store.database import Database
from app.usecases.score_raters import RateByCard, Rater
from app.usecases.score_reads import find_customer, unknown

_LARGEST = {Unit.SHARE: 100.0, Unit.TIMES: 1e6, Unit.MONEY: 1e15}
_DAYS = 36_500.0
_WHOLE = frozenset({Unit.COUNT, Unit.MONEY})
_PARTS = frozenset({"on_time_rate", "overdue_share", "disputed_share"})
"""Shares of a whole: 0 to 1. Others (utilization) may be more."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What was computed now, after the changes asked for (None: none were), and what would help."""

    customer_id: str
    as_of: date
    row: Row
    now: Score
    asked: Score | None
    proposals: Sequence[Proposal]


@dataclass(frozen=True, slots=True)
class AskWhatIf:
    """Rate a customer as it would be; nothing is stored, overrides are left out."""

    database: Database
    now: Callable[[], datetime]
    rater: Rater = field(default_factory=RateByCard)

    def __call__(self, caller: Caller, ref: str, changes: Mapping[str, float | None]) -> WhatIf:
        """Rate what is, what is asked, and what lies in the customer's hands.

        Raises:
            CustomerUnknownError: Nobody has this id, or it lies out of sight.
            FieldError: A feature is unknown to what rates, or a value cannot be.
            BusyError: The database or the model was out of reach.

        """
        with self.database.read() as tx:
            customer_id = find_customer(tx, caller, ref)
            subjects = scores.read_subjects(tx, [customer_id])
            if not subjects:
                raise unknown(ref)
            bench = self.rater.bench(tx, subjects[0], self.now())
        for name, value in changes.items():
            _check(name, value, bench.row)
        current = bench.rate([bench.row])[0]
        asked = bench.rate([{**bench.row, **changes}])[0] if changes else None
        proposals = propose(bench.row, current, bench.rate)
        return WhatIf(customer_id, bench.as_of, bench.row, current, asked, proposals)


def _check(name: str, value: float | None, row: Row) -> None:
    place = f"changes.{name[:64]}"
    if name not in row:
        raise FieldError(f"no such feature; known are {', '.join(sorted(row))}", place)
    if value is None:
        return
    if not math.isfinite(value):
        raise FieldError("must be a finite number or null", place)
    kind = FEATURES.get(name)
    if kind is None:
        return
    largest = 1.0 if name in _PARTS else _LARGEST.get(kind.unit, _DAYS)
    least = -_DAYS if kind.unit is Unit.CHANGE_DAYS else 0.0
    if not least <= value <= largest:
        raise FieldError(f"must be from {least:g} to {largest:g}", place)
    if kind.unit in _WHOLE and value != int(value):
        raise FieldError("must be a whole number", place)
