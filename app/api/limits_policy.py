"""The parameters by which limits are recommended, adjusted and reviewed, one set a segment."""

from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field, model_validator

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import desk_of
from app.api.etags import conditional, etag, expected_versions, tagged
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel, Id, MoneyIn, WireModel, broken_rule
from app.domain.callers import Caller
from app.domain.limits_policy import default_policy
from app.usecases.limits_policy import PolicyView

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)

_POLICY: Final[dict[str, Any]] = default_policy("CNY")

Percent = Annotated[int, Field(ge=0, le=1000)]
Days = Annotated[int, Field(ge=1, le=3650)]


class ClassPercents(WireModel):
    """What the limit that is needed is multiplied by, in percent, by risk class."""

    A: Percent
    B: Percent
    C: Percent
    D: Percent
    E: Percent
    N: Percent


class ClassDays(WireModel):
    """Days between reviews, by risk class."""

    A: Days
    B: Days
    C: Days
    D: Days
    E: Days
    N: Days


class ClassCaps(WireModel):
    """The highest limit by risk class; null or absent: none."""

    A: MoneyIn | None = None
    B: MoneyIn | None = None
    C: MoneyIn | None = None
    D: MoneyIn | None = None
    E: MoneyIn | None = None
    N: MoneyIn | None = None


class SizeCaps(WireModel):
    """The highest limit by company size; null or absent: none. People count as MICRO."""

    LARGE: MoneyIn | None = None
    MEDIUM: MoneyIn | None = None
    SMALL: MoneyIn | None = None
    MICRO: MoneyIn | None = None


class LateBandIn(WireModel):
    """Who pays up to so many days late on average (null: any number) gets this percentage."""

    up_to_days: Annotated[int, Field(ge=0, le=3650)] | None
    percent: Percent


class AdjustIn(WireModel):
    """How limits follow: OFF, PROPOSE (all as proposals), AUTO (decreases at once).

    Increases always wait for approval. A step is at most so many percent of the limit.
    """

    mode: Literal["OFF", "PROPOSE", "AUTO"]
    cooldown_days: int = Field(ge=1, le=3650)
    min_change_percent: int = Field(ge=1, le=100)
    max_decrease_percent: int = Field(ge=1, le=100)
    max_increase_percent: int = Field(ge=1, le=1000)


class LimitPolicyIn(WireModel):
    """The parameters of a segment; every version is kept.

    recommended = invoiced in `period_days` × (payment terms + `margin_days`) ÷ `period_days`
    × `class_percent` × percent of the first of `late_bands` that fits, at most the caps, rounded
    down to `round_to` whole units. `warn_days`: limits that end within so many days are listed.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_POLICY]})

    period_days: int = Field(ge=30, le=1095)
    default_terms_days: int = Field(ge=0, le=3650)
    margin_days: int = Field(ge=0, le=365)
    class_percent: ClassPercents
    late_bands: list[LateBandIn] = Field(min_length=1, max_length=20)
    class_caps: ClassCaps
    size_caps: SizeCaps
    round_to: int = Field(ge=1, le=1_000_000_000)
    review_days: ClassDays
    warn_days: int = Field(ge=0, le=365)
    adjust: AdjustIn

    @model_validator(mode="after")
    def _bands_rise(self) -> Self:
        tops = [band.up_to_days for band in self.late_bands]
        whole = [top for top in tops[:-1] if top is not None]
        last = tops[-1]
        rising = len(whole) == len(tops) - 1 and whole == sorted(set(whole))
        if not rising or (last is not None and whole and last <= whole[-1]):
            raise broken_rule("`late_bands` must rise in `up_to_days`; only the last may be null")
        return self


class LimitPolicyOut(LimitPolicyIn, AnswerModel):
    """The parameters in force; `version` 0 is what ships."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"segment": "main", "version": 1, **_POLICY}]}
    )

    segment: str
    version: int


def _out(view: PolicyView, response: Response) -> LimitPolicyOut:
    if view.version:
        response.headers["ETag"] = etag(view.version)
    return LimitPolicyOut(segment=view.segment_id, version=view.version, **view.data)


@router.get(
    "/segments/{segment}/limit-policy",
    operation_id="getLimitPolicy",
    summary="By which parameters are limits recommended and adjusted?",
    responses=refusals(404) | {200: tagged()},
)
def get_limit_policy(
    segment: Id,
    caller: Annotated[Caller, Depends(needs("rule:read"))],
    request: Request,
    response: Response,
) -> LimitPolicyOut:
    """Answer the version in force; what ships has no ETag."""
    return _out(desk_of(request).parties.limits.read_policy(caller, segment), response)


@router.put(
    "/segments/{segment}/limit-policy",
    operation_id="putLimitPolicy",
    summary="Put other parameters in force, as a new version",
    responses=refusals(404, 412) | {200: tagged()},
    openapi_extra=conditional(),
)
def put_limit_policy(
    segment: Id,
    body: LimitPolicyIn,
    caller: Annotated[Caller, Depends(needs("rule:approve"))],
    request: Request,
    response: Response,
) -> LimitPolicyOut:
    """Answer the version in force after; what says the same makes none."""
    put = desk_of(request).parties.limits.put_policy
    found = put(caller, segment, body.model_dump(mode="json"), expected_versions(request))
    return _out(found, response)
