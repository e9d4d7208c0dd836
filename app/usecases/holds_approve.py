"""The second person: approves a proposed release, which is then carried out, or declines it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from app.domain.callers import Caller
from app.domain.errors import CreditError, FieldError, FourEyesError, ProposalStateError
from app.domain.holds import OrderHold, Proposal
from app.store import holds, proposals
from app.store.database import Database, Tx
from app.usecases.asks import Answer, Ask
from app.usecases.holds import HoldView, Render, event_of, need_hold, view_of
from app.usecases.holds_end import locked_order, not_open
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.releases import ReleaseHold, Releasing, need_right

_CARRIED_OUT: Final = timedelta(seconds=30)
"""How long an approval that did not end in a release is taken to be under way."""


@dataclass(frozen=True, slots=True)
class ApproveRelease:
    """Approve what another proposed: the release goes its usual way, in the approver's name."""

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
        ask, proposal_id = ready
        held = (hold_id, proposal_id)
        try:
            told = await self.release.ask(ask)
        except CreditError:
            await asyncio.to_thread(self._put_back, keyed.caller, held)
            raise
        await asyncio.to_thread(self._confirm, keyed.caller, proposal_id)
        answer = await asyncio.to_thread(self.release.keep, keyed, hold_id, render)
        return replace(answer, replayed=told.replayed)

    def _begin(
        self, keyed: Keyed, hold_id: str, note: str | None, render: Render
    ) -> Answer | tuple[Ask, str]:
        with self.release.database.begin() as tx:
            hold = need_hold(tx, keyed.caller, hold_id)
            if not self.release.known(tx, keyed):
                need_right(keyed.caller, hold)
                hold, proposal = _locked(tx, hold)
                _need_idle(proposal, keyed.caller, self.release.now())
                if proposal.proposed_by == keyed.caller.client:
                    raise FourEyesError(
                        f"{keyed.caller.client!r} proposed this release: another must approve"
                    )
                releasing = Releasing(
                    proposal.reason_code,
                    note or proposal.note,
                    proposal.most,
                    proposal.valid_until,
                )
                try:
                    asked = self.release.weighed(tx, keyed.caller, hold, releasing)
                except FieldError as unfit:
                    raise ProposalStateError(
                        f"it no longer fits the order ({unfit.detail}): decline and propose anew"
                    ) from unfit
                at = self.release.now()
                proposals.decide(tx, proposal.proposal_id, "APPROVED", keyed.caller, at)
                ask = self.release.question(keyed, hold, releasing, asked.most)
                return ask, proposal.proposal_id
        return self.release.keep(keyed, hold_id, render)

    def _put_back(self, caller: Caller, held: tuple[str, str]) -> None:
        """Let it wait again, unless the hold is released: only the answer was lost, or asked twice.

        Who approved a release stays on record.
        """
        hold_id, proposal_id = held
        with self.release.database.begin() as tx:
            if view_of(tx, hold_id).hold.status == "OPEN":
                proposals.put_back(tx, proposal_id, caller)

    def _confirm(self, caller: Caller, proposal_id: str) -> None:
        """Say again who approved, where a second try of the same person had put it back."""
        with self.release.database.begin() as tx:
            proposals.confirm(tx, proposal_id, caller, self.release.now())


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
            if proposal.status != "PROPOSED":
                raise ProposalStateError("it was approved and is being carried out")
            at = self.now()
            proposals.decide(tx, proposal.proposal_id, "DECLINED", keyed.caller, at)
            holds.add_event(tx, event_of(keyed.caller, hold.hold_id, "decline", why, at))
            holds.touch(tx, hold.hold_id, at)
            return view_of(tx, hold.hold_id)

        with self.database.begin() as tx:
            caller = keyed.caller
            return once(tx, caller, keyed.key, keyed.digest, lambda: render(decline(tx)))


def _need_idle(proposal: Proposal, caller: Caller, at: datetime) -> None:
    """Refuse to carry out what another is carrying out; who died over it is followed by anybody.

    Raises:
        ProposalStateError: Somebody approved it a moment ago.

    """
    if proposal.decided_at is None or proposal.decided_by == caller.client:
        return
    if at - proposal.decided_at < _CARRIED_OUT:
        raise ProposalStateError("it was approved and is being carried out")


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
    if hold.proposal is None or hold.proposal.status == "DECLINED":
        raise ProposalStateError("no release of this hold is proposed")
    return hold, hold.proposal
