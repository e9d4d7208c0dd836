"""Reads that are asked all day: the handler takes the raw request and sends bytes.

Solving dependencies and validating an answer that was just made cost more than reading the
account. A `LeanRoute` does neither; what a declared route refuses it refuses in the same words, and
`declare` tells OpenAPI what the handler reads by itself.
"""

from collections.abc import Mapping
from functools import cache, cached_property
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError

from app.api.auth import secured
from app.api.express import ExpressRoute
from app.api.middleware import SLASH
from app.api.wire import Id, QueryModel
from app.domain.errors import FieldError

LONGEST_ID: Final = 64
KNOWN_TAG: Final = "If-None-Match"
_CUSTOMER: Final = "customer_id"
_QUERY: Final = "aval.query"
_REF: Final = "aval.customer"
_ID: Final[TypeAdapter[str]] = TypeAdapter(Id)
_TAG: Final[TypeAdapter[str]] = TypeAdapter(Annotated[str, Field(max_length=1024)])

_Q = TypeVar("_Q", bound=QueryModel)


class LeanRoute(ExpressRoute):
    """A GET of something of a customer, whose handler reads the raw request.

    The path has a `customer_id`; the query may have what `openapi_extra` declares of it.
    """

    @cached_property
    def query(self) -> dict[str, bool]:
        """Declared query parameters; none of them may be given several times."""
        declared = (self.openapi_extra or {}).get("parameters", ())
        return {one["name"]: False for one in declared if one["in"] == "query"}

    def check(self, request: Request) -> None:
        """Read path and query; `read_asked` and `read_tagged` look at them.

        Raises:
            FieldError: An unknown or repeated parameter, or a character that cannot be stored.

        """
        scope = request.scope
        scope[_REF] = _read_customer(scope["path_params"])
        raw = scope["query_string"]
        scope[_QUERY] = _read_query(raw, self.query) if raw else {}


def _read_customer(given: Mapping[str, str]) -> str:
    ref = given[_CUSTOMER]
    if SLASH in ref:
        ref = ref.replace(SLASH, "/")
    if "\0" in ref:
        raise FieldError("holds a character that cannot be stored", _CUSTOMER)
    return ref


def _read_query(raw: bytes, declared: Mapping[str, bool]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        if name not in declared:
            raise FieldError("is not a known query parameter", name)
        if name in found:
            raise FieldError("is given more than once", name)
        if "\0" in value:
            raise FieldError("holds a character that cannot be stored", name)
        found[name] = value
    return found


def read_asked(request: Request, model: type[_Q]) -> tuple[str, _Q]:
    """Read the path's `customer_id` and the query; every rule that is broken is told at once.

    Raises:
        RequestValidationError: No id, or a field of the query breaks a rule.

    """
    given, told = request.scope[_REF], request.scope[_QUERY]
    if not told and _is_plain(given):
        return given, _default(model)
    broken = _broken(_ID, given, ("path", _CUSTOMER))
    query = None
    try:
        query = model.model_validate(told)
    except ValidationError as bad:
        broken += _located(bad, ("query",))
    if broken or query is None:
        raise RequestValidationError(broken)
    return given, query


def read_tagged(request: Request) -> tuple[str, str | None]:
    """Read the path's `customer_id` and `If-None-Match`; there is no query.

    Raises:
        RequestValidationError: No id, or a header of more than 1,024 characters.

    """
    given, tag = request.scope[_REF], request.headers.get(KNOWN_TAG)
    broken = [] if _is_plain(given) else _broken(_ID, given, ("path", _CUSTOMER))
    if tag is not None:
        broken += _broken(_TAG, tag, ("header", KNOWN_TAG))
    if broken:
        raise RequestValidationError(broken)
    return given, tag


def _is_plain(given: str) -> bool:
    """Tell whether it surely is an id; others need a closer look."""
    return 0 < len(given) <= LONGEST_ID and given.isascii() and given.isprintable()


@cache
def _default(model: type[_Q]) -> _Q:
    return model()


def _broken(kind: TypeAdapter[str], value: str, loc: tuple[str, ...]) -> list[dict[str, Any]]:
    try:
        kind.validate_python(value)
    except ValidationError as bad:
        return _located(bad, loc)
    return []


def _located(bad: ValidationError, loc: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{**one, "loc": (*loc, *one["loc"])} for one in bad.errors(include_url=False)]


def declare(scope: str, *models: type[QueryModel], tag: bool = False) -> dict[str, Any]:
    """Declare the token, the customer and the query for `openapi_extra=`."""
    customer = {
        "name": _CUSTOMER,
        "in": "path",
        "required": True,
        "description": "The customer's id, or an alias of it",
        "schema": _ID.json_schema(),
    }
    parameters = [customer, *(one for model in models for one in _fields(model))]
    if tag:
        schema = {"type": "string", "maxLength": 1024}
        parameters.append({"name": KNOWN_TAG, "in": "header", "required": False, "schema": schema})
    whole = secured(scope)
    return {**whole, "parameters": parameters + whole["parameters"]}


def _fields(model: type[QueryModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    needed = schema.get("required", ())
    found = []
    for name, field in schema["properties"].items():
        described = {"description": field["description"]} if "description" in field else {}
        declared = {"name": name, "in": "query", "required": name in needed}
        found.append({**declared, **described, "schema": field})
    return found
