"""Posting facts to accounts: every account of the path takes its share, in the fact's currency.

An account is revalued before its first posting of a batch; a fact is never refused for a limit.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from app.domain.accounts import Account, Entry, Kind, Use, force, revalued
from app.domain.adjustments import Lowerings
from app.domain.facts import OverLimit, Problem, rate_cause
from app.domain.money import Rate
from app.domain.values import changed, quick

Place = tuple[int, str]
"""(account_id, currency)."""

MAX_TOTAL: Final = 10**18
"""The largest total of a category of an account, in minor units, inclusive: the column's bound."""


@quick
@dataclass(frozen=True, slots=True)
class Posted:
    """What one event does to accounts, not yet kept."""

    entries: tuple[Entry, ...]
    over_limit: tuple[OverLimit, ...]
    moves: Mapping[Place, Use]
    ways: Mapping[Place, Use]
    ref: str


@dataclass(slots=True)
class Balances:
    """Locked accounts as they run through a batch, with the journal entries so far, in order.

    `find` gives the rate from one currency to another that today's conversions take, or None.
    """

    accounts: dict[int, Account]
    find: Callable[[str, str], Rate | None]
    entries: list[Entry] = field(default_factory=list)
    lowerings: Lowerings = field(default_factory=Lowerings)

    def stage(self, moves: Mapping[Place, Use], ref: str, kind: Kind = "FACT") -> Posted | Problem:
        """Work out an event's postings; `ref` names its document in the journal.

        One entry of `kind` an account of the paths, after one FX_REVALUATION where rates are newer,
        which names those, and one ADJUSTMENT where an adjustment gives way to it. A total or
        position beyond 10^18 and a rate that is missing make a problem; `cause` is empty for the
        former.
        """
        ways = self.lowerings.ways(moves)
        void = self._void(moves, ways) if ways else _NOWHERE
        gave = self._post(ways, (ref, "ADJUSTMENT"), void) if ways else _NOTHING
        if isinstance(gave, Problem):
            return gave
        so_far = {one.account.account_id: one for one in gave[0]}
        posted = self._post(moves, (ref, kind), void, so_far)
        if isinstance(posted, Problem):
            return posted
        entries, over = posted
        return Posted((*gave[0], *entries), tuple(over), moves, ways, ref)

    def _post(
        self,
        moves: Mapping[Place, Use],
        how: tuple[str, Kind],
        void: AbstractSet[Place],
        so_far: Mapping[int, Entry] | None = None,
    ) -> tuple[list[Entry], list[OverLimit]] | Problem:
        """Post on every account of the paths, except on `void`.

        Without `so_far` something gives way: at the rate that values its position, if none is new.
        """
        ref, kind = how
        entries: list[Entry] = []
        over: list[OverLimit] = []
        for account_id, told in self._along_paths(moves):
            uses = told
            if void:
                uses = {code: use for code, use in told.items() if (account_id, code) not in void}
                if not uses:
                    continue
            last = so_far.get(account_id) if so_far else None
            before = self.accounts[account_id] if last is None else last.account
            if before.foreign:
                before, newer = revalued(before, self.find)
                entries += newer
            after = self._move(before, uses, gives=so_far is None)
            if isinstance(after, Problem):
                return after
            entries.append(Entry(after, kind, ref))
            if after.forced > before.forced:
                over.append(OverLimit(after.customer_id, after.excess, after.currency))
        return entries, over

    def _void(self, moves: Mapping[Place, Use], ways: Mapping[Place, Use]) -> set[Place]:
        """Say where nothing is to be posted: what goes had been adjusted away as a whole.

        There is no position then, and what gives way and what goes come to nothing; without a rate
        neither could be posted, and money that nobody counts could never go.
        """
        both = {place: use + ways.get(place, Use()) for place, use in moves.items()}
        stays = {(one, code) for one, uses in self._along_paths(both) for code in uses}
        given = {(one, code) for one, uses in self._along_paths(ways) for code in uses}
        return {place for place in given - stays if not self._is_valued(*place)}

    def _is_valued(self, account_id: int, currency: str) -> bool:
        account = self.accounts[account_id]
        if currency == account.currency or currency in account.foreign:
            return True
        return self.find(currency, account.currency) is not None

    def keep(self, posted: Posted) -> None:
        """Let what was staged stand."""
        for entry in posted.entries:
            self.accounts[entry.account.account_id] = entry.account
        self.entries += posted.entries
        self.lowerings.keep(posted.moves, posted.ways, posted.ref)

    def _along_paths(self, moves: Mapping[Place, Use]) -> list[tuple[int, dict[str, Use]]]:
        """Give what is to be posted on each account, by currency; what comes to nothing is not."""
        if len(moves) == 1:
            ((account_id, currency), use) = next(iter(moves.items()))
            return [(one, {currency: use}) for one in self.accounts[account_id].path] if use else []
        found: dict[int, dict[str, Use]] = {}
        for (account_id, currency), use in moves.items():
            for one in self.accounts[account_id].path:
                uses = found.setdefault(one, {})
                uses[currency] = uses[currency] + use if currency in uses else use
        kept = {
            one: {code: use for code, use in uses.items() if use} for one, uses in found.items()
        }
        return [(one, uses) for one, uses in kept.items() if uses]

    def _move(self, account: Account, uses: Mapping[str, Use], *, gives: bool) -> Account | Problem:
        after = account
        for currency in sorted(uses):
            use, rate = uses[currency], None
            if currency != account.currency:
                rate = self.find(currency, account.currency)
                # What only goes down may go at the rate that values it: the position has one.
                grows = _largest(use) > 0 and not gives
                if rate is None and (grows or currency not in account.foreign):
                    return _rate_missing(currency, account.currency)
            after = force(after, currency, use, rate)
        foreign = after.foreign
        if _largest(after.use) > MAX_TOTAL or (
            foreign and any(_largest(held.use) > MAX_TOTAL for held in foreign.values())
        ):
            return Problem(
                "amount_out_of_range", "a total of the account would pass 10^18 minor units"
            )
        return after if after.seq == account.seq + 1 else _one_step(account, after)


_NOTHING: Final[tuple[list[Entry], list[OverLimit]]] = ([], [])
_NOWHERE: Final[frozenset[Place]] = frozenset()


def _largest(use: Use) -> int:
    return max(
        use.authorized, use.open_delivery, use.open_item, use.note_receivable, use.prepayment
    )


def _one_step(before: Account, after: Account) -> Account:
    """Count a posting in several currencies as one entry; the journal has no holes."""
    return changed(after, seq=before.seq + 1)


def _rate_missing(source: str, target: str) -> Problem:
    return Problem(
        "fx_rate_missing",
        f"no rate between {source} and {target} of the last 7 days",
        "amount.currency",
        rate_cause(source, target),
    )
