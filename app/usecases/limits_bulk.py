"""Many limits at once, each standing alone; or what they would change, with nothing changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NoReturn

from app.domain.callers import Caller
from app.domain.errors import CreditError
from app.domain.limits import EffectiveLimit, effective_limit
from app.store import accounts, limits
from app.store.database import Database, Tx
from app.usecases.asks import Answer
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.limits import LimitAsk, LimitView, ProposeLimit, check_ask


@dataclass(frozen=True, slots=True)
class BulkItem:
    """A limit as asked for, for the customer that `ref` (an id or alias) names."""

    ref: str
    ask: LimitAsk


@dataclass(frozen=True, slots=True)
class BulkView:
    """What became, or would become, of one; `before` and `after` are in force from `valid_from`."""

    view: LimitView
    before: EffectiveLimit
    after: EffectiveLimit


class _UndoneError(Exception):
    """Carries an answer out of a transaction that is to leave nothing behind."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, slots=True)
class ProposeLimits:
    """Propose or set many limits, each in a transaction of its own."""

    database: Database
    propose: ProposeLimit

    def __call__(
        self, keyed: Keyed, items: Sequence[BulkItem], render: Callable[[BulkView], Answer]
    ) -> list[Answer | CreditError]:
        """Return one answer an item, in order; a repeat goes on where the first one stopped.

        Raises:
            KeyReusedError: The key was used with another question.
            BusyError: The database was out of reach.

        """
        caller = keyed.caller
        with self.database.begin() as tx:
            once(tx, caller, keyed.key, keyed.digest, lambda: Answer(200, b"{}"))
        name = sha256(keyed.key.encode()).hexdigest()
        results: list[Answer | CreditError] = []
        for place, item in enumerate(items):
            own = Keyed(caller, f"bulk-{name}-{place}", keyed.digest)
            try:
                results.append(self._keep(own, item, render))
            except CreditError as refusal:
                results.append(refusal)
        return results

    def try_out(
        self, caller: Caller, items: Sequence[BulkItem], render: Callable[[BulkView], Answer]
    ) -> list[Answer | CreditError]:
        """Return what each would be answered if it were the only one; nothing is changed."""
        results: list[Answer | CreditError] = []
        for item in items:
            try:
                results.append(self._undo(caller, item, render))
            except CreditError as refusal:
                results.append(refusal)
        return results

    def would(self, own: Keyed, item: BulkItem, render: Callable[[BulkView], Answer]) -> Answer:
        """Return what one would be answered under its own key; nothing is changed.

        `replayed`: that key was used before, and would set nothing again.

        Raises:
            CreditError: It would be refused; as `ProposeLimit` says why.

        """
        check_ask(own.caller, item.ask)

        def act(tx: Tx) -> Answer:
            return once(
                tx, own.caller, own.key, own.digest, lambda: render(self._one(tx, own.caller, item))
            )

        return self._undone(act)

    def _keep(self, own: Keyed, item: BulkItem, render: Callable[[BulkView], Answer]) -> Answer:
        check_ask(own.caller, item.ask)
        with self.database.begin() as tx:
            return once(
                tx,
                own.caller,
                own.key,
                own.digest,
                lambda: render(self._one(tx, own.caller, item)),
            )

    def _undo(self, caller: Caller, item: BulkItem, render: Callable[[BulkView], Answer]) -> Answer:
        check_ask(caller, item.ask)
        return self._undone(lambda tx: render(self._one(tx, caller, item)))

    def _undone(self, act: Callable[[Tx], Answer]) -> Answer:
        try:
            self._leave_nothing(act)
        except _UndoneError as undone:
            return undone.answer

    def _leave_nothing(self, act: Callable[[Tx], Answer]) -> NoReturn:
        with self.database.begin() as tx:
            raise _UndoneError(act(tx))

    def _one(self, tx: Tx, caller: Caller, item: BulkItem) -> BulkView:
        held = accounts.find(tx, accounts.customer_of(tx, item.ref), item.ask.segment_id)
        known = limits.approved(tx, [held.account_id])[held.account_id] if held else []
        view = self.propose.within(tx, caller, item.ref, item.ask)
        key, day = view.record.account_id, view.record.valid_from
        after = limits.approved(tx, [key])[key]
        return BulkView(view, effective_limit(known, day), effective_limit(after, day))
