"""Moves of models: promote, approve, reject, roll back, retire."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response

from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.models import Admin, Reader
from app.api.models_wire import (
    ModelRef,
    MovedOut,
    Name,
    Number,
    PromoteIn,
    PromotionOut,
    PromotionsOut,
    ReasonIn,
)
from app.api.strict import StrictRoute
from app.api.wire import Id, Page, encode_cursor
from app.domain.errors import FieldError, NotFoundError
from app.domain.ids import need_id
from app.domain.models import Move, Promotion, PromotionStatus
from app.domain.scores import ModelVersion
from app.usecases.models_moves import MoveAsk

router = APIRouter(prefix="/v1", tags=["models"], route_class=StrictRoute)

_MOVES: Final = {"champion": Move.PROMOTE, "shadow": Move.SHADOW}


def _moved(model: ModelVersion, made: Promotion | None) -> MovedOut:
    told = None if made is None else PromotionOut.of(made)
    return MovedOut(model=ModelRef(name=model.name, version=model.version), promotion=told)


def _before(query: Page) -> str | None:
    """Read the cursor, which must be an id: the database takes no other text for one."""
    after = query.after(str)
    try:
        return None if after is None else need_id(after[0], "promotion")
    except NotFoundError:
        raise FieldError("is not a cursor of this list", "cursor") from None


@router.post(
    "/models/{name}/versions/{version}/promote",
    operation_id="promoteModel",
    summary="Let a version decide, or watch",
    response_model=MovedOut,
    responses=refusals(404, 409)
    | {202: {"model": MovedOut, "description": "Proposed; a second client must approve"}},
)
def promote_model(
    name: Name, version: Number, body: PromoteIn, caller: Admin, desk: DeskDep
) -> object:
    """Answer 200 where it stands there now, 202 where a second client must approve."""
    model = ModelVersion(name, version)
    ask = MoveAsk(model, _MOVES[body.to], body.reason, body.replaces)
    made = desk.models.move(caller, ask)
    answer = _moved(model, made)
    if made is not None and made.status is PromotionStatus.PROPOSED:
        return Response(answer.model_dump_json(), 202, media_type="application/json")
    return answer


@router.post(
    "/models/{name}/versions/{version}/retire",
    operation_id="retireModel",
    summary="Retire a candidate or shadow",
    responses=refusals(404, 409),
)
def retire_model(
    name: Name, version: Number, body: ReasonIn, caller: Admin, desk: DeskDep
) -> MovedOut:
    """Answer the move; a champion is replaced, never retired."""
    model = ModelVersion(name, version)
    return _moved(model, desk.models.move(caller, MoveAsk(model, Move.RETIRE, body.reason)))


@router.post(
    "/models/{name}/rollback",
    operation_id="rollBackModel",
    summary="Bring back the champion before the present one",
    responses=refusals(404, 409),
)
def roll_back_model(name: Name, body: ReasonIn, caller: Admin, desk: DeskDep) -> MovedOut:
    """Answer the version that decides again; the present one is retired."""
    made = desk.models.move.roll_back(caller, name, body.reason)
    return _moved(made.model, made)


@router.get(
    "/models/{name}/promotions",
    operation_id="listModelPromotions",
    summary="List what was done with a model's versions",
    responses=refusals(404),
)
def list_model_promotions(
    name: Name, query: Annotated[Page, Query()], _: Reader, desk: DeskDep
) -> PromotionsOut:
    """Answer one page, the newest first."""
    found = desk.models.read.promotions(name, _before(query), query.limit + 1)
    items = [PromotionOut.of(one) for one in found[: query.limit]]
    more = len(found) > len(items)
    cursor = encode_cursor([items[-1].promotion_id]) if more else None
    return PromotionsOut(items=items, next_cursor=cursor)


@router.post(
    "/models/{name}/promotions/{promotion_id}/{action}",
    operation_id="decideModelPromotion",
    summary="Approve or reject a proposed promotion",
    responses=refusals(404, 409),
)
def decide_model_promotion(
    name: Name,
    promotion_id: Id,
    action: Literal["approve", "reject"],
    caller: Admin,
    desk: DeskDep,
) -> MovedOut:
    """Answer the promotion as decided; who proposed it may reject it, not approve it."""
    move = desk.models.move
    decide = move.approve if action == "approve" else move.reject
    made = decide(caller, name, promotion_id)
    return _moved(made.model, made)
