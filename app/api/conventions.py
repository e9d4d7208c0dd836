"""What all routes share, set up in one place, and how OpenAPI tells of it."""

from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel

from app.api import problems, strict
from app.api.middleware import RequestMiddleware
from app.api.problems import MEDIA_TYPE, Problem

_EVERYWHERE: Final = (400, 401, 403, 413, 422, 429, 503)
_HEADERS: Final = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
_SCHEMAS: Final = "#/components/schemas/"


def install(app: FastAPI) -> None:
    """Make every route of `app` strict and every refusal a problem; call before adding routes.

    Routers of their own need `APIRouter(route_class=StrictRoute)`.
    """
    app.router.route_class = strict.StrictRoute
    problems.install_handlers(app)
    app.add_middleware(RequestMiddleware)
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _lift_definitions(generate())
        return app.openapi_schema

    # FastAPI documents replacing the method as the way to extend the schema.
    app.openapi = openapi  # type: ignore[method-assign]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare the problems of a route for `responses=`: those of every route and `statuses`."""
    return {status: _declare(status) for status in sorted({*_EVERYWHERE, *statuses})}


def _declare(status: int) -> dict[str, Any]:
    declared: dict[str, Any] = {
        "description": "Refused",
        "content": {MEDIA_TYPE: {"schema": _PROBLEM}},
    }
    if status in _HEADERS:
        declared["headers"] = {_HEADERS[status]: {"schema": {"type": "string"}}}
    return declared


_REF: Final = _SCHEMAS + "{model}"
_PROBLEM: Final = Problem.model_json_schema(ref_template=_REF)
"""Made once, not for each of a thousand refusals; nothing below writes into it."""


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """Declare the body of a handler that reads it raw, for `openapi_extra=`."""
    schema = model.model_json_schema(ref_template=_REF)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _lift_definitions(document: dict[str, Any]) -> dict[str, Any]:
    """Move inline models (they carry a title) of `body_of` and `refusals` to the components."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for path in document.get("paths", {}).values():
        for operation in path.values():
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                for content in part.get("content", {}).values():
                    content["schema"] = _lift(content.get("schema", {}), schemas)
    return document


def _lift(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    if "properties" not in schema:
        return schema
    whole = dict(schema)
    for name, definition in whole.pop("$defs", {}).items():
        schemas.setdefault(name, definition)
    schemas.setdefault(whole["title"], whole)
    return {"$ref": _SCHEMAS + whole["title"]}
