"""The second person: approves a proposed release, which is then carried out, or declines it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.domain.errors import FieldError, FourEyesError, HoldNotOpenError, ProposalStateError
from app.domain.holds import OrderHold, Proposal
from app.store import accounts, holds, proposals
from app.store.database import Database, Tx
from app.usecases.asks import Answer, Ask
from app.usecases.holds import HoldView, Render, event_of, need_hold, view_of
from app.usecases.holds_end import locked_order, not_open
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.releases import ReleaseHold, Releasing, held_for, need_right


@dataclass(frozen=True, slots=True)
class ApproveRelease:
    """Approve what another proposed: the release goes its usual way, in the approver's name.

    It is approved in the transaction that lets the order pass: until then it waits as it did.
    """

    release: ReleaseHold

    async def __call__(
        self, keyed: Keyed, hold_id: str, note: str | None, render: Render
    ) -> Answer:
        """Release the hold as proposed and answer it; a repeat gets the same bytes.

        Raises:
            NotFoundError: No such hold within sight.
            HoldNotOpenError: It was decided before.
            ProposalStateError: No release of it is proposed, or it no longer fits the order.
            FourEyesError: The caller proposed it.
            ForbiddenError: The caller may not lift this kind of hold.
            AboveAuthorityError: The amount is more than the caller's roles may release.
            AccountStoppedError: The account is stopped; that comes first.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else works on the order; the proposal still waits.

        """
        ready = await asyncio.to_thread(self._begin, keyed, hold_id, note, render)
        if isinstance(ready, Answer):
            return ready
        told = await self.release.ask(ready)
        answer = await asyncio.to_thread(self.release.keep, keyed, hold_id, render)
        return replace(answer, replayed=told.replayed)

    def _begin(self, keyed: Keyed, hold_id: str, note: str | None, render: Render) -> Answer | Ask:
        with self.release.database.begin() as tx:
            hold = need_hold(tx, keyed.caller, hold_id)
            if not self.release.known(tx, keyed):
                need_right(keyed.caller, hold)
                try:
                    hold, proposal = _locked(tx, hold)
                except (HoldNotOpenError, ProposalStateError):
                    # while the order was waited for, a twin of this question may have ended it
                    if not self.release.known(tx, keyed):
                        raise
                else:
                    return self._question(tx, keyed, hold, proposal, note)
        return self.release.keep(keyed, hold_id, render)

    def _question(
        self, tx: Tx, keyed: Keyed, hold: OrderHold, proposal: Proposal, note: str | None
    ) -> Ask:
        if proposal.proposed_by == keyed.caller.client:
            raise FourEyesError(
                f"{keyed.caller.client!r} proposed this release: another must approve"
            )
        _need_same(tx, proposal, held_for(hold))
        releasing = Releasing(
            proposal.reason_code, note or proposal.note, proposal.most, proposal.valid_until
        )
        try:
            asked = self.release.weighed(tx, keyed.caller, hold, releasing)
        except FieldError as unfit:
            raise ProposalStateError(
                f"it no longer fits the order ({unfit.detail}): decline and propose anew"
            ) from unfit
        return self.release.question(keyed, hold, releasing, asked.most, proposal.proposal_id)


@dataclass(frozen=True, slots=True)
class DeclineRelease:
    """Decline a proposed release, or take one's own back; the hold stays open."""

    database: Database
    now: Callable[[], datetime]

    def __call__(
        self, keyed: Keyed, hold_id: str, why: tuple[str | None, str | None], render: Render
    ) -> Answer:
        """Answer the hold as it is then; `why` is reason code and note.

        Raises:
            NotFoundError: No such hold within sight.
            HoldNotOpenError: It was decided before.
            ProposalStateError: No release of it waits.
            ForbiddenError: The caller may not lift this kind of hold.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else works on the order; nothing was changed.

        """

        def decline(tx: Tx) -> HoldView:
            hold = need_hold(tx, keyed.caller, hold_id)
            need_right(keyed.caller, hold)
            hold, proposal = _locked(tx, hold)
            at = self.now()
            proposals.decline(tx, proposal.proposal_id, keyed.caller, at)
            holds.add_event(tx, event_of(keyed.caller, hold.hold_id, "decline", why, at))
            holds.touch(tx, hold.hold_id, at)
            return view_of(tx, hold.hold_id)

        with self.database.begin() as tx:
            caller = keyed.caller
            return once(tx, caller, keyed.key, keyed.digest, lambda: render(decline(tx)))


def _need_same(tx: Tx, proposal: Proposal, now: Mapping[str, Any]) -> None:
    """Refuse where the order is held for something else by now: nobody proposed to let that go.

    Raises:
        ProposalStateError: Another payer, currency or version, more of it, or longer terms.

    """
    then = proposal.asked
    if then is None:
        return
    (was, currency), (amount, now_in) = then["amount"], now["amount"]
    terms = then["payment_terms_days"], now["payment_terms_days"]
    told = {
        "another payer": accounts.customer_of(tx, then["customer_id"]) != now["customer_id"],
        "another currency": currency != now_in,
        "another version": then["version"] != now["version"],
        "more": amount > was,
        "other terms": terms[0] != terms[1] and (None in terms or terms[1] > terms[0]),
    }
    for what, differs in told.items():
        if differs:
            raise ProposalStateError(
                f"the order was asked for {what} since it was proposed: decline and propose anew"
            )


def _locked(tx: Tx, hold: OrderHold) -> tuple[OrderHold, Proposal]:
    """Lock a hold's order, and read the hold and what is proposed under that lock.

    Raises:
        HoldNotOpenError: It was decided before.
        ProposalStateError: Nothing is proposed.

    """
    if hold.status != "OPEN":
        raise not_open(hold)
    if hold.proposal is None:
        raise ProposalStateError("no release of this hold is proposed")
    locked_order(tx, hold)
    hold = view_of(tx, hold.hold_id).hold
    if hold.proposal is None or hold.proposal.status != "PROPOSED":
        raise ProposalStateError("no release of this hold is proposed")
    return hold, hold.proposal
