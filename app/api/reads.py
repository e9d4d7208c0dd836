"""The answers of the read lane as bytes, written without a model in between.

`AccountOut`, `ScoreOut` and `CardOut` tell what is in them; tests hold both equal.
"""

from collections.abc import Sequence
from datetime import UTC
from hashlib import sha256
from typing import Any, Final

import orjson
from fastapi import Response

from app.domain.money import Money
from app.domain.overdue import Overdue
from app.domain.scores import Overridden, ScoreReason, StoredScore
from app.texts import TEXTS, text
from app.usecases.accounts import AccountView
from app.usecases.reads import Card

_CARD_REASONS: Final = 3
_NOT_SCORED: Final = {
    "code": "NOT_SCORED",
    "zh": TEXTS["NOT_SCORED"].zh,
    "en": TEXTS["NOT_SCORED"].en,
    "contribution": None,
}


def account_bytes(view: AccountView) -> bytes:
    """Write an account for the wire."""
    return _json(
        {
            "customer_id": view.customer_id,
            "segment": view.segment_id,
            "effective_limit": _money(view.effective_limit),
            "covers": _money(view.covers),
            "unlimited": view.unlimited,
            "limit_expired": view.limit_expired,
            "exposure": _money(view.exposure),
            "exposure_by_category": {name: _money(one) for name, one in view.categories.items()},
            "authorized": _money(view.authorized),
            "forced": _money(view.forced),
            "headroom": _money(view.headroom),
            "groups": _rooms(view.groups),
            "utilization": view.utilization,
            "overdue": _overdue(view.overdue),
            "status": view.status,
            "traffic_light": view.traffic_light,
            "as_of": view.as_of,
            "seq": view.seq,
        }
    )


def score_bytes(found: StoredScore) -> bytes:
    """Write a stored score for the wire."""
    score, known = found.score, found.score.probability_of_default
    return _json(
        {
            "customer_id": found.customer_id,
            "score": score.score,
            "probability_of_default": None if known is None else float(known),
            "horizon_days": score.horizon_days,
            "risk_class": score.risk_class,
            "traffic_light": score.traffic_light,
            "reasons": [_reason(reason) for reason in score.reasons],
            "source": score.source,
            "model": {"name": score.model.name, "version": score.model.version},
            "features_as_of": found.features_as_of,
            "scored_at": found.scored_at.astimezone(UTC),
            "stale": found.stale,
            "due_at": found.due_at and found.due_at.astimezone(UTC),
            "override": _overridden(score.overridden),
        }
    )


def _overridden(told: Overridden | None) -> dict[str, Any] | None:
    if told is None:
        return None
    return {
        "override_id": told.override_id,
        "expires_at": told.expires_at.astimezone(UTC),
        "computed_score": told.computed.score,
        "computed_class": told.computed.risk_class,
        "computed_source": told.computed.source,
    }


def card_bytes(card: Card) -> bytes:
    """Write a card for the wire."""
    score, account = card.score and card.score.score, card.account
    reasons = [_reason(one) for one in score.reasons[:_CARD_REASONS]] if score else [_NOT_SCORED]
    return _json(
        {
            "customer_id": card.customer_id,
            "name": card.name,
            "traffic_light": card.traffic_light,
            "score": score.score if score else None,
            "risk_class": score.risk_class if score else None,
            "segment": account.segment_id if account else None,
            "headroom": _money(account.headroom) if account else None,
            "groups": _rooms(account.groups) if account else [],
            "overdue": _overdue(account.overdue) if account else None,
            "reasons": reasons,
            "as_of": card.as_of,
        }
    )


def _money(money: Money | None) -> dict[str, str] | None:
    return None if money is None else {"amount": money.text, "currency": money.currency}


def _rooms(groups: Sequence[tuple[str, Money]]) -> list[dict[str, Any]]:
    return [{"customer_id": name, "headroom": _money(left)} for name, left in groups]


def _overdue(overdue: Overdue) -> dict[str, Any]:
    return {"amount": _money(overdue.amount), "days": overdue.days}


def _reason(reason: ScoreReason) -> dict[str, Any]:
    said = text(reason.code, reason.values)
    contribution = float(reason.contribution)  # JSON kept it as it was: 80 may stand for 80.0
    return {"code": reason.code, "zh": said.zh, "en": said.en, "contribution": contribution}


def _json(told: dict[str, Any]) -> bytes:
    return orjson.dumps(told, option=orjson.OPT_UTC_Z)


def send_json(body: bytes) -> Response:
    """Send an answer that is JSON already."""
    return Response(body, media_type="application/json")


def send_tagged(body: bytes, known: str | None = None) -> Response:
    """Answer with an ETag of the content, or 304 without a body where `known` names it."""
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    if known is not None:
        tags = {part.strip().removeprefix("W/") for part in known.split(",")}
        if tags & {tag, "*"}:
            return Response(status_code=304, headers={"ETag": tag})
    return Response(body, headers={"ETag": tag}, media_type="application/json")
