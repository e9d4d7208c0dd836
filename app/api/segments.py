"""Segments: legal entities or business units, each with its currency, clock and mode."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import desk_of
from app.api.etags import conditional, etag, expected_versions, tagged
from app.api.strict import StrictRoute
from app.api.wire import PRINTABLE, AnswerModel, Id, WireModel
from app.domain.callers import Caller
from app.domain.horizons import MOST_DAYS
from app.domain.segments import Segment
from app.usecases.segments import SegmentChange

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)

_FIELDS: Final[dict[str, Any]] = {
    "name": "Aval Trading (Shanghai)",
    "currency": "CNY",
    "time_zone": "Asia/Shanghai",
    "mode": "ENFORCE",
    "four_eyes": False,
    "credit_horizon_days": 90,
    "provisional_haircut_percent": 100,
}


class SegmentIn(WireModel):
    """What a segment shall be; an absent field takes its default.

    `four_eyes`: a limit is approved by another client than the one that proposed it.
    `credit_horizon_days`: an order that ships later than so many days from today is authorized now
    and counts against its limits from that many days before it ships; null: every order counts.
    `provisional_haircut_percent`: how much of a PROVISIONAL payment does not count while it is not
    FINAL, in percent; 100: none of it counts. Payments that are there keep the percentage they
    came under.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_FIELDS]})

    name: str = Field(min_length=1, max_length=200, pattern=PRINTABLE)
    currency: str = Field("CNY", min_length=3, max_length=3)
    time_zone: str = Field("Asia/Shanghai", max_length=64)
    mode: Literal["OFF", "SHADOW", "WARN", "ENFORCE"] = "ENFORCE"
    four_eyes: bool = False
    credit_horizon_days: Annotated[int, Field(ge=0, le=MOST_DAYS)] | None = None
    provisional_haircut_percent: int = Field(100, ge=0, le=100)

    def to_change(self) -> SegmentChange:
        """Make what the use case takes."""
        return SegmentChange(**self.model_dump())


class SegmentOut(AnswerModel):
    """A segment; `version` is what its ETag says."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"segment": "main", **_FIELDS, "version": 1}]}
    )

    segment: str
    name: str
    currency: str
    time_zone: str
    mode: Literal["OFF", "SHADOW", "WARN", "ENFORCE"]
    four_eyes: bool
    credit_horizon_days: int | None
    provisional_haircut_percent: int
    version: int


class SegmentsOut(AnswerModel):
    """All segments within sight, by id; a company has few, so there is one page."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"items": [{"segment": "main", **_FIELDS, "version": 1}], "next_cursor": None}
            ]
        }
    )

    items: list[SegmentOut]
    next_cursor: None = None


def _out(segment: Segment, response: Response) -> SegmentOut:
    response.headers["ETag"] = etag(segment.version)
    return _shown(segment)


def _shown(segment: Segment) -> SegmentOut:
    return SegmentOut(
        segment=segment.segment_id,
        name=segment.name,
        currency=segment.currency,
        time_zone=segment.time_zone,
        mode=segment.mode,
        four_eyes=segment.four_eyes,
        credit_horizon_days=segment.credit_horizon_days,
        provisional_haircut_percent=segment.provisional_haircut_percent,
        version=segment.version,
    )


@router.put(
    "/segments/{segment}",
    operation_id="putSegment",
    summary="Make a segment or replace its fields",
    responses=refusals(404, 409, 412) | {200: tagged(), 201: {"model": SegmentOut, **tagged()}},
    openapi_extra=conditional(),
)
def put_segment(
    segment: Id,
    body: SegmentIn,
    caller: Annotated[Caller, Depends(needs("admin"))],
    request: Request,
    response: Response,
) -> SegmentOut:
    """Answer 201 for a new segment; its accounts keep a currency in which something is open."""
    put = desk_of(request).parties.put_segment
    found, created = put(caller, segment, body.to_change(), expected_versions(request))
    response.status_code = 201 if created else 200
    return _out(found, response)


@router.get(
    "/segments/{segment}",
    operation_id="getSegment",
    summary="Read a segment",
    responses=refusals(404) | {200: tagged()},
)
def get_segment(
    segment: Id,
    caller: Annotated[Caller, Depends(needs("customer:read"))],
    request: Request,
    response: Response,
) -> SegmentOut:
    """Answer a segment within sight."""
    return _out(desk_of(request).parties.read_segments(caller, segment), response)


@router.get(
    "/segments",
    operation_id="listSegments",
    summary="List segments",
    responses=refusals(),
)
def list_segments(
    caller: Annotated[Caller, Depends(needs("customer:read"))], request: Request
) -> SegmentsOut:
    """Answer all segments within sight."""
    found = desk_of(request).parties.read_segments.every(caller)
    return SegmentsOut(items=[_shown(segment) for segment in found])
