"""The credit policy: rule sets from draft to force, each step by somebody with the right."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import ConfigDict

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.idempotency import answer_of, send
from app.api.keyed import Asked, asked
from app.api.rules_answers import (
    LintOut,
    RuleSetFullOut,
    RuleSetOut,
    RuleSetsOut,
    SchemaOut,
    lint_out,
    schema_out,
    view_out,
)
from app.api.rules_models import ActivateIn, DraftIn, FollowIn, LintIn, NoteIn, TrialsIn
from app.api.strict import StrictRoute
from app.api.wire import Id, Page, WireModel, encode_cursor
from app.domain.callers import Caller
from app.domain.rules import read_rule_set
from app.domain.rules_write import rule_set_to_json
from app.domain.segments import MAIN
from app.usecases.asks import Answer
from app.usecases.rules import inspect, readable
from app.usecases.rules_page import policy_page
from app.usecases.rules_views import RuleSetView

router = APIRouter(prefix="/v1/rule-sets", tags=["rules"], route_class=StrictRoute)

VersionPath = Annotated[int, Path(ge=1, le=2**31 - 1)]
Reader = Annotated[Caller, Depends(needs("rule:read"))]
_MARKDOWN = "text/markdown"


class ActiveQuery(WireModel):
    """Of which segment, and as `json` or as a `markdown` page in Chinese or English."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"segment": "main"}]})

    segment: Id = MAIN
    form: Literal["json", "zh", "en"] = "json"


def _answer(view: RuleSetView) -> Answer:
    return answer_of(RuleSetOut(**view_out(view)))


def drafted(view: RuleSetView) -> Answer:
    """Answer 201 with a new version."""
    return answer_of(RuleSetOut(**view_out(view)), 201)


@router.get(
    "/schema",
    operation_id="getRuleSchema",
    summary="Names of conditions",
    responses=refusals(),
)
def get_rule_schema(_: Reader) -> SchemaOut:
    """Every name that a condition may read, with type, unit, bounds and an example."""
    return schema_out()


@router.get(
    "/active",
    operation_id="getActiveRuleSet",
    summary="The policy in force",
    response_model=RuleSetFullOut,
    responses=refusals(404) | {200: {"content": {_MARKDOWN: {"schema": {"type": "string"}}}}},
)
def get_active_rule_set(
    caller: Reader, query: Annotated[ActiveQuery, Query()], desk: DeskDep
) -> Response:
    """By what a segment is judged now; `form=zh` or `en` answers a page to read."""
    view, data = desk.rules.read.active(caller, query.segment)
    policy = read_rule_set(view.stored.life.version, data)
    if query.form != "json":
        return Response(policy_page(policy, query.form), media_type=_MARKDOWN)
    return send(answer_of(RuleSetFullOut(**view_out(view), rule_set=rule_set_to_json(policy))))


@router.get(
    "",
    operation_id="listRuleSets",
    summary="Versions, newest first",
    responses=refusals(),
)
def list_rule_sets(caller: Reader, query: Annotated[Page, Query()], desk: DeskDep) -> RuleSetsOut:
    """One page of versions with how far each has come, without their rows."""
    after = query.after(int)
    found = desk.rules.read.page(caller, after[0] if after else None, query.limit + 1)
    items = [RuleSetOut(**view_out(one)) for one in found[: query.limit]]
    more = len(found) > len(items)
    return RuleSetsOut(
        items=items, next_cursor=encode_cursor([items[-1].version]) if more else None
    )


@router.post(
    "",
    operation_id="draftRuleSet",
    summary="Store a new version as a draft",
    status_code=201,
    response_model=RuleSetOut,
    responses=refusals(),
)
def draft_rule_set(
    asked: Annotated[Asked, Depends(asked("rule:write"))], body: DraftIn
) -> Response:
    """Refuse what cannot be read, naming row and column; a draft never changes afterwards."""
    draft = asked.desk.rules.draft
    return send(draft(asked.keyed(body), body.rule_set.to_data(), body.note, drafted))


