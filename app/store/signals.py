"""Risk events of customers as registries told them: only added, and read to be counted."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text

from app.domain.signals import Signal, SignalKind, SignalRole
from app.store.database import Tx
from app.store.schema.outside import registry_signal as table


def add(
    tx: Tx, customer_id: str, registry: str, events: Sequence[Signal], checked_on: date
) -> None:
    """Keep events; where there is none, that the registry was asked on the day and had nothing."""
    rows: list[dict[str, object]] = [
        {"known_on": one.known_on, "kind": one.kind, "role": one.role, "ended_on": one.ended_on}
        for one in events
    ]
    nothing: dict[str, object] = {
        "known_on": checked_on,
        "kind": None,
        "role": None,
        "ended_on": None,
    }
    told = {"customer_id": customer_id, "registry": registry}
    tx.execute(table.insert(), [told | row for row in rows or [nothing]])


_KNOWN = text("""
SELECT g.kind, g.role, g.known_on, g.ended_on
FROM customer_ref r JOIN registry_signal g ON g.customer_id = r.ref
WHERE r.customer_id = :id AND g.kind IS NOT NULL
""")


def known(tx: Tx, customer_id: str) -> list[Signal]:
    """Read all events of a customer, those of ids that were merged into it among them."""
    return [
        Signal(SignalKind(row.kind), SignalRole(row.role), row.known_on, row.ended_on)
        for row in tx.execute(_KNOWN, {"id": customer_id})
    ]
