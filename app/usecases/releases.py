"""A person lets a held order pass, alone or, above a segment's threshold, as one of two."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.domain.callers import Caller
from app.domain.errors import (
    BusyError,
    FieldError,
    ForbiddenError,
    KeyReusedError,
    ProposalStateError,
)
from app.domain.holds import HoldEvent, OrderHold, Proposal
from app.domain.money import Money
from app.domain.orders import Order
from app.domain.snapshots import question_from_json
from app.store import holds, orders, proposals, requests
from app.store.database import Database, Tx
from app.usecases.asks import Answer, Ask, Release
from app.usecases.authority import Question, need_authority, needs_second
from app.usecases.holds import HoldView, Render, need_hold, view_of
from app.usecases.holds_end import (
    FORCED,
    Lifting,
    lift_forced,
    lift_stop,
    locked_order,
    not_open,
)
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.releases_judged import asked_for


@dataclass(frozen=True, slots=True)
class Releasing:
    """What a person lets pass. `max_amount` None: what was held; `valid_until` is inclusive.

    `valid_until` None: as long as the authorization.
    """

    reason_code: str
    note: str | None = None
    max_amount: Money | None = None
    valid_until: datetime | None = None

    @property
    def why(self) -> tuple[str, str | None]:
        """Reason code and note, for the history."""
        return self.reason_code, self.note


@dataclass(frozen=True, slots=True)
class ReleaseHold:
    """Let a held order pass, or lift a stop.

    An order that was asked about is authorized by the lane, in the transaction that closes the
    hold; `ask` puts a question to it. A forced hold on an order that nobody asked about, and a
    stop, are only lifted. Above the segment's threshold the release is proposed and no more.
    """

    database: Database
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    ask: Callable[[Ask], Awaitable[Answer]]

    async def __call__(
        self, keyed: Keyed, hold_id: str, releasing: Releasing, render: Render
    ) -> Answer:
        """Release a hold and answer it as it is then; a repeat gets the same bytes.

        Raises:
            NotFoundError: No such hold within sight.
            HoldNotOpenError: It was decided before.
            ForbiddenError: The caller may not lift this kind of hold.
            AboveAuthorityError: The amount is more than the caller's roles may release.
            ProposalStateError: A second person is asked already.
            FieldError: `max_amount` or `valid_until` does not fit the order.
            AccountStoppedError: The account is stopped; that comes first.
            OrderVersionStaleError: The order has moved on since it was held.
            RateMissingError: Authority is in a currency that no fresh rate leads to.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else works on the order; nothing was changed.

        """
        ready = await asyncio.to_thread(self._begin, keyed, hold_id, releasing, render)
        if isinstance(ready, Answer):
            return ready
        told = await self.ask(ready)
        answer = await asyncio.to_thread(self.keep, keyed, hold_id, render)
        return replace(answer, replayed=told.replayed)

    def _begin(
        self, keyed: Keyed, hold_id: str, releasing: Releasing, render: Render
    ) -> Answer | Ask:
        """Answer what needs no lane; for the rest return the question to put to it."""
        with self.database.begin() as tx:
            hold = need_hold(tx, keyed.caller, hold_id)
            if not self.known(tx, keyed):
                need_right(keyed.caller, hold)
                if hold.status != "OPEN":
                    raise not_open(hold)
                if hold.ask is None:
                    return self._lift(tx, keyed, hold, releasing, render)
                asked = self.weighed(tx, keyed.caller, hold, releasing)
                if needs_second(asked):
                    return once(
                        tx,
                        keyed.caller,
                        keyed.key,
                        keyed.digest,
                        lambda: render(self._propose(asked, releasing)),
                    )
                return self.question(keyed, hold, releasing, asked.most)
        return self.keep(keyed, hold_id, render)

    def known(self, tx: Tx, keyed: Keyed) -> bool:
        """Tell whether the key was used before.

        Raises:
            KeyReusedError: With another question.

        """
        found = requests.find(tx, keyed.caller.client, keyed.key)
        if found is not None and found.digest != keyed.digest:
            raise KeyReusedError("this Idempotency-Key was used with another request")
        return found is not None

    def keep(self, keyed: Keyed, hold_id: str, render: Render) -> Answer:
        """Give the answer that is stored for a key, stored now where the lane left it open."""
        owner = (keyed.caller.client, keyed.key)
        with self.database.begin() as tx:
            answer = render(view_of(tx, hold_id))
            holds.keep_first(tx, owner, answer.status, answer.body)
            known = requests.find(tx, *owner)
        if known is None:
            raise BusyError("the key is being cleared away; try again")
        return Answer(known.status, known.body, replayed=True)

    def weighed(self, tx: Tx, caller: Caller, hold: OrderHold, releasing: Releasing) -> Question:
        """Check what a release says against the order and the caller's authority.

        Raises:
            FieldError: Another currency, less than is authorized already, or an end in the past.
            AboveAuthorityError: The amount is more than the caller's roles may release.

        """
        held, at = question_from_json(hold.ask or {}), self.now()
        key = (held.segment_id, held.order_id)
        order = orders.get_many(tx, [key]).get(key)
        own = order is not None and order.account_id == hold.account_id  # another's is freed
        most = _checked(releasing, held.amount, order if own else None, at)
        asked = Question(tx, caller, hold, most, at)
        need_authority(asked)
        return asked

    def question(
        self,
        keyed: Keyed,
        hold: OrderHold,
        releasing: Releasing,
        most: Money,
        proposal_id: str | None = None,
    ) -> Ask:
        """Write the question that authorizes an order up to what was checked."""
        held = question_from_json(hold.ask or {})
        amount = Money(min(held.amount.minor, most.minor), most.currency)
        return Ask(
            kind="RELEASE",
            caller=keyed.caller,
            question=replace(held, customer_id=hold.customer_id, amount=amount),
            decision_id=self.new_id(),
            key=keyed.key,
            hash=keyed.digest,
            release=Release(
                hold.hold_id,
                most.minor,
                releasing.valid_until,
                *releasing.why,
                forced=keyed.caller.may(FORCED),
                proposal_id=proposal_id,
                asked=held_for(hold),
            ),
            seen=(hold.ask or {}).get("seen"),
        )

    def _propose(self, asked: Question, releasing: Releasing) -> HoldView:
        """Leave the release to a second person; the hold stays as it is."""
        tx, caller, hold, at = asked.tx, asked.caller, asked.hold, asked.at
        locked_order(tx, hold)
        if proposals.waiting(tx, hold.hold_id):
            raise ProposalStateError("a release is proposed already: approve or decline it")
        proposal = Proposal(
            proposal_id=self.new_id(),
            status="PROPOSED",
            most=asked.most,
            valid_until=releasing.valid_until,
            reason_code=releasing.reason_code,
            note=releasing.note,
            proposed_by=caller.client,
            proposed_actor=caller.actor,
            proposed_at=at,
            asked=held_for(hold),
        )
        proposals.add(tx, hold.hold_id, proposal)
        data = {"amount": [asked.most.minor, asked.most.currency]}
        holds.add_event(
            tx,
            HoldEvent(
                hold.hold_id, "propose", caller.client, caller.actor, *releasing.why, data, at
            ),
        )
        holds.touch(tx, hold.hold_id, at)
        return replace(view_of(tx, hold.hold_id), proposed=True)

    def _lift(
        self, tx: Tx, keyed: Keyed, hold: OrderHold, releasing: Releasing, render: Render
    ) -> Answer:
        """Lift what authorizes nothing."""
        for name in ("max_amount", "valid_until"):
            if getattr(releasing, name) is not None:
                raise FieldError("has no meaning here: nothing was asked, so nothing is let", name)
        lifting = Lifting(tx, keyed.caller, hold, releasing.why, self.now())
        lift = lift_stop if hold.kind == "STOP" else lift_forced
        return once(tx, keyed.caller, keyed.key, keyed.digest, lambda: render(lift(lifting)))


def held_for(hold: OrderHold) -> dict[str, Any]:
    """Say what an order is held for."""
    return asked_for(hold.customer_id, hold.ask or {})


def need_right(caller: Caller, hold: OrderHold) -> None:
    """Insist on the scope that a hold of this kind needs.

    Raises:
        ForbiddenError: The caller may not lift it.

    """
    caller.need("hold:release" if hold.kind == "AUTOMATIC" else FORCED)
    if hold.segment_id is None and caller.segments is not None:
        raise ForbiddenError("this stop reaches into segments that the key is not for")


def _checked(releasing: Releasing, held: Money, order: Order | None, at: datetime) -> Money:
    """Give up to what the order shall pass: all that was asked, if nobody says less.

    `order` is the payer's. What was asked may be less than is authorized: the rest is freed.

    Raises:
        FieldError: Another currency, less than is authorized already, or an end in the past.

    """
    most = releasing.max_amount or held
    if most.currency != held.currency:
        raise FieldError(f"the order is in {held.currency}", "max_amount.currency")
    live = order is not None and order.lives(at) and order.currency == most.currency
    if order is not None and live and most.minor < held.minor:
        authorized = Money(order.authorized, order.currency)
        if most.minor < authorized.minor:
            raise FieldError(f"{authorized} is authorized already", "max_amount.amount")
    if releasing.valid_until is not None and releasing.valid_until <= at:
        raise FieldError("must lie in the future", "valid_until")
    return most
