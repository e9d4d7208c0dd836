"""How a model does: drift, truth by month, and what a shadow would have decided otherwise."""

from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import ConfigDict, Field

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.models_wire import Name
from app.api.strict import StrictRoute
from app.api.trials import TrialOut, report_of
from app.api.wire import AnswerModel, Id, Instant, QueryInt, QueryModel
from app.domain.callers import Caller
from app.domain.drift import Month, Stability
from app.store.trials import Period
from app.usecases.health_models import Health

router = APIRouter(prefix="/v1", tags=["models"], route_class=StrictRoute)

Says = Literal["TOO_LITTLE", "OK", "WATCH", "ACT"]

_MOVED: Final[dict[str, Any]] = {
    "name": "mean_days_late",
    "psi": 0.031,
    "missing_before": 0.02,
    "missing_now": 0.03,
    "verdict": "OK",
}
_MONTH: Final[dict[str, Any]] = {
    "month": "2026-03-01",
    "scored": 1840,
    "predicted": 0.061,
    "actual": 0.066,
    "defaulted": 121,
    "matured": True,
    "verdict": "OK",
}
_HEALTH: Final[dict[str, Any]] = {
    "name": "late-payment",
    "version": 3,
    "state": "CHAMPION",
    "verdict": "OK",
    "reference_from": "2026-03-01T00:00:00Z",
    "reference_until": "2026-03-31T00:00:00Z",
    "reference_customers": 1790,
    "recent_from": "2026-10-31T00:00:00Z",
    "recent_customers": 1838,
    "score": {**_MOVED, "name": "score"},
    "features": [_MOVED],
    "calibration": 1.08,
    "months": [_MONTH],
}


def _example(told: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [told]})


class HealthQuery(QueryModel):
    """Which version; absent: the champion, else the shadow."""

    model_config = _example({"version": 3})

    version: QueryInt | None = Field(None, ge=1, le=2**31 - 1)


class ReportQuery(QueryModel):
    """From `since` (inclusive) to `until` (exclusive; absent: now), at most 20,000 decisions."""

    model_config = _example({"since": "2026-11-01T00:00:00Z"})

    since: Instant
    until: Instant | None = None
    segment: Id | None = None
    version: QueryInt | None = Field(None, ge=1, le=2**31 - 1)


class StabilityOut(AnswerModel):
    """How far values moved: `psi` below 0.1 is stable, from 0.25 on they are others."""

    model_config = _example(_MOVED)

    name: str
    psi: float | None = Field(description="null: fewer than 50 customers on a side")
    missing_before: float
    missing_now: float
    verdict: Says


class MonthOut(AnswerModel):
    """Customers scored in a month whose next invoice has since shown whether it is paid late.

    The next one is the first issued after the day of the score whose lateness shows within the
    horizon. Of them: the mean probability told, and the share that came true. `matured`: the
    horizon of all scored then is over; before that more may still come.
    """

    model_config = _example(_MONTH)

    month: date
    scored: int
    predicted: float
    actual: float
    defaulted: int
    matured: bool
    verdict: Says


class HealthOut(AnswerModel):
    """The health of a version, seen on at most 5,000 customers, always the same ones.

    Compared are the first 30 days that it scored with the last 30, halves of its time before that.
    A version that only watches has months, and no drift: its features are not kept.
    `calibration`: defaults per default told, over matured months.
    """

    model_config = _example(_HEALTH)

    name: str
    version: int
    state: str
    verdict: Says
    reference_from: Instant | None
    reference_until: Instant | None
    reference_customers: int
    recent_from: Instant | None
    recent_customers: int
    score: StabilityOut
    features: list[StabilityOut] = Field(description="What moved most comes first")
    calibration: float | None
    months: list[MonthOut]


class ShadowReportOut(AnswerModel):
    """What would have been decided otherwise by a shadow's scores, and how that was paid since.

    `was` is what was judged, `now` what the policy of that time says of the shadow's class and
    score. `unknown` decisions were on customers that it had not scored by then.
    """

    model_config = _example({"name": "late-payment", "unknown": 3, "report": {}})

    name: str
    unknown: int
    report: TrialOut


def _moved(one: Stability) -> StabilityOut:
    psi = None if one.psi is None else round(one.psi, 4)
    before, now = round(one.missing_before, 4), round(one.missing_now, 4)
    return StabilityOut(
        name=one.name, psi=psi, missing_before=before, missing_now=now, verdict=one.verdict.value
    )


def _month(one: Month) -> MonthOut:
    return MonthOut(
        month=one.month,
        scored=one.scored,
        predicted=round(one.predicted, 4),
        actual=round(one.actual, 4),
        defaulted=one.defaulted,
        matured=one.matured,
        verdict=one.verdict.value,
    )


def _out(found: Health) -> HealthOut:
    manifest = found.model.manifest
    return HealthOut(
        name=manifest.name,
        version=manifest.version,
        state=found.model.state.value,
        verdict=found.verdict.value,
        reference_from=found.reference and found.reference[0],
        reference_until=found.reference and found.reference[1],
        reference_customers=found.counts[0],
        recent_from=found.recent and found.recent[0],
        recent_customers=found.counts[1],
        score=_moved(found.score),
        features=[_moved(one) for one in found.features],
        calibration=None if found.calibration is None else round(found.calibration, 4),
        months=[_month(one) for one in found.months],
    )


@router.get(
    "/models/{name}/health",
    operation_id="getModelHealth",
    summary="See whether a model still fits its customers, and was right",
    responses=refusals(404),
)
def get_model_health(
    name: Name,
    query: Annotated[HealthQuery, Query()],
    _: Annotated[Caller, Depends(needs("model:read"))],
    desk: DeskDep,
) -> HealthOut:
    """Compare what it met at first with what it meets now, and what it said with what happened."""
    return _out(desk.scores.health(name, query.version))


@router.get(
    "/models/{name}/shadow-report",
    operation_id="reportShadow",
    summary="What a shadow would have decided otherwise, in money",
    responses=refusals(404),
)
def report_shadow(
    name: Name,
    query: Annotated[ReportQuery, Query()],
    caller: Annotated[Caller, Depends(needs("model:read"))],
    desk: DeskDep,
) -> ShadowReportOut:
    """Judge stored decisions again by what the shadow had said by then; nothing is changed."""
    only = frozenset({query.segment}) if query.segment else None
    period = Period(query.since, query.until or desk.scores.shadow_report.now(), only)
    found = desk.scores.shadow_report(caller, (name, query.version), period)
    return ShadowReportOut(name=name, unknown=found.unknown, report=report_of(found.tried))
