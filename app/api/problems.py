"""Refusals as RFC 9457 problems: one table from error to status, the same body everywhere.

`render` makes the body for a whole answer and for one item of a batch alike. What the caller sent
is echoed at most 80 characters at a time; a bug answers nothing but an id.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware

from app.api.allowed import allowed
from app.api.middleware import trace_of
from app.api.wire import PRINTABLE
from app.domain import errors, errors_models, errors_rules
from app.domain.errors import CreditError
from app.texts import TEXTS

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1
"""Seconds to wait after 429 and 503: a lock or a full queue is a matter of milliseconds."""

ECHO: Final = 80
"""Most characters of a caller's value in a sentence."""

STATUS: Final[dict[type[CreditError], int]] = {
    errors.FieldError: 422,
    errors.CustomerUnknownError: 404,
    errors.SegmentUnknownError: 404,
    errors.NotFoundError: 404,
    errors.NotScoredError: 404,
    errors.CurrencyFixedError: 409,
    errors.VersionStaleError: 412,
    errors.OrderVersionStaleError: 409,
    errors.OrderClosedError: 409,
    errors.HoldNotOpenError: 409,
    errors.EventNotWaitingError: 409,
    errors.LimitStateError: 409,
    errors_models.OverrideStateError: 409,
    errors_rules.RuleSetStateError: 409,
    errors_rules.RuleSetRefusedError: 422,
    errors.MergeConflictError: 409,
    errors.AliasTakenError: 409,
    errors.KeyRequiredError: 400,
    errors.KeyReusedError: 422,
    errors.BadRequestError: 400,
    errors.TooLargeError: 413,
    errors.UnauthenticatedError: 401,
    errors.ForbiddenError: 403,
    errors.BusyError: 503,
    errors.SchemaOldError: 503,
    errors.FileRefusedError: 422,
    errors.TooManyRequestsError: 429,
    errors.RateMissingError: 409,
    errors.RateImplausibleError: 409,
    errors.FourEyesError: 403,
    errors.AboveAuthorityError: 403,
    errors.ProposalStateError: 409,
    errors.AuthorityInUseError: 409,
    errors.AccountStoppedError: 409,
    errors.SnapshotConflictError: 409,
    errors.DriftStateError: 409,
    errors.AdjustmentStateError: 409,
    errors_models.ModelRefusedError: 422,
    errors_models.ModelStateError: 409,
    errors_models.TrainingRefusedError: 422,
}
"""The status of every leaf of `CreditError`; a test holds table and leaves equal."""

_OF_FRAMEWORK: Final = {
    400: errors.BadRequestError.code,
    401: errors.UnauthenticatedError.code,
    403: errors.ForbiddenError.code,
    404: errors.NotFoundError.code,
    405: "method_not_allowed",
    413: errors.TooLargeError.code,
    429: errors.TooManyRequestsError.code,
    503: errors.BusyError.code,
}
_BUG: Final = "internal_error"
_MOST_FIELDS: Final = 50
_LONGEST_DETAIL: Final = 500
_LONG_RUN: Final = re.compile(rf"\S{{{ECHO + 1},}}")
_SHOULD: Final = re.compile(r"^\w+ should")
_RULES: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "model_attributes_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "bool_type": "must be true or false",
    "list_type": "must be an array",
}

_log = structlog.get_logger(__name__)


class FieldProblem(BaseModel):
    """One rule broken: `field` is a path such as `order.version` or `events[3].amount`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"field": "order.version", "message": "is required"}]}
    )

    field: str
    message: str


class Problem(BaseModel):
    """A refusal (RFC 9457); `code` is stable, `title` is in English, or in Chinese where asked."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:aval:problem:invalid_field",
                    "title": "A field is not valid",
                    "status": 422,
                    "detail": "order.version: is required",
                    "code": "invalid_field",
                    "errors": [{"field": "order.version", "message": "is required"}],
                    "request_id": "3f9c2b7d10ab44e1-2a",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem]
    request_id: str


def render(
    refusal: CreditError | RequestValidationError, request_id: str, *, zh: bool = False
) -> dict[str, Any]:
    """Write a refusal as a problem's body; `status` is in it, and counts for one item of a batch.

    Raises:
        KeyError: The error has no row in `STATUS`: a bug.

    """
    if isinstance(refusal, RequestValidationError):
        return _render_fields(refusal.errors(), request_id, zh=zh)
    leaf = next((kind for kind in type(refusal).__mro__ if kind in STATUS), type(refusal))
    broken = [(refusal.field, refusal.detail)] if refusal.field else []
    if isinstance(refusal, errors_rules.RuleSetRefusedError):
        broken += refusal.faults
    return _body(refusal.code, STATUS[leaf], broken or refusal.detail, request_id, zh=zh)


