"""From what stands above an account's limit down to what brought it there."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import ConfigDict

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel, Id, MoneyOut, Page, encode_cursor
from app.domain.accounts import Kind
from app.domain.callers import Caller
from app.domain.errors import FieldError
from app.domain.money import Money
from app.domain.segments import MAIN
from app.store.forced import ForcedEntry
from app.usecases.forced import ForcedPage

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)

_CHANGE: Final[dict[str, Any]] = {
    "seq": 4711,
    "kind": "FACT",
    "ref": "invoice:INV-1",
    "decision_id": None,
    "at": "2026-12-01T02:03:04Z",
    "change": {"amount": "12500.00", "currency": "CNY"},
}


class ForcedChangeOut(AnswerModel):
    """An entry of the journal that changed what is forced, by `change`, which has a sign.

    `ref` names what was booked: a document (`invoice:…`, `order:…`), the limit that was decided on,
    the day on which one began or ended, the rate that values anew; `decision_id` a decision. `seq`
    null: today's limit, which nobody has booked yet.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_CHANGE]})

    seq: int | None
    kind: Kind
    ref: str
    decision_id: str | None
    at: datetime
    change: MoneyOut


class ForcedOut(AnswerModel):
    """A page of what brought an account above its limit, the newest first, in one snapshot.

    It goes back to the entry before which nothing was forced; the changes of all pages add up to
    `forced`. A page may have fewer entries than asked for, or none, and more may follow.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "C-1001",
                    "segment": "main",
                    "forced": {"amount": "12500.00", "currency": "CNY"},
                    "as_of": "2026-12-01T02:03:04Z",
                    "seq": 4711,
                    "items": [_CHANGE],
                    "next_cursor": None,
                }
            ]
        }
    )

    customer_id: str
    segment: str
    forced: MoneyOut
    as_of: datetime
    seq: int
    items: list[ForcedChangeOut]
    next_cursor: str | None


class ForcedQuery(Page):
    """Which of the customer's accounts."""

    segment: Id = MAIN

    def before(self) -> int | None:
        """Read below which entry the page begins; None on the first page.

        Raises:
            FieldError: The cursor is none of this list's.

        """
        key = self.after(int)
        if key is None:
            return None
        if not 1 <= key[0] < 1 << 63:
            raise FieldError("is not a cursor of this list", "cursor")
        return int(key[0])


def _out(entry: ForcedEntry, change: Money) -> ForcedChangeOut:
    return ForcedChangeOut(
        seq=entry.seq,
        kind=entry.kind,
        ref=entry.ref,
        decision_id=entry.decision_id,
        at=entry.at,
        change=MoneyOut.of(change),
    )


@router.get(
    "/customers/{customer_id}/account/forced",
    operation_id="listForcedChanges",
    summary="What brought the account above its limit?",
    responses=refusals(404),
)
def list_forced(
    customer_id: Id,
    query: Annotated[ForcedQuery, Query()],
    caller: Annotated[Caller, Depends(needs("ledger:read"))],
    desk: DeskDep,
) -> ForcedOut:
    """Answer a page of journal entries; a group's are its members' too."""
    page = ForcedPage(query.segment, query.before(), query.limit)
    view = desk.figures.list_forced(caller, customer_id, page)
    return ForcedOut(
        customer_id=view.customer_id,
        segment=view.segment_id,
        forced=MoneyOut.of(view.forced),
        as_of=view.as_of,
        seq=view.seq,
        items=[_out(*one) for one in view.changes],
        next_cursor=None if view.after is None else encode_cursor([view.after]),
    )
