"""What a registry tells of a customer: kept, counted for the rules, and a reason to score anew."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from app.domain.scores_refresh import Urgency
from app.domain.signals import Signal, SignalRole, count_signals
from app.store import accounts, customers, groups, inputs, score_due, signals
from app.store.database import Database, Tx, moment


@dataclass(frozen=True, slots=True)
class NoteSignals:
    """Takes what an adapter found; `clock` gives the moment of a transaction."""

    database: Database
    clock: Callable[..., datetime] = moment

    def __call__(self, ref: str, registry: str, events: Sequence[Signal], checked_on: date) -> None:
        """Keep events that are new, as of the day on which the registry was asked.

        `ref` is an id or alias of the customer. No events: it had nothing new. The customer's
        orders meet the counts at once, and its score is due; at once where the company is not only
        the plaintiff.

        Raises:
            CustomerUnknownError: Nobody has this id; nothing is kept.
            BusyError: The database was out of reach, or the customer is being merged; nothing was
                changed.

        """
        with self.database.begin() as tx:
            customer_id = customers.lock_named(tx, ref)  # no account is made meanwhile
            own = [term.account_id for term in groups.terms(tx, [customer_id])]
            accounts.lock(tx, own)  # two registries at once: the later one counts both
            signals.add(tx, customer_id, registry, events, checked_on)
            count_anew(tx, customer_id, own, [checked_on, *checked_days(tx, own)])
            adverse = any(one.role is not SignalRole.PLAINTIFF for one in events)
            urgency = Urgency.ADVERSE if adverse else Urgency.EVENT
            score_due.add(tx, [customer_id], urgency, self.clock(tx))


def checked_days(tx: Tx, account_ids: Collection[int]) -> list[date]:
    """Read as of which days the signals of accounts, which are locked, were counted."""
    held = accounts.get_many(tx, account_ids)
    told = [inputs.get(tx, key, one.input_version).get("signals") for key, one in held.items()]
    return [date.fromisoformat(one["checked_on"]) for one in told if one]


def count_anew(
    tx: Tx, customer_id: str, account_ids: Collection[int], days: Collection[date]
) -> None:
    """Tell a customer's accounts, which are locked, what is known of it as of the newest day.

    A registry whose answer comes late takes nothing away that a later one told. No day: nobody
    asked a registry yet, and signals stay missing.
    """
    if days:
        counted = count_signals(signals.known(tx, customer_id), max(days))
        inputs.change(tx, account_ids, {"signals": counted})
