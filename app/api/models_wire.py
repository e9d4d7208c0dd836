"""What models look like on the wire."""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, field_validator

from app.api.wire import AnswerModel, WireModel, broken_rule
from app.domain.errors import FieldError
from app.domain.manifests_json import manifest_from_json, manifest_to_json
from app.domain.models import Promotion, RegisteredModel, Standing
from app.usecases.models import Candidate

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9-]*$")]
"""A model's name: a-z, 0-9 and -, a letter first."""

Number = Annotated[int, Field(ge=1, le=1_000_000)]
"""A version's number."""

_REASON: Final = "AUC .86 against .83 on the last quarter"
_MODEL: Final = {"name": "late-payment", "version": 3}
_MANIFEST: Final[dict[str, Any]] = {"format": 1, "name": "late-payment", "version": 3}
_VERSION: Final[dict[str, Any]] = {
    **_MODEL,
    "kind": "lightgbm",
    "state": "CANDIDATE",
    "manifest": _MANIFEST,
    "manifest_sha256": "9f" * 32,
    "signed_by": "5a0c9c3ce9b1d2f4",
    "registered_by": "training",
    "actor": "li.na",
    "registered_at": "2026-12-01T02:03:04Z",
    "fault": None,
}
_STANDING: Final[dict[str, Any]] = {
    "name": "late-payment",
    "newest": 3,
    "champion": 2,
    "shadow": 3,
}
_PROMOTION: Final[dict[str, Any]] = {
    "promotion_id": "019f0000-0000-7000-8000-00000000000d",
    "model": _MODEL,
    "move": "PROMOTE",
    "status": "APPLIED",
    "reason": _REASON,
    "replaced": 2,
    "proposed_by": "training",
    "proposed_actor": "li.na",
    "proposed_at": "2026-12-01T02:03:04Z",
    "decided_by": "training",
    "decided_actor": "li.na",
    "decided_at": "2026-12-01T02:03:04Z",
}


def _example(example: Mapping[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [dict(example)]})


class ModelIn(WireModel):
    """A package: the manifest (version 0), the model's file as text, attachments in base64."""

    model_config = _example(
        {"manifest": {**_MANIFEST, "version": 0}, "model": "tree\nversion=v4\n…", "attachments": {}}
    )

    manifest: dict[str, Any]
    model: str = Field(min_length=1)
    attachments: dict[str, str] = Field(default_factory=dict, max_length=50)

    @field_validator("attachments")
    @classmethod
    def _are_base64(cls, value: dict[str, str]) -> dict[str, str]:
        for data in value.values():
            try:
                b64decode(data, validate=True)
            except (Base64Error, ValueError):
                raise broken_rule("must be base64") from None
        return value

    def to_candidate(self) -> Candidate:
        """Make what the use case takes.

        Raises:
            FieldError: The manifest breaks a rule; the path begins with `manifest`.

        """
        try:
            manifest = manifest_from_json(self.manifest)
        except FieldError as error:
            raise FieldError(error.detail, f"manifest.{error.field or ''}".rstrip(".")) from None
        files = {name: b64decode(data) for name, data in self.attachments.items()}
        return Candidate(manifest, self.model.encode(), files)


class ReasonIn(WireModel):
    """Why; it is kept for good."""

    model_config = _example({"reason": _REASON})

    reason: str = Field(min_length=1, max_length=500)


class PromoteIn(ReasonIn):
    """Where to, and why. `replaces`: refuse if another version stands there by then."""

    model_config = _example({"to": "champion", "reason": _REASON, "replaces": 2})

    to: Literal["champion", "shadow"]
    replaces: Number | None = None


class FaultOut(AnswerModel):
    """Why a version cannot be loaded; what served before goes on serving."""

    model_config = _example(
        {
            "check": "sha256",
            "detail": "the sha256 of model.txt is not the manifest's",
            "at": "2026-12-01T02:03:04Z",
        }
    )

    check: str
    detail: str
    at: datetime


class ModelVersionOut(AnswerModel):
    """A version; all but `state` and `fault` never changes."""

    model_config = _example(_VERSION)

    name: str
    version: int
    kind: Literal["lightgbm", "scorecard"]
    state: Literal["CANDIDATE", "SHADOW", "CHAMPION", "RETIRED"]
    manifest: dict[str, Any]
    manifest_sha256: str
    signed_by: str
    registered_by: str
    actor: str | None
    registered_at: datetime
    fault: FaultOut | None

    @classmethod
    def of(cls, one: RegisteredModel) -> Self:
        """Write a version for the wire."""
        fault = one.fault
        return cls(
            name=one.manifest.name,
            version=one.manifest.version,
            kind=one.manifest.kind.value,
            state=one.state.value,
            manifest=manifest_to_json(one.manifest),
            manifest_sha256=one.manifest_sha256.hex(),
            signed_by=one.signed_by,
            registered_by=one.client,
            actor=one.actor,
            registered_at=one.registered_at,
            fault=None
            if fault is None
            else FaultOut(check=fault.check, detail=fault.detail, at=fault.at),
        )


class ModelVersionsOut(AnswerModel):
    """One page of versions, the newest first."""

    model_config = _example({"items": [_VERSION], "next_cursor": None})

    items: list[ModelVersionOut]
    next_cursor: str | None


class StandingOut(AnswerModel):
    """A model: its newest version, the one that decides and the one that only watches."""

    model_config = _example(_STANDING)

    name: str
    newest: int
    champion: int | None
    shadow: int | None

    @classmethod
    def of(cls, one: Standing) -> Self:
        """Write it for the wire."""
        return cls(name=one.name, newest=one.newest, champion=one.champion, shadow=one.shadow)


class StandingsOut(AnswerModel):
    """One page of models in the order of their names."""

    model_config = _example({"items": [_STANDING], "next_cursor": None})

    items: list[StandingOut]
    next_cursor: str | None


class ModelRef(AnswerModel):
    """A version by name and number."""

    model_config = _example(_MODEL)

    name: str
    version: int


class PromotionOut(AnswerModel):
    """A move of a version: PROPOSED waits for a second client; ROLLBACK brought the version back.

    `replaced` is the version that stood there before.
    """

    model_config = _example(_PROMOTION)

    promotion_id: str
    model: ModelRef
    move: Literal["SHADOW", "PROMOTE", "ROLLBACK", "RETIRE"]
    status: Literal["PROPOSED", "APPLIED", "REJECTED"]
    reason: str
    replaced: int | None
    proposed_by: str
    proposed_actor: str | None
    proposed_at: datetime
    decided_by: str | None
    decided_actor: str | None
    decided_at: datetime | None

    @classmethod
    def of(cls, one: Promotion) -> Self:
        """Write it for the wire."""
        return cls(
            promotion_id=one.promotion_id,
            model=ModelRef(name=one.model.name, version=one.model.version),
            move=one.move.value,
            status=one.status.value,
            reason=one.reason,
            replaced=one.replaced,
            proposed_by=one.proposed_by,
            proposed_actor=one.proposed_actor,
            proposed_at=one.proposed_at,
            decided_by=one.decided_by,
            decided_actor=one.decided_actor,
            decided_at=one.decided_at,
        )


class PromotionsOut(AnswerModel):
    """One page of moves, the newest first."""

    model_config = _example({"items": [_PROMOTION], "next_cursor": None})

    items: list[PromotionOut]
    next_cursor: str | None


class MovedOut(AnswerModel):
    """What became of an ask; `promotion` is null where the version stood there already."""

    model_config = _example({"model": _MODEL, "promotion": _PROMOTION})

    model: ModelRef
    promotion: PromotionOut | None
