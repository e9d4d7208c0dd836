"""Snooze a rule for a customer: the account's inputs say it, so that decisions can be replayed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from app.domain.callers import Caller
from app.domain.errors import BusyError
from app.domain.ids import need_id
from app.domain.rules import read_rule_set
from app.domain.snoozes import Snooze, check_snooze, snoozes_to_json
from app.store import accounts, decisions, inputs, rules_force, segments, snoozes
from app.store.database import Database, Tx
from app.usecases.asks import Answer
from app.usecases.groups import ensure_accounts
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed

_log = structlog.get_logger(__name__)

Render = Callable[[Snooze], Answer]
"""Writes the answer, once."""


@dataclass(frozen=True, slots=True)
class SnoozeAsk:
    """Which rule for whom, why, and until when (exclusive)."""

    customer_ref: str
    segment_id: str
    rule_id: str
    reason: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Snoozes:
    """Let a rule only warn for a customer, end that, and list what there was."""

    database: Database
    now: Callable[[], datetime]
    new_id: Callable[[], str]

    def snooze(self, keyed: Keyed, ask: SnoozeAsk, render: Render) -> Answer:
        """Snooze a rule; one of the same rule that is in force is ended, the later word counts.

        Raises:
            CustomerUnknownError: Nobody has this id.
            SegmentUnknownError: No such segment.
            NotFoundError: The segment is out of sight.
            FieldError: The rule cannot be snoozed, or not until then.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else works on the account, or the customer is being merged.

        """
        keyed.caller.visit(ask.segment_id)
        with self.database.begin() as tx:
            return once(
                tx,
                keyed.caller,
                keyed.key,
                keyed.digest,
                lambda: render(self._snooze(tx, keyed.caller, ask)),
            )

    def _snooze(self, tx: Tx, caller: Caller, ask: SnoozeAsk) -> Snooze:
        at = self.now()
        customer_id = accounts.customer_of(tx, ask.customer_ref)
        account_id = ensure_accounts(tx, customer_id, ask.segment_id).account_id
        in_force = {one.segment_id: one.version for one in rules_force.in_force(tx, at)}
        version = in_force[ask.segment_id]
        policy = read_rule_set(version, decisions.rule_set_of(tx, version))
        check_snooze(ask.rule_id, ask.expires_at, policy, at)
        accounts.lock(tx, [account_id])
        if accounts.customer_of(tx, ask.customer_ref) != customer_id:
            raise BusyError("the customer is being merged; try again")
        made = Snooze(
            snooze_id=self.new_id(),
            customer_id=customer_id,
            segment_id=ask.segment_id,
            rule_id=ask.rule_id,
            reason=ask.reason,
            client=caller.client,
            actor=caller.actor,
            created_at=at,
            expires_at=ask.expires_at,
        )
        for one in snoozes.of_account(tx, customer_id, ask.segment_id):
            if one.rule_id == ask.rule_id and one.holds(at):
                snoozes.end(tx, one, caller.client, at)
        snoozes.add(tx, made)
        _tell(tx, account_id, made, at)
        return made

    def end(self, caller: Caller, customer_ref: str, snooze_id: str) -> Snooze:
        """End a snooze now; one that is over already stays as it is.

        Raises:
            CustomerUnknownError: Nobody has this id.
            NotFoundError: The customer has no such snooze within sight.
            BusyError: Somebody else works on the account.

        """
        at = self.now()
        need_id(snooze_id, "snooze")
        with self.database.begin() as tx:
            customer_id = accounts.customer_of(tx, customer_ref)
            one = snoozes.get(tx, customer_id, snooze_id)
            caller.visit(one.segment_id)
            account_id = ensure_accounts(tx, customer_id, one.segment_id).account_id
            accounts.lock(tx, [account_id])
            one = snoozes.get(tx, customer_id, snooze_id)
            if not one.holds(at):
                return one
            snoozes.end(tx, one, caller.client, at)
            _tell(tx, account_id, one, at)
            return replace(one, ended_by=caller.client, ended_at=at)

    def of_customer(self, caller: Caller, customer_ref: str, segment_id: str) -> Sequence[Snooze]:
        """Read all snoozes there were, the newest first, of records merged into it too.

        Raises:
            CustomerUnknownError: Nobody has this id.
            SegmentUnknownError: No such segment.
            NotFoundError: The segment is out of sight.

        """
        caller.visit(segment_id)
        with self.database.read() as tx:
            segments.read(tx, segment_id)
            return snoozes.listing(tx, accounts.customer_of(tx, customer_ref), segment_id)


def _tell(tx: Tx, account_id: int, changed: Snooze, at: datetime) -> None:
    """Let decisions know from now on; whoever is judged meanwhile waits for the account."""
    found = snoozes.of_account(tx, changed.customer_id, changed.segment_id)
    inputs.change(tx, [account_id], {"snoozed": snoozes_to_json(found, at)})
    _log.info(
        "rule_snoozed", rule_id=changed.rule_id, client=changed.client, in_force=len(found) > 0
    )
