"""Authority on the wire: roles with their matrix, subjects, delegations, policies, changes."""

from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from app.api.wire import (
    PRINTABLE,
    AnswerModel,
    BusinessDate,
    Id,
    Instant,
    MoneyIn,
    MoneyOut,
    WireModel,
)
from app.domain.authority import Change, Delegation, Grant, Policy, RiskClass, Role, Step
from app.usecases.authority import Configured

_MAX: Final[dict[str, str]] = {"amount": "100000.00", "currency": "CNY"}
_GRANT: Final[dict[str, Any]] = {"risk_class": "*", "max_amount": _MAX, "segment": None}
_ROLE: Final[dict[str, Any]] = {
    "name_zh": "信用专员",
    "name_en": "Credit specialist",
    "grants": [_GRANT],
}
_DELEGATION: Final[dict[str, Any]] = {
    "from": "li.na",
    "to": "wang.wei",
    "valid_from": "2026-12-01",
    "valid_to": "2026-12-14",
    "note": "Annual leave",
}
_POLICY: Final[dict[str, Any]] = {
    "two_approvals_above": {"amount": "500000.00", "currency": "CNY"},
    "escalation": [{"role": "head", "after": 14_400}],
}

Label = Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)]


class GrantIn(WireModel):
    """A row: up to `max_amount` (null: any amount) for a class (`*`: every) in a segment.

    `segment` null: in every one. The most specific row counts, segment before class.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_GRANT]})

    risk_class: RiskClass
    max_amount: MoneyIn | None
    segment: Id | None = None

    def to_grant(self) -> Grant:
        """Make the domain's row."""
        most = None if self.max_amount is None else self.max_amount.to_money()
        return Grant(self.risk_class, most, self.segment)


class RoleIn(WireModel):
    """A role with all its rows; without rows it may release nothing."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ROLE]})

    name_zh: Label
    name_en: Label
    grants: Annotated[list[GrantIn], Field(max_length=200)]

    def to_role(self, role: str) -> Role:
        """Make the domain's role."""
        grants = tuple(one.to_grant() for one in self.grants)
        return Role(role, self.name_zh, self.name_en, grants)


class SubjectIn(WireModel):
    """Which role a client has."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "specialist"}]})

    role: Id


class DelegationIn(WireModel):
    """Who stands in for whom, on business dates of the segment, both inclusive."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DELEGATION]})

    from_: Id = Field(alias="from")
    to: Id
    valid_from: BusinessDate
    valid_to: BusinessDate
    note: Annotated[str, Field(max_length=2000)] | None = None

    def to_delegation(self, delegation_id: str) -> Delegation:
        """Make the domain's delegation."""
        return Delegation(
            delegation_id, self.from_, self.to, self.valid_from, self.valid_to, self.note
        )


class StepIn(WireModel):
    """A hold that is open for `after` seconds is for `role` to look at."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "head", "after": 14_400}]})

    role: Id
    after: int = Field(ge=1, le=31_536_000)


class PolicyIn(WireModel):
    """From which amount on (exclusive; null: never) two persons agree; when holds escalate."""

    model_config = ConfigDict(json_schema_extra={"examples": [_POLICY]})

    two_approvals_above: MoneyIn | None = None
    escalation: Annotated[list[StepIn], Field(max_length=10)] = Field(default_factory=list)

    def to_policy(self, segment_id: str) -> Policy:
        """Make the domain's policy."""
        above = self.two_approvals_above
        steps = tuple(Step(one.role, one.after) for one in self.escalation)
        return Policy(segment_id, None if above is None else above.to_money(), steps)


class GrantOut(AnswerModel):
    """A row of the matrix."""

    risk_class: RiskClass
    max_amount: MoneyOut | None
    segment: str | None


