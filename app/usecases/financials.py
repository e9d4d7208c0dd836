"""Financial statements: told once a year, corrected now and then, never forgotten."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from app.domain.callers import Caller
from app.domain.errors import FieldError
from app.domain.financials import (
    ITEMS,
    MOST_DIGITS,
    RATIO_NAMES,
    Statement,
    StoredStatement,
)
from app.domain.scores_refresh import Urgency
from app.store import financials, score_due
from app.store.database import Database
from app.usecases.identifiers import check_currency
from app.usecases.score_reads import find_customer
from app.usecases.sight import need_sight

_DECIMAL: Final = re.compile(rf"-?[0-9]{{1,{MOST_DIGITS}}}(?:\.[0-9]{{1,9}})?", re.ASCII)
_AHEAD: Final = timedelta(days=1)
"""East of here it may be tomorrow."""


@dataclass(frozen=True, slots=True)
class StatementAsk:
    """A statement as somebody tells it; `known_on` None: today."""

    period_end: date
    known_on: date | None
    currency: str | None
    figures: Mapping[str, str]
    ratios: Mapping[str, str]
    source: str


@dataclass(frozen=True, slots=True)
class Told:
    """The statement as it is kept, and whether it is a new one."""

    customer_id: str
    stored: StoredStatement
    is_new: bool


@dataclass(frozen=True, slots=True)
class PutStatement:
    """Take in the statement of a year; another one that is known later replaces it from then on."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, ref: str, ask: StatementAsk) -> Told:
        """Store the statement unless it was told before; its scores become due.

        Without `known_on` it was told before where the one that holds says the same: that stays
        known since it was first told.

        Raises:
            CustomerUnknownError: Nobody has the id or alias `ref`, or it lies out of sight.
            ForbiddenError: The customer has accounts in segments out of sight.
            FieldError: A field breaks a rule; says which.
            BusyError: The database was out of reach.

        """
        at = self.now()
        one = _check(ask, at.date())
        with self.database.begin() as tx:
            customer_id = find_customer(tx, caller, ref)
            need_sight(tx, caller, customer_id)  # all its segments judge by its score
            versions = financials.versions(tx, customer_id, one.period_end)
            for known in versions[:1] if ask.known_on is None else versions:
                if _same(known.statement, one, ask.known_on):
                    return Told(customer_id, known, is_new=False)
            added = financials.add(tx, customer_id, one, (caller.client, caller.actor))
            score_due.add(tx, [customer_id], Urgency.EVENT, at)
        return Told(customer_id, StoredStatement(one, added), is_new=True)


def _same(known: Statement, told: Statement, known_on: date | None) -> bool:
    said = known.known_on if known_on is None else told.known_on
    return (known.known_on, known.currency, known.figures, known.ratios, known.source) == (
        said,
        told.currency,
        told.figures,
        told.ratios,
        told.source,
    )


def _check(ask: StatementAsk, today: date) -> Statement:
    known_on = today if ask.known_on is None else ask.known_on
    if known_on > today + _AHEAD:
        raise FieldError("must not be in the future", "known_on")
    if known_on < ask.period_end:
        raise FieldError(f"must not be before period_end {ask.period_end}", "known_on")
    if ask.currency is not None:
        check_currency(ask.currency, "currency")
    if not ask.figures and not ask.ratios:
        raise FieldError("name at least one figure or ratio", "figures")
    figures = _decimals(ask.figures, ITEMS, "figures")
    ratios = _decimals(ask.ratios, RATIO_NAMES, "ratios")
    return Statement(ask.period_end, known_on, ask.currency, figures, ratios, ask.source)


def _decimals(given: Mapping[str, str], names: tuple[str, ...], field: str) -> dict[str, str]:
    """Hold names and numbers to their rules; in the order of `names`."""
    for name, value in given.items():
        if name not in names:
            raise FieldError(
                f"{name[:64]!r} is none of: {', '.join(names)}", f"{field}.{name[:64]}"
            )
        if not _DECIMAL.fullmatch(value):
            rule = f"a decimal such as -12500.75, at most {MOST_DIGITS} digits before the point"
            raise FieldError(f"{value[:40]!r} is not {rule}", f"{field}.{name}")
    return {name: given[name] for name in names if name in given}


@dataclass(frozen=True, slots=True)
class ListStatements:
    """List the statements of a customer that hold, the newest year first."""

    database: Database

    def __call__(
        self, caller: Caller, ref: str, before: date | None, most: int
    ) -> tuple[str, list[StoredStatement]]:
        """Return the customer's own id and one page.

        Raises:
            CustomerUnknownError: Nobody has the id or alias `ref`, or it lies out of sight.
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            customer_id = find_customer(tx, caller, ref)
            return customer_id, financials.listing(tx, customer_id, before, most)
