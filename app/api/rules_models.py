"""Rule sets as they are sent."""

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from app.api.wire import PRINTABLE, Id, Instant, WireModel
from app.usecases.rules_life import Wish

_LIMIT_VALUES: Final = 1_000
Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
CONSTANT = bool | Int64 | str

_ROW: Final[dict[str, Any]] = {
    "id": "overdue-days-d",
    "zh": "D 级客户逾期天数",
    "en": "Days overdue, class D",
    "check_points": ["ORDER", "GOODS_ISSUE"],
    "scope": {"classes": ["D"]},
    "except": {"customers": ["C-1001"]},
    "when": "account_overdue_days > max_days",
    "parameters": {"max_days": 10},
    "outcome": "HOLD",
    "reason": "OVERDUE_DAYS",
    "observed": "account_overdue_days",
    "clause": "4.1",
    "owner": "credit management",
}
_CLAUSE: Final[dict[str, Any]] = {"id": "4.1", "zh": "逾期客户暂停。", "en": "Hold late payers."}
_EXAMPLE: Final[dict[str, Any]] = {
    "name": "class D, 11 days",
    "context": {"score_class": "D", "account_overdue_days": 11},
    "outcome": "HOLD",
    "reasons": ["OVERDUE_DAYS"],
}
RULE_SET: Final[dict[str, Any]] = {
    "format": 2,
    "name": "2027 policy",
    "tolerance_percent": "0",
    "clauses": [_CLAUSE],
    "rows": [_ROW],
    "examples": [_EXAMPLE],
}


class ScopeIn(WireModel):
    """Who is meant: each dimension that is named must fit. A group is a customer and all below."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"classes": ["D"]}]})

    segments: list[str] | None = None
    countries: list[str] | None = None
    industries: list[str] | None = None
    classes: list[str] | None = None
    groups: list[str] | None = None
    customers: list[str] | None = None


class RowIn(WireModel):
    """A rule; see `GET /v1/rule-sets/schema` for the names that `when` may read.

    `when` is a condition in a subset of CEL over the schema's names and the row's `parameters`.
    Of rows of one `family` (default: the reason) only those with the most specific `scope` are
    asked. A missing input is the outcome `on_missing`. An APPROVE row exempts from the families
    that it `lifts` where their rows have no higher `precedence`.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_ROW]})

    id: str
    zh: str
    en: str
    check_points: list[str] | None = None
    scope: ScopeIn | None = None
    except_: ScopeIn | None = Field(None, alias="except")
    asks: Literal["order", "path"] = "order"
    when: str
    parameters: dict[str, CONSTANT | list[CONSTANT]] | None = None
    outcome: Literal["APPROVE", "HOLD", "REJECT", "WARN"]
    reason: str
    family: str | None = None
    on_missing: Literal["HOLD", "REJECT", "WARN"] | None = None
    observed: str | None = None
    threshold: str | None = None
    lifts: list[str] | None = None
    precedence: Int64 | None = None
    action: str | None = None
    clause: str | None = None
    owner: str | None = None
    auto_release: bool | None = None


class ClauseIn(WireModel):
    """A clause of the written policy."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CLAUSE]})

    id: str
    zh: str
    en: str


class ReasonTextIn(WireModel):
    """A sentence for a reason code; `{observed}` and `{threshold}` are filled."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"zh": "暂停", "en": "Held"}]})

    zh: str
    en: str


class ExampleIn(WireModel):
    """What must come out where the schema's example is changed by `context` and `missing`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: str | None = Field(None, max_length=200)
    context: dict[str, CONSTANT] | None = None
    missing: list[str] | None = None
    segment: Id | None = None
    customer: Id | None = None
    groups: list[Id] | None = None
    outcome: Literal["APPROVE", "HOLD", "REJECT"]
    reasons: list[str]
    warnings: list[str] | None = None


class ClassTermsIn(WireModel):
    """What a class may have: days net, late interest in percent a year, percent to be prepaid."""

    days: Int64
    late_interest_percent: str | None = Field(None, max_length=8)
    prepay_percent: str | None = Field(None, max_length=8)


class RuleSetIn(WireModel):
    """A policy: rows, the clauses they implement, texts of its own reasons, examples.

    `terms` are the payment terms by risk class; whole days stand for an object with just `days`.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [RULE_SET]})

    format: Literal[2]
    name: str = Field(min_length=1, max_length=200, pattern=PRINTABLE)
    tolerance_percent: str = Field("0", max_length=20)
    terms: dict[str, Int64 | ClassTermsIn] | None = None
    texts: dict[str, ReasonTextIn] | None = None
    clauses: list[ClauseIn] | None = None
    rows: list[RowIn] = Field(max_length=_LIMIT_VALUES)
    examples: list[ExampleIn] | None = Field(None, max_length=_LIMIT_VALUES)

    def to_data(self) -> dict[str, Any]:
        """Write it as it is stored: what was sent, null and absent alike left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)


class DraftIn(WireModel):
    """A new version of the policy, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rule_set": RULE_SET, "note": "stricter for class D"}]}
    )

    rule_set: RuleSetIn
    note: str | None = Field(None, max_length=500)


class LintIn(WireModel):
    """A policy to look at; nothing is stored."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rule_set": RULE_SET}]})

    rule_set: RuleSetIn


class TrialsIn(WireModel):
    """More examples than those that are stored with the version."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"examples": [_EXAMPLE]}]})

    examples: list[ExampleIn] = Field(default_factory=list, max_length=_LIMIT_VALUES)


class NoteIn(WireModel):
    """Why this is decided."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "as agreed in May"}]})

    note: str | None = Field(None, max_length=500)


class FollowIn(WireModel):
    """Which segment shall be judged by the default for all again, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"segment": "east", "note": "the pilot is over"}]}
    )

    segment: Id
    note: str | None = Field(None, max_length=500)


class ActivateIn(WireModel):
    """Where and from when: absent `segment`: all that have no rule set of their own; at once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"segment": "main", "effective_at": "2027-01-01T00:00:00+08:00"}]
        }
    )

    segment: Id | None = None
    effective_at: Instant | None = None
    note: str | None = Field(None, max_length=500)

    def to_wish(self) -> tuple[Wish, str | None]:
        """Make what the use case takes."""
        return Wish(self.segment, self.effective_at), self.note