class RoleOut(AnswerModel):
    """A role with its rows."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "specialist", **_ROLE}]})

    role: str
    name_zh: str
    name_en: str
    grants: list[GrantOut]

    @classmethod
    def of(cls, role: Role) -> "RoleOut":
        """Write a role for the wire."""
        grants = [
            GrantOut(
                risk_class=one.risk_class,
                max_amount=None if one.most is None else MoneyOut.of(one.most),
                segment=one.segment_id,
            )
            for one in role.grants
        ]
        return cls(role=role.role, name_zh=role.name_zh, name_en=role.name_en, grants=grants)


class SubjectOut(AnswerModel):
    """A client and its role."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"subject": "li.na", "role": "specialist"}]}
    )

    subject: str
    role: str


class DelegationOut(AnswerModel):
    """Who stands in for whom."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"delegation_id": "D-1", **_DELEGATION}]},
        validate_by_name=True,
    )

    delegation_id: str
    from_: str = Field(alias="from")
    to: str
    valid_from: date
    valid_to: date
    note: str | None

    @classmethod
    def of(cls, lent: Delegation) -> "DelegationOut":
        """Write a delegation for the wire."""
        return cls(
            delegation_id=lent.delegation_id,
            from_=lent.from_subject,
            to=lent.to_subject,
            valid_from=lent.valid_from,
            valid_to=lent.valid_to,
            note=lent.note,
        )


class StepOut(AnswerModel):
    """Who hears of a hold, and after how many seconds."""

    role: str
    after: int


class PolicyOut(AnswerModel):
    """What a segment asks for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"segment": "main", **_POLICY}]})

    segment: str
    two_approvals_above: MoneyOut | None
    escalation: list[StepOut]

    @classmethod
    def of(cls, policy: Policy) -> "PolicyOut":
        """Write a policy for the wire."""
        above = policy.two_above
        return cls(
            segment=policy.segment_id,
            two_approvals_above=None if above is None else MoneyOut.of(above),
            escalation=[StepOut(role=one.role, after=one.after_s) for one in policy.escalation],
        )


class AuthoritiesOut(AnswerModel):
    """Everything that is configured; without roles everybody may release who has the scope."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "roles": [{"role": "specialist", **_ROLE}],
                    "subjects": [{"subject": "li.na", "role": "specialist"}],
                    "delegations": [{"delegation_id": "D-1", **_DELEGATION}],
                    "segments": [{"segment": "main", **_POLICY}],
                }
            ]
        }
    )

    roles: list[RoleOut]
    subjects: list[SubjectOut]
    delegations: list[DelegationOut]
    segments: list[PolicyOut]

    @classmethod
    def of(cls, configured: Configured) -> "AuthoritiesOut":
        """Write everything for the wire."""
        matrix = configured.matrix
        return cls(
            roles=[RoleOut.of(one) for one in matrix.roles.values()],
            subjects=[SubjectOut(subject=who, role=has) for who, has in matrix.subjects.items()],
            delegations=[DelegationOut.of(one) for one in matrix.delegations],
            segments=[PolicyOut.of(one) for one in configured.policies],
        )


class ChangeOut(AnswerModel):
    """Who changed what; `data` is as it was put, null where it was taken away."""

    what: Literal["ROLE", "SUBJECT", "DELEGATION", "SEGMENT"]
    name: str
    data: dict[str, Any] | None
    client: str
    actor: str | None
    at: Instant

    @classmethod
    def of(cls, change: Change) -> "ChangeOut":
        """Write a change for the wire."""
        data = None if change.data is None else dict(change.data)
        names = ("what", "name", "client", "actor", "at")
        return cls(**{name: getattr(change, name) for name in names}, data=data)


class ChangesOut(AnswerModel):
    """A page of changes, the last one first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "what": "SUBJECT",
                            "name": "li.na",
                            "data": {"role": "specialist"},
                            "client": "admin",
                            "actor": None,
                            "at": "2026-12-01T03:00:00Z",
                        }
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )

    items: list[ChangeOut]
    next_cursor: str | None
