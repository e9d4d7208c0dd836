"""What people write on an order hold."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from app.store import holds
from app.store.database import Database, Tx
from app.usecases.asks import Answer
from app.usecases.holds import HoldView, Render, event_of, need_hold, view_of
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed


@dataclass(frozen=True, slots=True)
class CommentHold:
    """Add a note to a hold's history, also after it was decided."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, keyed: Keyed, hold_id: str, note: str, render: Render) -> Answer:
        """Answer the hold with its history; an open one counts as updated.

        Raises:
            NotFoundError: No such hold within sight.
            KeyReusedError: The key was used with another question.
            BusyError: The database was out of reach.

        """

        def comment(tx: Tx) -> HoldView:
            caller, at = keyed.caller, self.now()
            hold = need_hold(tx, caller, hold_id)
            holds.add_event(tx, event_of(caller, hold.hold_id, "comment", (None, note), at))
            holds.remark(tx, hold.hold_id, at)
            return replace(view_of(tx, hold.hold_id), created=True)

        with self.database.begin() as tx:
            caller = keyed.caller
            return once(tx, caller, keyed.key, keyed.digest, lambda: render(comment(tx)))
