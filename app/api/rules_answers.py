"""Rule sets as they are answered."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import ConfigDict

from app.api.rules_models import RULE_SET
from app.api.wire import AnswerModel
from app.domain.rules_examples import Tested
from app.domain.rules_lint import Finding
from app.domain.rules_names import ATTRIBUTE, NAMES, SchemaName
from app.texts import TEXTS, text
from app.usecases.rules import Linted
from app.usecases.rules_views import RuleSetView

_VIEW: Final[dict[str, Any]] = {
    "version": 2,
    "name": "2027 policy",
    "status": "ACTIVE",
    "rows": 1,
    "active_in": ["main"],
    "next_in": [],
    "author": "policy-desk",
    "proposed_by": "policy-desk",
    "proposed_at": "2026-12-01T02:03:04Z",
    "decided_by": "head-of-credit",
    "decided_at": "2026-12-01T03:00:00Z",
    "created_at": "2026-12-01T02:00:00Z",
    "history": [],
}
_FINDING: Final[dict[str, Any]] = {
    "severity": "WARNING",
    "code": "LINT_NO_CLAUSE",
    "field": "rows[0].clause",
    "rule_id": "overdue-days-d",
    "zh": "规则 overdue-days-d 没有对应的制度条款。",
    "en": "Rule overdue-days-d implements no clause of the written policy.",
}
_TEST: Final[dict[str, Any]] = {
    "name": "class D, 11 days",
    "passed": True,
    "outcome": "HOLD",
    "reasons": ["OVERDUE_DAYS"],
    "warnings": [],
    "problem": None,
}
_NAME: Final[dict[str, Any]] = {
    "name": "account_overdue_days",
    "group": "account",
    "type": "int",
    "unit": "days",
    "values": None,
    "low": 0,
    "high": 36500,
    "example": 0,
    "scope": "order",
    "may_miss": False,
    "zh": "最早一笔逾期款的逾期天数",
    "en": "Days that the oldest overdue item is late",
}


class EventOut(AnswerModel):
    """What somebody did with a version."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "PROPOSE",
                    "client": "policy-desk",
                    "actor": None,
                    "note": None,
                    "at": "2026-12-01T02:03:04Z",
                }
            ]
        }
    )

    action: Literal["DRAFT", "PROPOSE", "APPROVE", "REJECT", "ACTIVATE", "FOLLOW"]
    client: str
    actor: str | None
    note: str | None
    at: datetime


class NextOut(AnswerModel):
    """A segment in which a version will come into force."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"segment": "main", "at": "2027-01-01T00:00:00Z"}]}
    )

    segment: str
    at: datetime


class RuleSetOut(AnswerModel):
    """A version: how far it has come, by whom, and where it is in force."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VIEW]})

    version: int
    name: str
    status: Literal["DRAFT", "PROPOSED", "APPROVED", "REJECTED", "ACTIVE", "SUPERSEDED"]
    rows: int
    active_in: list[str]
    next_in: list[NextOut]
    author: str
    proposed_by: str | None
    proposed_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    created_at: datetime
    history: list[EventOut]


class RuleSetFullOut(RuleSetOut):
    """A version with its rows, in the form that drafts are written in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_VIEW, "rule_set": RULE_SET}]})

    rule_set: dict[str, Any]


class RuleSetsOut(AnswerModel):
    """One page of versions, the newest first, without rows and history."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_VIEW], "next_cursor": None}]}
    )

    items: list[RuleSetOut]
    next_cursor: str | None


class FindingOut(AnswerModel):
    """What the lint found; an ERROR keeps a version from being proposed."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FINDING]})

    severity: Literal["ERROR", "WARNING"]
    code: str
    field: str
    rule_id: str | None
    zh: str
    en: str


class TestedOut(AnswerModel):
    """What came of an example."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TEST]})

    name: str
    passed: bool
    outcome: str | None
    reasons: list[str]
    warnings: list[str]
    problem: str | None


class LintOut(AnswerModel):
    """What was found, errors first, and what came of the examples."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"findings": [_FINDING], "tests": [_TEST]}]}
    )

    findings: list[FindingOut]
    tests: list[TestedOut]


class NameOut(AnswerModel):
    """A name that conditions may read; `path`: only rows that ask `path` know it.

    `may_miss`: there may be nothing to know, and the row's outcome is then `on_missing`.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_NAME]})

    name: str
    group: str
    type: Literal["bool", "int", "string"]
    unit: str
    values: list[str] | None
    low: int | None
    high: int | None
    example: bool | int | str
    scope: Literal["order", "path"]
    may_miss: bool
    zh: str
    en: str


class SchemaOut(AnswerModel):
    """Every name, and where orders' own attributes are found."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [_NAME], "attribute_prefix": "attribute_"}]}
    )

    items: list[NameOut]
    attribute_prefix: str


_TYPE: Final[dict[type, Literal["bool", "int", "string"]]] = {
    bool: "bool",
    int: "int",
    str: "string",
}


def schema_out() -> SchemaOut:
    """Write the schema."""
    return SchemaOut(items=[_name_out(one) for one in NAMES.values()], attribute_prefix=ATTRIBUTE)


def _name_out(one: SchemaName) -> NameOut:
    said, kind = TEXTS[f"RULE_NAME_{one.name}"], one.kind
    return NameOut(
        name=one.name,
        group=one.group,
        type=_TYPE[kind.type],
        unit=one.unit,
        values=None if kind.values is None else sorted(kind.values),
        low=kind.low,
        high=kind.high,
        example=one.example,
        scope="path" if one.path else "order",
        may_miss=one.may_miss,
        zh=said.zh,
        en=said.en,
    )


def view_out(view: RuleSetView) -> dict[str, Any]:
    """Write what is the same in every answer about a version."""
    stored, life = view.stored, view.stored.life
    return {
        "version": life.version,
        "name": stored.name,
        "status": view.status,
        "rows": stored.rows,
        "active_in": view.active_in,
        "next_in": [
            NextOut(segment=one.segment_id, at=one.next_at)
            for one in view.next_in
            if one.next_at is not None
        ],
        "author": life.author,
        "proposed_by": life.proposed_by,
        "proposed_at": life.proposed_at,
        "decided_by": life.decided_by,
        "decided_at": life.decided_at,
        "created_at": stored.created_at,
        "history": [
            EventOut(
                action=one.action, client=one.client, actor=one.actor, note=one.note, at=one.at
            )
            for one in view.history
        ],
    }


def lint_out(found: Linted) -> LintOut:
    """Write findings in both languages, and what came of the examples."""
    return LintOut(
        findings=[_finding_out(one) for one in found.findings],
        tests=[_tested_out(one) for one in found.tests],
    )


def _finding_out(one: Finding) -> FindingOut:
    said = text(one.code, one.values)
    return FindingOut(
        severity=one.severity,
        code=one.code,
        field=one.field,
        rule_id=one.rule_id,
        zh=said.zh,
        en=said.en,
    )


def _tested_out(one: Tested) -> TestedOut:
    told = one.told
    return TestedOut(
        name=one.name,
        passed=not one.problem,
        outcome=None if told is None else told.outcome,
        reasons=[] if told is None else list(told.reasons),
        warnings=[] if told is None else list(told.warnings),
        problem=one.problem or None,
    )
