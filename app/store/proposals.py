"""Releases that wait for a second person; they change under the lock of their hold's order.

One is approved by the lane, in the transaction that carries it out: else it could be on record as
approved though the order never went, or went by another's word.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import insert, select, update

from app.domain.callers import Caller
from app.domain.holds import Proposal
from app.store.database import Tx
from app.store.schema.authority import release_proposal

_OWN = release_proposal.c

HELD_FOR: Final = """
SELECT h.hold_id, r.customer_id, h.ask, p.proposal_id
FROM order_hold AS h
JOIN customer_ref AS r ON r.ref = h.customer_id
LEFT JOIN release_proposal AS p ON p.hold_id = h.hold_id AND p.status = 'PROPOSED'
WHERE h.hold_id = ANY (CAST(%(ids)s AS uuid[])) AND h.ask IS NOT NULL
"""

APPROVE: Final = """
UPDATE release_proposal AS p SET status = n.status, decided_by = n.decided_by,
    decided_actor = n.decided_actor, decided_at = n.decided_at
FROM json_populate_recordset(NULL::release_proposal, %(rows)s::json) AS n
WHERE p.proposal_id = n.proposal_id
"""


def add(tx: Tx, hold_id: str, proposal: Proposal) -> None:
    """Store a new proposal."""
    plain = {name: getattr(proposal, name) for name in Proposal.__slots__ if name != "most"}
    money = {"max_minor": proposal.most.minor, "currency": proposal.most.currency}
    tx.execute(insert(release_proposal).values(hold_id=hold_id, **plain, **money))


def waiting(tx: Tx, hold_id: str) -> bool:
    """Tell whether a release of a hold waits for a second person."""
    query = select(_OWN.proposal_id).where(_OWN.hold_id == hold_id, _OWN.status == "PROPOSED")
    return tx.execute(query).first() is not None


def decline(tx: Tx, proposal_id: str, by: Caller, at: datetime) -> None:
    """Store that a second person declined it, or who proposed it took it back."""
    values = {
        "status": "DECLINED",
        "decided_by": by.client,
        "decided_actor": by.actor,
        "decided_at": at,
    }
    tx.execute(update(release_proposal).where(_OWN.proposal_id == proposal_id).values(values))