@router.post("/lint", operation_id="lintDraft", summary="Look at a policy", responses=refusals())
def lint_draft(_: Reader, body: LintIn) -> LintOut:
    """Say what is likely wrong with a policy and run its examples; nothing is stored."""
    return lint_out(inspect(readable(0, body.rule_set.to_data())))


@router.post(
    "/follow-default",
    operation_id="followDefaultRuleSet",
    summary="Let a segment be judged by the default again",
    response_model=RuleSetOut,
    responses=refusals(404, 409),
)
def follow_default(
    asked: Annotated[Asked, Depends(asked("rule:approve"))], body: FollowIn
) -> Response:
    """At once; what was scheduled for the segment is dropped, what is for the default holds."""
    follow = asked.desk.rules.follow
    return send(follow(asked.keyed(body), body.segment, body.note, _answer))


@router.get(
    "/{version}",
    operation_id="getRuleSet",
    summary="A version with its rows",
    responses=refusals(404),
)
def get_rule_set(caller: Reader, version: VersionPath, desk: DeskDep) -> RuleSetFullOut:
    """Read a version in the form that drafts are written in, and its history."""
    view, data = desk.rules.read.one(caller, version)
    return RuleSetFullOut(**view_out(view), rule_set=rule_set_to_json(read_rule_set(version, data)))


@router.post(
    "/{version}/lint",
    operation_id="lintRuleSet",
    summary="Look at a version",
    responses=refusals(404),
)
def lint_rule_set(_: Reader, version: VersionPath, desk: DeskDep) -> LintOut:
    """Say what is likely wrong with a stored version."""
    return lint_out(desk.rules.read.inspected(version))


@router.post(
    "/{version}/test",
    operation_id="testRuleSet",
    summary="Run a version's examples, and more",
    responses=refusals(404),
)
def try_rule_set(_: Reader, version: VersionPath, body: TrialsIn, desk: DeskDep) -> LintOut:
    """Answer what came of the stored examples, then of those that were sent."""
    more = [one.model_dump(exclude_none=True, exclude_unset=True) for one in body.examples]
    return lint_out(desk.rules.read.inspected(version, more))


@router.post(
    "/{version}/propose",
    operation_id="proposeRuleSet",
    summary="Ask for a version's approval",
    response_model=RuleSetOut,
    responses=refusals(404, 409),
)
def propose_rule_set(
    asked: Annotated[Asked, Depends(asked("rule:write"))], version: VersionPath, body: NoteIn
) -> Response:
    """Refuse what the lint finds errors in, or whose examples do not come out."""
    decide = asked.desk.rules.decide
    return send(decide(asked.keyed(body), version, ("propose", body.note), _answer))


@router.post(
    "/{version}/activate",
    operation_id="activateRuleSet",
    summary="Put an approved version in force",
    response_model=RuleSetOut,
    responses=refusals(404, 409),
)
def activate_rule_set(
    asked: Annotated[Asked, Depends(asked("rule:approve"))],
    version: VersionPath,
    body: ActivateIn,
) -> Response:
    """At once or later, in one segment or in all that have no rule set of their own."""
    activate = asked.desk.rules.activate
    return send(activate(asked.keyed(body), version, body.to_wish(), _answer))


@router.post(
    "/{version}/approve",
    operation_id="approveRuleSet",
    summary="Approve a proposed version",
    response_model=RuleSetOut,
    responses=refusals(404, 409),
)
def approve_rule_set(
    asked: Annotated[Asked, Depends(asked("rule:approve"))], version: VersionPath, body: NoteIn
) -> Response:
    """Approval is another client's than the one that wrote or proposed it."""
    decide = asked.desk.rules.decide
    return send(decide(asked.keyed(body), version, ("approve", body.note), _answer))


@router.post(
    "/{version}/reject",
    operation_id="rejectRuleSet",
    summary="Reject a proposed version",
    response_model=RuleSetOut,
    responses=refusals(404, 409),
)
def reject_rule_set(
    asked: Annotated[Asked, Depends(asked("rule:approve"))], version: VersionPath, body: NoteIn
) -> Response:
    """Leave the version as it is for good; a better one is another draft."""
    decide = asked.desk.rules.decide
    return send(decide(asked.keyed(body), version, ("reject", body.note), _answer))
