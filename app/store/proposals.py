"""Releases that wait for a second person; they change under the lock of their hold's order."""

from datetime import datetime
from typing import Literal

from sqlalchemy import insert, select, update

from app.domain.callers import Caller
from app.domain.holds import Proposal
from app.store.database import Tx
from app.store.schema.authority import release_proposal

_OWN = release_proposal.c


def add(tx: Tx, hold_id: str, proposal: Proposal) -> None:
    """Store a new proposal."""
    plain = {name: getattr(proposal, name) for name in Proposal.__slots__ if name != "most"}
    money = {"max_minor": proposal.most.minor, "currency": proposal.most.currency}
    tx.execute(insert(release_proposal).values(hold_id=hold_id, **plain, **money))


def waiting(tx: Tx, hold_id: str) -> bool:
    """Tell whether a release of a hold waits for a second person."""
    query = select(_OWN.proposal_id).where(_OWN.hold_id == hold_id, _OWN.status == "PROPOSED")
    return tx.execute(query).first() is not None


def decide(
    tx: Tx,
    proposal_id: str,
    to: Literal["APPROVED", "DECLINED"],
    by: Caller,
    at: datetime,
) -> None:
    """Store what a second person decided; of one that was being carried out it is a new one."""
    values = {
        "status": to,
        "decided_by": by.client,
        "decided_actor": by.actor,
        "decided_at": at,
    }
    tx.execute(update(release_proposal).where(_OWN.proposal_id == proposal_id).values(values))


def confirm(tx: Tx, proposal_id: str, by: Caller, at: datetime) -> None:
    """Store who approved what was released, unless it is on record."""
    values = {"decided_by": by.client, "decided_actor": by.actor, "decided_at": at}
    waits = _OWN.proposal_id == proposal_id, _OWN.status == "PROPOSED"
    tx.execute(update(release_proposal).where(*waits).values(status="APPROVED", **values))


def put_back(tx: Tx, proposal_id: str, by: Caller) -> None:
    """Let a proposal wait again whose release was refused after `by` had approved it."""
    mine = _OWN.proposal_id == proposal_id, _OWN.status == "APPROVED", _OWN.decided_by == by.client
    none = dict.fromkeys(("decided_by", "decided_actor", "decided_at"))
    statement = update(release_proposal).where(*mine)
    tx.execute(statement.values(status="PROPOSED", **none))
