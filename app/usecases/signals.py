"""What a registry tells of a customer: kept, counted for the rules, and a reason to score anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from app.domain.errors import CustomerUnknownError
from app.domain.scores_refresh import Urgency
from app.domain.signals import Signal, SignalRole, count_signals
from app.store import accounts, groups, inputs, score_due, signals
from app.store.database import Database, moment


@dataclass(frozen=True, slots=True)
class NoteSignals:
    """Takes what an adapter found; `clock` gives the moment of a transaction."""

    database: Database
    clock: Callable[..., datetime] = moment

    def __call__(
        self, customer_id: str, registry: str, events: Sequence[Signal], checked_on: date
    ) -> None:
        """Keep events that are new, as of the day on which the registry was asked.

        No events: it had nothing new. The customer's orders meet the counts at once, and its score
        is due; at once where the company is not only the plaintiff.

        Raises:
            CustomerUnknownError: Nobody has this id; nothing is kept.
            BusyError: The database was out of reach; nothing was changed.

        """
        with self.database.begin() as tx:
            own = [term.account_id for term in groups.terms(tx, [customer_id])]
            if not own:
                raise CustomerUnknownError(f"no customer has the id {customer_id!r}", "customer_id")
            accounts.lock(tx, own)  # two registries at once: the later one counts both
            signals.add(tx, customer_id, registry, events, checked_on)
            counted = count_signals(signals.known(tx, customer_id), checked_on)
            inputs.change(tx, own, {"signals": counted})
            adverse = any(one.role is not SignalRole.PLAINTIFF for one in events)
            urgency = Urgency.ADVERSE if adverse else Urgency.EVENT
            score_due.add(tx, [customer_id], urgency, self.clock(tx))
