"""What an attempt at a batch of facts is to lock, and how it says that it must lock more."""

from collections.abc import Sequence
from dataclasses import dataclass, field

OrderKey = tuple[str, str]
"""(segment_id, order_id)."""


class WidenError(Exception):
    """More is touched than was locked: begin again with these too."""

    def __init__(self, accounts: set[int], orders: set[OrderKey]) -> None:
        """Keep what is to be locked."""
        super().__init__("more is touched than was locked")
        self.accounts = accounts
        self.orders = orders


class AccountsMissingError(Exception):
    """Customers have no account in a segment yet: make them, then begin again."""

    def __init__(self, missing: Sequence[tuple[str, str]]) -> None:
        """Keep (segment_id, customer_id) of each."""
        super().__init__("accounts are to be made first")
        self.missing = missing


@dataclass(slots=True)
class Scope:
    """What is to be locked beyond what the events name themselves."""

    accounts: set[int] = field(default_factory=set)
    orders: set[OrderKey] = field(default_factory=set)
