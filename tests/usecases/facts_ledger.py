"""The customers of `facts_world` on a real database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

from sqlalchemy import select

from app.domain.accounts import Use
from app.domain.customers import AccountChange
from app.domain.facts import Result
from app.domain.segments import MAIN
from app.store import accounts, rates
from app.store.database import Database
from app.store.schema.evidence import quarantine
from app.usecases.facts_events import parse_events
from app.usecases.segments import SegmentChange
from tests.domain.facts_world import ANNA, BERT, CHIE, CURRENCIES, CUSTOMERS, GROUP, RATES
from tests.server import Clock
from tests.usecases.town import ADMIN, Town

Fact = Mapping[str, Any]

PARENTS = {GROUP: None, ANNA: "group", BERT: "group", CHIE: None}


@dataclass
class Ledger:
    """Facts go to `segment`; `clean_segment` turns to one where nothing happened yet."""

    town: Town
    segment: str = MAIN
    numbers: "count[int]" = field(default_factory=count)

    @classmethod
    def found(cls, database: Database, clock: Clock) -> Self:
        """Put the customers, one of them a group, and store the rates."""
        town = Town.found(database, clock)
        for name, one in CUSTOMERS.items():
            town.put(name, currency=CURRENCIES[one], parent_id=PARENTS[one])
        with database.begin() as tx:
            for rate in RATES:
                rates.add(tx, rate)
        return cls(town)

    def clean_segment(self, *, currencies: bool = True) -> None:
        """Make a segment; with `currencies` every account there has that of `facts_world`."""
        self.segment = f"S{next(self.numbers)}"
        self.town.parties.put_segment(ADMIN, self.segment, SegmentChange(self.segment))
        for name, one in CUSTOMERS.items() if currencies else ():
            change = AccountChange(currency=CURRENCIES[one])
            self.town.parties.put_terms(ADMIN, (name, self.segment), change)

    def tell(self, facts: Iterable[Fact]) -> list[Result]:
        """Report a batch."""
        told = [{**one, "segment": self.segment} for one in facts]
        return self.town.facts(ADMIN, parse_events(told))

    def apply(self, *facts: Fact) -> list[str]:
        """Report a batch and return the word each is answered with."""
        return [result.result for result in self.tell(facts)]

    def code(self, told: Fact) -> str:
        """Report one fact and say why it has to wait."""
        problem = self.tell([told])[0].problem
        assert problem is not None
        return problem.code

    def positions(self) -> dict[tuple[int, str], Use]:
        """Every account's exact position in every currency that is not zero, as `facts_world`."""
        found = {}
        with self.town.database.read() as tx:
            for name, one in CUSTOMERS.items():
                account = accounts.find(tx, name, self.segment)
                for currency in ("CNY", "USD", "JPY", "BHD") if account else ():
                    use = account.position(currency) if account else Use()
                    if use:
                        found[one, currency] = use
        return found

    def waiting(self) -> dict[str, str]:
        """Event ids in quarantine, and how each row stands."""
        query = select(quarantine.c.event_id, quarantine.c.status)
        with self.town.database.read() as tx:
            return {row.event_id: row.status for row in tx.execute(query)}

    def quarantined(self, customer_id: str = "anna") -> int:
        """How many facts an account waits for."""
        return self.town.account(customer_id, self.segment).quarantined


def batches(facts: Sequence[Fact], size: int) -> list[Sequence[Fact]]:
    """Cut facts into batches."""
    return [facts[start : start + size] for start in range(0, len(facts), size)]
