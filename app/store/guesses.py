"""Which account a payer's last order met: a guess, which the account itself confirms.

To find an account by its customer's id the server looks into two large indexes, before the lock
and after it again. A guess spares all four, and is never trusted (see decision 86).
"""

from array import array
from collections.abc import Iterable, Mapping
from typing import Final

from app.domain.accounts import Account
from app.store.lane_rows import Loaded, Pair
from app.telemetry import LANE_GUESSES

SLOTS: Final = 1 << 19
"""Room for as many payers, in 6 MB. Two that share a slot drive each other out of it."""

_RIGHT, _SOUGHT, _WRONG, _STRAY = map(LANE_GUESSES.labels, ("right", "sought", "wrong", "stray"))


class Guesses:
    """Accounts by payer, in arrays of a fixed size, so that no number of payers fills the memory.

    Only such payers are remembered as their account can confirm: asked about by the customer's own
    id, and alone. The account of a group's member, or of a record that was merged into another,
    has a longer path; an alias is not in the account. These are looked up each time.
    """

    def __init__(self, slots: int = SLOTS) -> None:
        """Know nobody yet."""
        self._slots = slots
        self._accounts = array("q", [0]) * slots
        self._tags = array("I", [0]) * slots

    def of(self, pairs: Iterable[Pair]) -> dict[Pair, int]:
        """Guess the accounts of payers; who is not known is left out."""
        slots, tags, accounts = self._slots, self._tags, self._accounts
        found = {}
        for pair in pairs:
            code = hash(pair)
            place = code % slots
            if accounts[place] and tags[place] == _tag(code):
                found[pair] = accounts[place]
        return found

    def confirm(self, guessed: Mapping[Pair, int], read: Loaded) -> dict[Pair, int]:
        """Give the guesses that were right, forget the others, and learn what was looked up."""
        right = {pair: key for pair, key in guessed.items() if _tells(read.accounts.get(key), pair)}
        _RIGHT.inc(len(right))
        if len(right) < len(guessed):
            _WRONG.inc(len(guessed) - len(right))
            for pair in guessed.keys() - right.keys():
                self._accounts[hash(pair) % self._slots] = 0
        if len(guessed) < len(read.payers):
            self._learn(guessed, read)
        return right

    def _learn(self, guessed: Mapping[Pair, int], read: Loaded) -> None:
        sought = [pair for pair in read.payers if pair not in guessed]
        _SOUGHT.inc(len(sought))
        for pair in sought:
            key = read.payers[pair].account_id
            if _tells(read.accounts.get(key), pair):
                code = hash(pair)
                place = code % self._slots
                self._tags[place], self._accounts[place] = _tag(code), key


def strays(read: Loaded) -> bool:
    """Tell whether an order is of an account that was not read, and count such orders."""
    found = [one for one in read.orders.values() if one.account_id not in read.accounts]
    if found:
        _STRAY.inc(len(found))
    return bool(found)


def _tag(code: int) -> int:
    """Give 32 bits of a hash by which two payers of one slot differ."""
    return code >> 20 & 0xFFFFFFFF


def _tells(account: Account | None, pair: Pair) -> bool:
    """Whether an account tells by itself, beyond doubt, that it is this payer's."""
    return (
        account is not None
        and account.customer_id == pair[1]
        and account.segment_id == pair[0]
        and len(account.path) == 1
    )
