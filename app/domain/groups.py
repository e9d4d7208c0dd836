"""What happens to balances when a customer changes its group or joins another record.

An account pools its own use and that of its descendants, so that whatever leaves one chain of
accounts and joins another is booked on every account of either chain that is not in both. Exact
positions move, never valued totals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from app.domain.accounts import Account, Entry, Use, force, revalued
from app.domain.errors import FieldError, RateMissingError
from app.domain.money import Rate, RateFinder

MAX_DEPTH: Final = 5
"""Most customers from the top group down to the lowest member, both counted."""

Pool = dict[int, Account]
"""Locked accounts by id, as they stand so far in this transaction."""


@dataclass(frozen=True, slots=True)
class Why:
    """The reason written into the journal."""

    kind: Literal["REGROUP", "MERGE", "ADJUSTMENT"]
    ref: str


def check_place(customer_id: str, above: Sequence[str], levels_below: int) -> None:
    """Insist that a customer may stand under `above` (its new parent first, then upwards).

    `levels_below` is how many levels of members it has itself.

    Raises:
        FieldError: It would be its own group, or the group would be deeper than `MAX_DEPTH`.

    """
    if customer_id in above:
        raise FieldError(f"{above[0]!r} belongs to {customer_id!r}: a cycle", "parent_id")
    depth = len(above) + 1 + levels_below
    if depth > MAX_DEPTH:
        raise FieldError(
            f"the group would be {depth} levels deep, at most {MAX_DEPTH} are taken", "parent_id"
        )


def positions(account: Account) -> dict[str, Use]:
    """List an account's exact positions by currency; none that is nothing."""
    own = account.position(account.currency)
    found = {code: held.use for code, held in account.foreign.items()}
    return {account.currency: own, **found} if own else found


@dataclass(frozen=True, slots=True)
class Transfer:
    """Positions that leave the accounts of one chain and join those of another."""

    moved: Mapping[str, Use]
    leaves: Sequence[int]
    joins: Sequence[int]
    why: Why


def carry_out(pool: Pool, transfer: Transfer, find: RateFinder) -> list[Entry]:
    """Book a transfer on `pool`; accounts in both chains see no change.

    Returns the journal entries in the order in which they are to be written.

    Raises:
        RateMissingError: An account takes over a currency that nothing values in its own.

    """
    taken = {code: -use for code, use in transfer.moved.items()}
    entries: list[Entry] = []
    for key in transfer.leaves:
        if key not in transfer.joins:
            entries += _book(pool, key, taken, (None, transfer.why))
    for key in transfer.joins:
        if key not in transfer.leaves:
            entries += _book(pool, key, transfer.moved, (find, transfer.why))
    return entries


def _book(
    pool: Pool, account_id: int, deltas: Mapping[str, Use], how: tuple[RateFinder | None, Why]
) -> list[Entry]:
    find, why = how
    entries = list[Entry]()
    if find and deltas:  # else what it holds would be valued anew by the entry of what it gets
        pool[account_id], entries = revalued(pool[account_id], find)
    for currency, delta in sorted(deltas.items()):
        held = pool[account_id]
        rate = _rate(held, currency, find) if find else None
        pool[account_id] = force(held, currency, delta, rate)
        entries.append(Entry(pool[account_id], why.kind, why.ref))
    return entries


def _rate(held: Account, currency: str, find: RateFinder) -> Rate | None:
    if currency == held.currency:
        return None
    rate = find(currency, held.currency)
    if rate is None and currency not in held.foreign:
        raise RateMissingError(
            f"no rate between {currency} and {held.currency} of the last days, which"
            f" {held.customer_id!r} needs to take over what is open in {currency}"
        )
    return rate


def under(path: Sequence[int], moved_id: int, above: Sequence[int]) -> tuple[int, ...]:
    """Rewrite the path of an account at or below `moved_id`, whose groups become `above`."""
    return (*path[: path.index(moved_id) + 1], *above)
