"""What if: the score after changes, and which changes would lift the class."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import ConfigDict, Field

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.scores import Grade, Light, ModelOut
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel, BusinessDate, Id, WireModel
from app.domain.callers import Caller
from app.domain.scores import Score
from app.domain.scores_json import PROBABILITY_DIGITS
from app.domain.whatif import Proposal, Row, Step
from app.texts import text
from app.usecases.score_what_if import WhatIf

router = APIRouter(prefix="/v1", tags=["scores"], route_class=StrictRoute)

_RATED: Final[dict[str, Any]] = {
    "score": 612,
    "probability_of_default": 0.0402,
    "risk_class": "C",
    "traffic_light": "YELLOW",
}
_CHANGED: Final[dict[str, Any]] = {"feature": "overdue_days", "from": 45, "to": 0}
_STEP: Final[dict[str, Any]] = {
    "code": "PAY_OVERDUE",
    "zh": "付清全部逾期款项。",
    "en": "Pay everything that is past due.",
}
_PROPOSAL: Final[dict[str, Any]] = {"steps": [_STEP], "changes": [_CHANGED], "result": _RATED}


def _example(told: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [told]}, populate_by_name=True)


class WhatIfIn(WireModel):
    """Observations as they would be, by feature; null: missing. `{}` asks for proposals only."""

    model_config = _example({"changes": {"overdue_days": 0, "overdue_share": 0}})

    changes: dict[Annotated[str, Field(max_length=64)], float | None] = Field(
        default_factory=dict, max_length=100
    )


class RatedOut(AnswerModel):
    """A score that is told and not stored; score and probability are null where the class is N."""

    model_config = _example(_RATED)

    score: int | None
    probability_of_default: float | None
    risk_class: Grade
    traffic_light: Light


class ChangeOut(AnswerModel):
    """An observation as it is (`from`) and as it would be; null: missing."""

    model_config = _example(_CHANGED)

    feature: str
    before: float | None = Field(alias="from")
    after: float | None = Field(alias="to")


class StepOut(AnswerModel):
    """Something that the customer can do."""

    model_config = _example(_STEP)

    code: Literal["PAY_OVERDUE", "LOWER_USE", "ORDER_AS_USUAL", "PAY_ON_TIME"]
    zh: str
    en: str


class ProposalOut(AnswerModel):
    """Steps that together lift the class, what they change, and what was rated for it."""

    model_config = _example(_PROPOSAL)

    steps: list[StepOut]
    changes: list[ChangeOut]
    result: RatedOut


class WhatIfOut(AnswerModel):
    """What is computed now (overrides left out), after the changes asked for, and what would help.

    `proposals` are the easiest first, at most three; none: nothing within the customer's hands
    lifts its class by itself.
    """

    model_config = _example(
        {
            "customer_id": "C-1001",
            "features_as_of": "2026-11-30",
            "source": "scorecard",
            "model": {"name": "standard", "version": 1},
            "now": _RATED,
            "asked": None,
            "changes": [],
            "proposals": [_PROPOSAL],
        }
    )

    customer_id: str
    features_as_of: BusinessDate
    source: Literal["model", "scorecard"]
    model: ModelOut
    now: RatedOut
    asked: RatedOut | None
    changes: list[ChangeOut]
    proposals: list[ProposalOut]


def _rated(score: Score) -> RatedOut:
    known = score.probability_of_default
    return RatedOut(
        score=score.score,
        probability_of_default=None if known is None else round(known, PROBABILITY_DIGITS),
        risk_class=score.risk_class.value,
        traffic_light=score.traffic_light.value,
    )


def _changes(row: Row, changes: Row) -> list[ChangeOut]:
    return [
        ChangeOut.model_validate({"feature": name, "from": row[name], "to": value})
        for name, value in changes.items()
        if row.get(name) != value
    ]


def _step(step: Step) -> StepOut:
    said = text(f"WHAT_IF_{step.lever}", {"value": step.value} if step.value else {})
    return StepOut(code=step.lever, zh=said.zh, en=said.en)


def _proposal(row: Row, one: Proposal) -> ProposalOut:
    return ProposalOut(
        steps=[_step(step) for step in one.steps],
        changes=_changes(row, one.changes),
        result=_rated(one.score),
    )


def _out(found: WhatIf, changes: Row) -> WhatIfOut:
    return WhatIfOut(
        customer_id=found.customer_id,
        features_as_of=found.as_of,
        source="model" if found.now.source == "model" else "scorecard",
        model=ModelOut(name=found.now.model.name, version=found.now.model.version),
        now=_rated(found.now),
        asked=None if found.asked is None else _rated(found.asked),
        changes=_changes(found.row, changes),
        proposals=[_proposal(found.row, one) for one in found.proposals],
    )


@router.post(
    "/customers/{customer_id}/score/what-if",
    operation_id="askWhatIf",
    summary="What the score would be, and what would lift the class",
    responses=refusals(404),
)
def ask_what_if(
    customer_id: Id,
    body: WhatIfIn,
    caller: Annotated[Caller, Depends(needs("score:read"))],
    desk: DeskDep,
) -> WhatIfOut:
    """Rate the customer as it is and as it would be; nothing is stored."""
    return _out(desk.scores.what_if(caller, customer_id, body.changes), body.changes)