def _render_fields(
    broken: Sequence[Mapping[str, Any]], request_id: str, *, zh: bool
) -> dict[str, Any]:
    fields = [(field_path(one["loc"]), _rule(one)) for one in broken]
    if any(one["loc"][0] in {"header", "cookie"} for one in broken):
        code = errors.BadRequestError.code
        return _body(code, STATUS[errors.BadRequestError], fields, request_id, zh=zh)
    return _body(errors.FieldError.code, STATUS[errors.FieldError], fields, request_id, zh=zh)


def _body(
    code: str, status: int, told: str | list[tuple[str, str]], request_id: str, *, zh: bool
) -> dict[str, Any]:
    fields = [] if isinstance(told, str) else told
    more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
    detail = told if isinstance(told, str) else f"{fields[0][0]}: {fields[0][1]}{more}"
    return {
        "type": f"urn:aval:problem:{code}",
        "title": TEXTS[code].zh if zh else TEXTS[code].en,
        "status": status,
        "detail": cut(detail),
        "code": code,
        "errors": [
            {"field": cut(field), "message": cut(message)}
            for field, message in fields[:_MOST_FIELDS]
        ],
        "request_id": request_id,
    }


def cut(text: str) -> str:
    """Shorten what may echo a caller's value, and make it UTF-8: no surrogates, no endless run."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    short = _LONG_RUN.sub(lambda run: run[0][: ECHO - 1] + "…", clean)
    return short if len(short) <= _LONGEST_DETAIL else short[: _LONGEST_DETAIL - 1] + "…"


def field_path(loc: Sequence[str | int]) -> str:
    """Write pydantic's location as people do: `("body", "events", 3, "id")` is `events[3].id`."""
    path = ""
    for part in loc[1:] or loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _rule(broken: Mapping[str, Any]) -> str:
    if broken.get("ctx", {}).get("pattern") == PRINTABLE:
        return "must be printable characters"
    known = _RULES.get(broken["type"])
    if known:
        return known
    text: str = broken["msg"]
    return _SHOULD.sub("must", text.removeprefix("Value error, "))


def _reply(
    request: Request, body: dict[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    status = body["status"]
    extra = dict(headers or {})
    if status == STATUS[errors.UnauthenticatedError]:
        extra.setdefault("WWW-Authenticate", "Bearer")
    if status in {STATUS[errors.BusyError], STATUS[errors.TooManyRequestsError]}:
        extra.setdefault("Retry-After", str(RETRY_AFTER_S))
    if wants_zh(request):
        extra["Content-Language"] = "zh"
    return Response(orjson.dumps(body), status, extra, MEDIA_TYPE)


def wants_zh(request: Request) -> bool:
    """Tell whether `Accept-Language` names Chinese first; weights are not compared."""
    return request.headers.get("accept-language", "").lstrip().lower().startswith("zh")


def reply(request: Request, refusal: CreditError | RequestValidationError) -> Response:
    """Answer a refusal: for handlers that read the raw body, the same answer as everywhere."""
    body = render(refusal, trace_of(request.scope).request_id, zh=wants_zh(request))
    return _reply(request, body)


async def _on_refusal(request: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, CreditError | RequestValidationError):
        raise TypeError(type(refusal))
    return reply(request, refusal)


async def _on_framework(request: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, HTTPException):
        raise TypeError(type(refusal))
    headers = dict(refusal.headers or {})
    code = _OF_FRAMEWORK.get(refusal.status_code, _BUG)
    if code == "method_not_allowed":
        headers["Allow"] = ", ".join(allowed(request))
    request_id = trace_of(request.scope).request_id
    zh = wants_zh(request)
    body = _body(code, refusal.status_code, str(refusal.detail), request_id, zh=zh)
    return _reply(request, body, headers)


async def on_bug(request: Request, bug: Exception) -> Response:
    """Answer an id alone; the log line under that id has the traceback."""
    request_id = trace_of(request.scope).request_id
    return _reply(request, render_bug(bug, request_id, zh=wants_zh(request)))


def render_bug(bug: BaseException, request_id: str, *, zh: bool = False) -> dict[str, Any]:
    """Log a bug with its traceback, and write the problem that tells of it no more than its id."""
    _log.error("bug", exc_info=bug)
    detail = "The error has been logged under this request_id"
    return _body(_BUG, 500, detail, request_id, zh=zh)


def install_handlers(app: FastAPI) -> None:
    """Turn every exception of `app` into a problem; call before other middleware is added.

    Bugs are caught by a second `ExceptionMiddleware`: FastAPI hands a handler for `Exception` to
    its outermost layer, which answers outside all other middleware and raises the bug again, so
    that the server logs it once more. That layer is left with what middleware itself may raise.
    """
    app.add_exception_handler(CreditError, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_refusal)
    app.add_exception_handler(HTTPException, _on_framework)
    app.add_exception_handler(Exception, on_bug)
    app.add_middleware(ExceptionMiddleware, handlers={Exception: on_bug})
