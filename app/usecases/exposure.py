"""From a figure of an account down to the documents that it is made of."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from app.domain.accounts import Account
from app.domain.callers import Caller
from app.domain.exposure import Document, Figure, Mark, figures_of, worth_of
from app.domain.money import Money, Rate, RateFinder
from app.domain.rates import find_rate
from app.store import (
    accounts,
    exposure,
    exposure_deliveries,
    groups,
    open_items,
    rates,
    segments,
)
from app.store.database import Database, Tx
from app.usecases.accounts import not_here
from app.usecases.dates import business_date
from app.usecases.terms_read import interest_on, terms_table


@dataclass(frozen=True, slots=True)
class FigurePage:
    """Which part of which figure is asked for; `after` None: the first part, of at most `most`."""

    segment_id: str
    figure: Figure
    after: Mark | None
    most: int


@dataclass(frozen=True, slots=True)
class FigureView:
    """A page of documents with their worths in the account's currency, under one snapshot.

    `interest` is what being late has cost, by document in its own currency (None: nothing is late).
    `totals` are the whole figure's sums by currency, `after` the place of the last document where
    more follow. `as_of` is the moment of the snapshot.
    """

    customer_id: str
    segment_id: str
    currency: str
    totals: list[Money]
    documents: list[tuple[Document, Money | None]]
    interest: list[Money | None]
    after: Mark | None
    as_of: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class ListExposure:
    """Read what a figure is made of; a group's is made of its members' documents."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, ref: str, page: FigurePage) -> FigureView:
        """Return a page of the figure of the account of the customer that `ref` names.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.
            NotFoundError: The customer has no account there.

        """
        caller.visit(page.segment_id)
        at = self.now()
        with self.database.read() as tx:
            segment = segments.read(tx, page.segment_id)
            today = business_date(segment, at)
            customer_id = accounts.customer_of(tx, ref)
            held = accounts.find(tx, customer_id, page.segment_id)
            if held is None:
                raise not_here(caller, ref, page.segment_id)
            view = self._view(tx, held, page, today, at)
            if page.figure in {"OPEN_ITEM", "OVERDUE"}:
                shown = [one for one, _ in view.documents]
                interest = interest_on(tx, shown, terms_table(tx, segment, at), today, at)
                view = replace(view, interest=interest)
        return view

    def _view(
        self, tx: Tx, held: Account, page: FigurePage, today: date, at: datetime
    ) -> FigureView:
        family = groups.family(tx, held.customer_id)
        ids = [key for key, (segment_id, _) in family.items() if segment_id == held.segment_id]
        place = (page.after, page.most + 1)
        found = exposure.documents(tx, ids, page.figure, today, place)
        shown = found[: page.most]
        if page.figure == "OPEN_DELIVERY":
            shown = exposure_deliveries.detailed(tx, held.segment_id, shown)
        find = _finder(tx, held, {one.amount.currency for one in shown}, today)
        return FigureView(
            customer_id=held.customer_id,
            segment_id=held.segment_id,
            currency=held.currency,
            totals=_totals(tx, held, ids, page.figure, today),
            documents=[(one, worth_of(held, one.amount, page.figure, find)) for one in shown],
            interest=[None] * len(shown),
            after=shown[-1].place if len(found) > len(shown) else None,
            as_of=at,
            seq=held.seq,
        )


def _totals(tx: Tx, held: Account, ids: list[int], figure: Figure, today: date) -> list[Money]:
    if figure != "OVERDUE":
        return figures_of(held, figure)
    sums, _ = open_items.overdue(tx, ids, today)
    codes = [held.currency, *sorted(sums.keys() - {held.currency})]
    return [Money(sums.get(code, 0), code) for code in codes]


def _finder(tx: Tx, held: Account, currencies: set[str], today: date) -> RateFinder:
    wanted = currencies - {held.currency} - held.foreign.keys()
    known = rates.recent(tx, {held.currency, *wanted}, today) if wanted else []

    def find(source: str, target: str) -> Rate | None:
        return find_rate(known, source, target, today)

    return find
