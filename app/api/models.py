"""Models: what is registered, registering, and the version that decides."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Response

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.models_wire import (
    ModelIn,
    ModelVersionOut,
    ModelVersionsOut,
    Name,
    Number,
    StandingOut,
    StandingsOut,
)
from app.api.strict import LONG_BODY_BYTES, StrictRoute
from app.api.wire import Page, encode_cursor
from app.domain.callers import Caller

router = APIRouter(prefix="/v1", tags=["models"], route_class=StrictRoute)

Reader = Annotated[Caller, Depends(needs("model:read"))]
Admin = Annotated[Caller, Depends(needs("model:admin"))]
File = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]

_BYTES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file's bytes",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get(
    "/models",
    operation_id="listModels",
    summary="List models",
    responses=refusals(),
)
def list_models(query: Annotated[Page, Query()], _: Reader, desk: DeskDep) -> StandingsOut:
    """Answer one page in the order of names."""
    after = query.after(str)
    found = desk.models.read.every(after[0] if after else "", query.limit + 1)
    items = [StandingOut.of(one) for one in found[: query.limit]]
    more = len(found) > len(items)
    return StandingsOut(items=items, next_cursor=encode_cursor([items[-1].name]) if more else None)


@router.post(
    "/models",
    operation_id="registerModel",
    summary="Register a version of a model",
    status_code=201,
    response_model=ModelVersionOut,
    responses=refusals(409)
    | {200: {"model": ModelVersionOut, "description": "The same content was registered before"}},
    max_body_size=LONG_BODY_BYTES,
)
def register_model(body: ModelIn, caller: Admin, response: Response, desk: DeskDep) -> object:
    """Check the package, give it the next version, sign and keep it; it is a CANDIDATE."""
    made, is_new = desk.models.register(caller, body.to_candidate())
    response.status_code = 201 if is_new else 200
    return ModelVersionOut.of(made)


@router.get(
    "/models/{name}",
    operation_id="getModel",
    summary="See where a model's versions stand",
    responses=refusals(404),
)
def get_model(name: Name, _: Reader, desk: DeskDep) -> StandingOut:
    """Answer its newest version, champion and shadow."""
    return StandingOut.of(desk.models.read.standing(name))


@router.get(
    "/models/{name}/champion",
    operation_id="getChampion",
    summary="See the version that decides",
    responses=refusals(404),
)
def get_champion(name: Name, _: Reader, desk: DeskDep) -> ModelVersionOut:
    """Answer the champion; 404 where there is none."""
    return ModelVersionOut.of(desk.models.read.champion(name))


@router.get(
    "/models/{name}/versions",
    operation_id="listModelVersions",
    summary="List versions of a model",
    responses=refusals(404),
)
def list_model_versions(
    name: Name, query: Annotated[Page, Query()], _: Reader, desk: DeskDep
) -> ModelVersionsOut:
    """Answer one page, the newest first."""
    below = query.after(int)
    found = desk.models.read.versions(name, below[0] if below else None, query.limit + 1)
    items = [ModelVersionOut.of(one) for one in found[: query.limit]]
    more = len(found) > len(items)
    cursor = encode_cursor([items[-1].version]) if more else None
    return ModelVersionsOut(items=items, next_cursor=cursor)


@router.get(
    "/models/{name}/versions/{version}",
    operation_id="getModelVersion",
    summary="See a version with its manifest",
    responses=refusals(404),
)
def get_model_version(name: Name, version: Number, _: Reader, desk: DeskDep) -> ModelVersionOut:
    """Answer manifest, state, who registered it and whether it can be loaded."""
    return ModelVersionOut.of(desk.models.read.version(name, version))


@router.get(
    "/models/{name}/versions/{version}/files/{file}",
    operation_id="getModelFile",
    summary="Fetch a version's model file or attachment",
    response_class=Response,
    responses=refusals(404) | _BYTES,
)
def get_model_file(name: Name, version: Number, file: File, _: Reader, desk: DeskDep) -> Response:
    """Answer the bytes, which are those that the manifest's sha256 says."""
    data = desk.models.read.file(name, version, file)
    headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type="application/octet-stream", headers=headers)
