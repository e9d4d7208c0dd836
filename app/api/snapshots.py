"""Snapshots of the ERP: its figures against ours, and what differs still."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.idempotency import fingerprint_of
from app.api.pages import id_after
from app.api.strict import LONG_BODY_BYTES, StrictRoute
from app.api.wire import AnswerModel, Id, Instant, MoneyIn, MoneyOut, Page, WireModel, encode_cursor
from app.domain.callers import Caller
from app.domain.exposure import Category
from app.domain.reconciliation import Drift, Told
from app.domain.segments import MAIN
from app.store.reconciliations import DriftFilter, Stored
from app.usecases.reconciliation import MOST_ITEMS, Snapshot

router = APIRouter(prefix="/v1/snapshots", tags=["facts"], route_class=StrictRoute)


def _cny(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "CNY"}


_ID: Final = "019f0000-0000-7000-8000-00000000000a"
_DRIFT_ID: Final = "019f0000-0000-7000-8000-00000000000b"
_FIGURE: Final[dict[str, Any]] = {
    "customer_id": "C-1001",
    "segment": "main",
    "category": "OPEN_ITEM",
}
_AMOUNTS: Final[dict[str, Any]] = {
    "ours": _cny("100000.00"),
    "theirs": _cny("98500.00"),
    "drift": _cny("-1500.00"),
    "drift_id": _DRIFT_ID,
}
_ASKED: Final[dict[str, Any]] = {
    "source": "erp-1",
    "snapshot_id": "2026-12-01",
    "as_of": "2026-12-01T02:00:00+08:00",
    "items": [{**_FIGURE, "amount": _cny("98500.00")}],
}
_RESULT: Final[dict[str, Any]] = {**_FIGURE, "status": "DRIFT", **_AMOUNTS, "moved": False}
_ANSWER: Final[dict[str, Any]] = {
    "id": _ID,
    "source": "erp-1",
    "snapshot_id": "2026-12-01",
    "as_of": "2026-11-30T18:00:00Z",
    "compared_at": "2026-11-30T18:00:04Z",
    "matched": 0,
    "drifted": 1,
    "unknown": 0,
    "results": [_RESULT],
}
_OPEN: Final[dict[str, Any]] = {
    **_FIGURE,
    **_AMOUNTS,
    "source": "erp-1",
    "snapshot": _ID,
    "status": "OPEN",
    "compared_at": "2026-11-30T18:00:04Z",
    "moved": False,
}


_MOVED: Final = (
    "Documents moved the account since five minutes before `as_of`: the difference may be those"
    " alone, and is not to be adjusted"
)


class SnapshotItemIn(WireModel):
    """What the ERP has of a customer's own account, without its members: zero or more.

    PREPAYMENT is what was paid ahead, as a positive amount.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_ASKED["items"][0]]})

    customer_id: Id
    segment: Id = MAIN
    category: Category
    amount: MoneyIn

    def to_told(self) -> Told:
        """Make what the use case takes."""
        return Told(self.customer_id, self.segment, self.category, self.amount.to_money())


class SnapshotIn(WireModel):
    """The ERP's figures at a moment; (source, snapshot_id) is its client's name for good."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ASKED]})

    source: Id
    snapshot_id: Id
    as_of: Instant
    items: list[SnapshotItemIn] = Field(min_length=1, max_length=MOST_ITEMS)


class SnapshotResultOut(AnswerModel):
    """One figure compared; `drift` is `theirs` less `ours`, all null for an unknown customer."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RESULT]})

    customer_id: str
    segment: str
    category: Category
    status: Literal["MATCH", "DRIFT", "UNKNOWN_CUSTOMER"]
    ours: MoneyOut | None
    theirs: MoneyOut
    drift: MoneyOut | None
    drift_id: str | None
    moved: bool = Field(default=False, description=_MOVED)


