"""Change documents: who changed which master data, from what to what."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import ConfigDict

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel, Id, Page, encode_cursor
from app.domain.callers import Caller
from app.domain.changes import ChangeKind
from app.store.changes import ChangeFilter, StoredChange

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)

_CHANGE: Final[dict[str, Any]] = {
    "change_id": 31,
    "changed_at": "2026-12-01T03:00:00Z",
    "kind": "SEGMENT",
    "customer_id": None,
    "segment": "main",
    "client": "credit-desk",
    "actor": "E-17",
    "before": {"mode": "ENFORCE"},
    "after": {"mode": "WARN"},
}


class MasterChangeOut(AnswerModel):
    """A change: `before` and `after` hold the fields that differ; what is new has no `before`.

    `client` is the key that changed it, `actor` whom it asserted (`Aval-Actor`). A SEGMENT names
    `segment`, a CUSTOMER `customer_id`, an ACCOUNT (currency, payment terms, owner) both, an
    FX_RATE neither.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_CHANGE]})

    change_id: int
    changed_at: datetime
    kind: ChangeKind
    customer_id: str | None
    segment: str | None
    client: str
    actor: str | None
    before: dict[str, Any]
    after: dict[str, Any]


class MasterChangesOut(AnswerModel):
    """A page of changes, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_CHANGE], "next_cursor": None}]}
    )

    items: list[MasterChangeOut]
    next_cursor: str | None


class ChangeQuery(Page):
    """Which changes; absent: any. `customer_id` means records merged into it too."""

    kind: ChangeKind | None = None
    customer_id: Id | None = None
    segment: Id | None = None

    def to_filter(self) -> ChangeFilter:
        """Ask for one more than is shown, to see whether there is more."""
        after = self.after(int)
        return ChangeFilter(
            most=self.limit + 1,
            before=after[0] if after else None,
            kind=self.kind,
            customer_id=self.customer_id,
            segment_id=self.segment,
        )


def _out(stored: StoredChange) -> MasterChangeOut:
    change = stored.change
    return MasterChangeOut(
        change_id=stored.change_id,
        changed_at=stored.changed_at,
        kind=change.kind,
        customer_id=change.customer_id,
        segment=change.segment_id,
        client=stored.client,
        actor=stored.actor,
        before=dict(change.before),
        after=dict(change.after),
    )


@router.get(
    "/changes",
    operation_id="listMasterChanges",
    summary="Who changed master data, newest first",
    responses=refusals(404),
)
def list_changes(
    query: Annotated[ChangeQuery, Query()],
    caller: Annotated[Caller, Depends(needs("audit:read"))],
    desk: DeskDep,
) -> MasterChangesOut:
    """Answer one page of changes of segments, customers, accounts and rates."""
    found = desk.parties.list_changes(caller, query.to_filter())
    items = [_out(one) for one in found[: query.limit]]
    more = len(found) > len(items)
    next_cursor = encode_cursor([items[-1].change_id]) if more else None
    return MasterChangesOut(items=items, next_cursor=next_cursor)
