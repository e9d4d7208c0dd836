"""Adjustments: signed documents by which people bring a figure to what the ERP has.

One that lowers a figure stands for facts that have not come. When documents later leave less than
it takes away, it gives way by what is missing: a category of an account never falls below 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from app.domain.accounts import Use
from app.domain.exposure import Category, share, use_of
from app.domain.money import Money

AdjustmentKind = Literal["DRIFT", "REVERSAL", "GIVEN_WAY"]

ADJUSTABLE: Final[tuple[Category, ...]] = (
    "OPEN_DELIVERY",
    "OPEN_ITEM",
    "NOTE_RECEIVABLE",
    "PREPAYMENT",
)
"""What is reserved is Aval's own doing: it is released, never adjusted."""

ITSELF: Final = "aval"
"""The client of what nobody asked for."""

Purse = tuple[int, str]
"""(account_id, currency)."""

Lowered = tuple[int, str, Category]
"""(account_id, currency, category) that adjustments lower."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """An adjustment as stored; `amount` is what it adds to its account's figure.

    DRIFT names the drift that it answers; REVERSAL and GIVEN_WAY name the adjustment that they
    take back, wholly or in part. `client` is authenticated, `actor` asserted.
    """

    adjustment_id: str
    account_id: int
    kind: AdjustmentKind
    category: Category
    amount: Money
    reason: str
    client: str
    actor: str | None
    at: datetime
    drift_id: str | None = None
    reverses: str | None = None

    @property
    def use(self) -> Use:
        """What it adds, as a change of its account's position."""
        return use_of(self.category, self.amount.minor)


@dataclass(slots=True)
class Lowerings:
    """Accounts whose adjustments lower something, as they run through a batch.

    `own` is what each account's own documents and adjustments come to, `left` by how much each
    adjustment still lowers (negative; oldest first), `gave` what has given way so far and to what.
    """

    own: dict[Purse, Use] = field(default_factory=dict)
    left: dict[Lowered, list[tuple[str, int]]] = field(default_factory=dict)
    gave: list[tuple[Purse, Use, str]] = field(default_factory=list)

    def ways(self, moves: Mapping[Purse, Use]) -> dict[Purse, Use]:
        """Say what must give way before these moves, so that nothing falls below 0."""
        if not self.own:
            return {}
        found = {}
        for purse, move in moves.items():
            if purse in self.own and (way := _below(self.own[purse] + move)):
                found[purse] = way
        return found

    def keep(self, moves: Mapping[Purse, Use], ways: Mapping[Purse, Use], ref: str) -> None:
        """Let moves and what gave way to them stand; `ref` names the document that moved."""
        if not self.own:
            return
        for purse, way in ways.items():
            self.own[purse] += way
            self.gave.append((purse, way, ref))
        for purse in moves.keys() & self.own.keys():
            self.own[purse] += moves[purse]

    def given(self, new_id: Callable[[], str], at: datetime) -> list[Adjustment]:
        """Write what gave way as adjustments that take back the oldest that lower."""
        left = {key: list(rows) for key, rows in self.left.items()}
        found: list[Adjustment] = []
        for (account_id, currency), way, ref in self.gave:
            for category in ADJUSTABLE:
                needed = share(way, category)
                rows = left.get((account_id, currency, category), [])
                while needed:
                    adjustment_id, lowers = rows[0]
                    part = min(needed, -lowers)
                    needed -= part
                    rows[0] = (adjustment_id, lowers + part)
                    if not rows[0][1]:
                        del rows[0]
                    found.append(
                        Adjustment(
                            adjustment_id=new_id(),
                            account_id=account_id,
                            kind="GIVEN_WAY",
                            category=category,
                            amount=Money(part, currency),
                            reason=f"gave way to {ref}",
                            client=ITSELF,
                            actor=None,
                            at=at,
                            reverses=adjustment_id,
                        )
                    )
        return found


def _below(use: Use) -> Use:
    """Give what is missing to 0, category by category; nothing of what is reserved."""
    return Use(
        open_delivery=max(0, -use.open_delivery),
        open_item=max(0, -use.open_item),
        note_receivable=max(0, -use.note_receivable),
        prepayment=max(0, -use.prepayment),
    )