class SnapshotOut(AnswerModel):
    """A snapshot as it was compared; results in the order of its items. Nothing was changed."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ANSWER]})

    id: str
    source: str
    snapshot_id: str
    as_of: datetime
    compared_at: datetime
    matched: int
    drifted: int
    unknown: int
    results: list[SnapshotResultOut]


class DriftOut(AnswerModel):
    """A figure that differed in the newest snapshot of its source that tells it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_OPEN]})

    drift_id: str
    snapshot: str
    source: str
    customer_id: str
    segment: str
    category: Category
    ours: MoneyOut
    theirs: MoneyOut
    drift: MoneyOut
    status: Literal["OPEN", "ADJUSTED", "SUPERSEDED"]
    compared_at: datetime
    moved: bool = Field(description=_MOVED)


class DriftsOut(AnswerModel):
    """One page of open drifts, the oldest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_OPEN], "next_cursor": None}]}
    )

    items: list[DriftOut]
    next_cursor: str | None


class DriftsQuery(Page):
    """Which open drifts; `customer_id` may be an alias."""

    customer_id: Id | None = None
    segment: Id | None = None
    category: Category | None = None

    def to_filter(self) -> DriftFilter:
        """Make what the use case takes; one more than a page, to see whether there are more."""
        return DriftFilter(
            most=self.limit + 1,
            after=id_after(self),
            segment_id=self.segment,
            category=self.category,
            customer_id=self.customer_id,
        )


def _out(stored: Stored) -> SnapshotOut:
    return SnapshotOut(
        id=stored.reconciliation_id,
        source=stored.source,
        snapshot_id=stored.snapshot_id,
        as_of=stored.as_of,
        compared_at=stored.compared_at,
        matched=stored.matched,
        drifted=stored.drifted,
        unknown=stored.unknown,
        results=[SnapshotResultOut(**one) for one in stored.results],
    )


def _drift(drift: Drift) -> DriftOut:
    return DriftOut(
        drift_id=drift.drift_id,
        snapshot=drift.reconciliation_id,
        source=drift.source,
        customer_id=drift.customer_id,
        segment=drift.segment_id,
        category=drift.category,
        ours=MoneyOut.of(drift.ours),
        theirs=MoneyOut.of(drift.theirs),
        drift=MoneyOut.of(drift.amount),
        status=drift.status,
        compared_at=drift.compared_at,
        moved=drift.moved,
    )


@router.post(
    "",
    operation_id="postSnapshot",
    summary="Compare the ERP's figures with ours",
    status_code=201,
    response_model=SnapshotOut,
    responses=refusals(409) | {200: {"model": SnapshotOut, "description": "Compared before"}},
    max_body_size=LONG_BODY_BYTES,
)
def post_snapshot(
    body: SnapshotIn,
    caller: Annotated[Caller, Depends(needs("ledger:write"))],
    desk: DeskDep,
    request: Request,
) -> Response:
    """Compare and remember, change nothing; told again, the answer is that of the first time."""
    items = [one.to_told() for one in body.items]
    digest = fingerprint_of(request, body)
    snapshot = Snapshot(body.source, body.snapshot_id, body.as_of, items, digest)
    stored, fresh = desk.figures.compare_snapshot(caller, snapshot)
    status = 201 if fresh else 200
    return Response(_out(stored).model_dump_json(), status, media_type="application/json")


@router.get(
    "/drifts",
    operation_id="listDrifts",
    summary="What differs still",
    responses=refusals(404),
)
def list_drifts(
    query: Annotated[DriftsQuery, Query()],
    caller: Annotated[Caller, Depends(needs("ledger:read"))],
    desk: DeskDep,
) -> DriftsOut:
    """Answer one page of open drifts, the oldest first."""
    found = desk.figures.list_drifts(caller, query.to_filter())
    shown = found[: query.limit]
    more = len(found) > len(shown)
    return DriftsOut(
        items=[_drift(one) for one in shown],
        next_cursor=encode_cursor([shown[-1].drift_id]) if more else None,
    )


@router.get(
    "/{snapshot}",
    operation_id="getSnapshot",
    summary="Read a snapshot's results",
    responses=refusals(404),
)
def get_snapshot(
    snapshot: Id,
    caller: Annotated[Caller, Depends(needs("ledger:read"))],
    desk: DeskDep,
) -> SnapshotOut:
    """Answer a snapshot by the `id` of its answer: what was compared, as it was then."""
    return _out(desk.figures.read_snapshot(caller, snapshot))
