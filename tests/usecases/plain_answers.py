"""The answers of the read lane through their models, as `app/api/reads.py` must write them."""

from collections.abc import Sequence

from app.api.accounts import AccountOut, CategoriesOut, GroupRoomOut, OverdueOut
from app.api.scores import CardOut, CardOverdueOut, CardReasonOut, ModelOut, ReasonOut, ScoreOut
from app.api.wire import MoneyOut
from app.domain.money import Money
from app.domain.scores import ScoreReason, StoredScore
from app.texts import text
from app.usecases.accounts import AccountView
from app.usecases.reads import Card


def _money(money: Money | None) -> MoneyOut | None:
    return None if money is None else MoneyOut.of(money)


def _rooms(groups: Sequence[tuple[str, Money]]) -> list[GroupRoomOut]:
    return [GroupRoomOut(customer_id=name, headroom=MoneyOut.of(left)) for name, left in groups]


def account_out(view: AccountView) -> bytes:
    """Write an account as `AccountOut`."""
    answer = AccountOut(
        customer_id=view.customer_id,
        segment=view.segment_id,
        effective_limit=_money(view.effective_limit),
        covers=MoneyOut.of(view.covers),
        unlimited=view.unlimited,
        limit_expired=view.limit_expired,
        exposure=MoneyOut.of(view.exposure),
        exposure_by_category=CategoriesOut(
            **{name: MoneyOut.of(money) for name, money in view.categories.items()}
        ),
        authorized=MoneyOut.of(view.authorized),
        forced=MoneyOut.of(view.forced),
        headroom=_money(view.headroom),
        groups=_rooms(view.groups),
        utilization=view.utilization,
        overdue=OverdueOut(amount=MoneyOut.of(view.overdue.amount), days=view.overdue.days),
        status=view.status,
        traffic_light=view.traffic_light.value,
        as_of=view.as_of,
        seq=view.seq,
    )
    return answer.model_dump_json().encode()


def _reason(reason: ScoreReason) -> ReasonOut:
    said = text(reason.code, reason.values)
    return ReasonOut(code=reason.code, zh=said.zh, en=said.en, contribution=reason.contribution)


def score_out(found: StoredScore) -> bytes:
    """Write a score as `ScoreOut`."""
    score = found.score
    answer = ScoreOut(
        customer_id=found.customer_id,
        score=score.score,
        probability_of_default=score.probability_of_default,
        horizon_days=score.horizon_days,
        risk_class=score.risk_class.value,
        traffic_light=score.traffic_light.value,
        reasons=[_reason(reason) for reason in score.reasons],
        source=score.source.value,
        model=ModelOut(name=score.model.name, version=score.model.version),
        features_as_of=found.features_as_of,
        scored_at=found.scored_at,
        stale=found.stale,
        due_at=found.due_at,
        override=None,
    )
    return answer.model_dump_json().encode()


def card_out(card: Card) -> bytes:
    """Write a card as `CardOut`."""
    score, account = card.score and card.score.score, card.account
    answer = CardOut(
        customer_id=card.customer_id,
        name=card.name,
        traffic_light=card.traffic_light.value,
        score=score.score if score else None,
        risk_class=score.risk_class.value if score else None,
        segment=account.segment_id if account else None,
        headroom=_money(account.headroom) if account else None,
        groups=_rooms(account.groups) if account else [],
        overdue=CardOverdueOut(
            amount=MoneyOut.of(account.overdue.amount), days=account.overdue.days
        )
        if account
        else None,
        reasons=_card_reasons(score.reasons if score else None),
        as_of=card.as_of,
    )
    return answer.model_dump_json().encode()


def _card_reasons(reasons: Sequence[ScoreReason] | None) -> list[CardReasonOut]:
    if reasons is None:
        said = text("NOT_SCORED", {})
        return [CardReasonOut(code="NOT_SCORED", zh=said.zh, en=said.en, contribution=None)]
    return [CardReasonOut(**_reason(reason).model_dump()) for reason in reasons[:3]]
