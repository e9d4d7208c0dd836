"""The credit policy as a spreadsheet: taken out, edited, looked at, and brought back as a draft."""

from base64 import b64decode
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import ConfigDict, Field

from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.idempotency import send
from app.api.keyed import Asked, asked
from app.api.rules import Reader, VersionPath, drafted
from app.api.rules_answers import LintOut, RuleSetOut, lint_out
from app.api.strict import StrictRoute
from app.api.trials import TrialOut, report_of
from app.api.wire import AnswerModel, Id, Instant, WireModel
from app.domain.errors import FieldError
from app.domain.segments import MAIN
from app.store.trials import Period
from app.usecases.rules_sheets import Preview

router = APIRouter(prefix="/v1", tags=["rules"], route_class=StrictRoute)

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FILE: Final = "UEsDBBQAAAAIAAAA"
_CHANGE: Final[dict[str, Any]] = {
    "kind": "CHANGED",
    "rule_id": "overdue-days",
    "columns": ["when"],
}


def _bytes(workbook: str) -> bytes:
    try:
        return b64decode(workbook, validate=True)
    except ValueError as error:  # not base64, or not even ASCII
        raise FieldError("must be a file in base64", "workbook") from error


class SheetIn(WireModel):
    """A workbook as `GET …/sheet` gives it, in base64; the body is at most 1 MiB."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"workbook": _FILE, "note": "stricter from 2027 on"}]}
    )

    workbook: str = Field(min_length=1)
    note: str | None = Field(None, max_length=500)


class PreviewIn(WireModel):
    """A workbook, and on which decisions to try it; without `since` and `until` on none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "workbook": _FILE,
                    "segment": "main",
                    "since": "2026-11-01T00:00:00Z",
                    "until": "2026-12-01T00:00:00Z",
                }
            ]
        }
    )

    workbook: str = Field(min_length=1)
    segment: Id = MAIN
    since: Instant | None = None
    until: Instant | None = None

    def to_period(self) -> Period | None:
        """Say on which decisions of the segment it is tried.

        Raises:
            FieldError: Only one end is given.

        """
        if self.since is None and self.until is None:
            return None
        if self.since is None or self.until is None:
            missing = "since" if self.since is None else "until"
            raise FieldError("is needed where the other end is given", missing)
        return Period(self.since, self.until, frozenset({self.segment}))


class RowChangeOut(AnswerModel):
    """A row that is new, gone, changed (in which columns) or stands elsewhere."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CHANGE]})

    kind: Literal["ADDED", "REMOVED", "CHANGED", "MOVED"]
    rule_id: str
    columns: list[str]


class PreviewOut(AnswerModel):
    """What would be another than in the version in force; nothing was stored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "base_version": 7,
                    "rows": [_CHANGE],
                    "parts": ["tolerance_percent"],
                    "lint": LintOut.model_json_schema()["examples"][0],
                    "trial": None,
                }
            ]
        }
    )

    base_version: int
    rows: list[RowChangeOut]
    parts: list[str]
    lint: LintOut
    trial: TrialOut | None


def preview_out(found: Preview) -> PreviewOut:
    """Write what would be another."""
    return PreviewOut(
        base_version=found.base_version,
        rows=[
            RowChangeOut(kind=one.kind, rule_id=one.rule_id, columns=list(one.columns))
            for one in found.diff.rows
        ],
        parts=list(found.diff.parts),
        lint=lint_out(found.linted),
        trial=None if found.tried is None else report_of(found.tried),
    )


@router.get(
    "/rule-sets/{version}/sheet",
    operation_id="getRuleSheet",
    summary="A version as a workbook",
    response_class=Response,
    responses={**refusals(404), 200: {"content": {XLSX: {}}, "description": "The workbook"}},
)
def get_rule_sheet(caller: Reader, version: VersionPath, desk: DeskDep) -> Response:
    """Write a sheet a table, with drop-downs; what comes back from it is the whole of a policy."""
    name = f"rule-set-{version}.xlsx"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(desk.rule_sheets.export(caller, version), media_type=XLSX, headers=headers)


@router.post(
    "/rule-set-sheets/preview",
    operation_id="previewRuleSheet",
    summary="What a workbook would change",
    responses=refusals(404),
)
def preview_rule_sheet(caller: Reader, body: PreviewIn, desk: DeskDep) -> PreviewOut:
    """Compare a workbook with what is in force, look at it and try it; nothing is stored."""
    file, period = _bytes(body.workbook), body.to_period()
    return preview_out(desk.rule_sheets.preview(caller, file, body.segment, period))


@router.post(
    "/rule-set-sheets",
    operation_id="draftRuleSheet",
    summary="Store a workbook as a draft",
    status_code=201,
    response_model=RuleSetOut,
    responses=refusals(),
)
def draft_rule_sheet(
    asked: Annotated[Asked, Depends(asked("rule:write"))], body: SheetIn
) -> Response:
    """Refuse a workbook with faults, each with its cell; a draft never changes afterwards."""
    file = _bytes(body.workbook)
    return send(asked.desk.rule_sheets.save(asked.keyed(body), file, body.note, drafted))
