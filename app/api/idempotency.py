"""The `Idempotency-Key` header, and answers that are sent as they are stored."""

from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from app.api.auth import header_text, text_schema
from app.api.middleware import route_template
from app.domain.errors import BadRequestError, KeyRequiredError
from app.usecases.asks import Answer
from app.usecases.idempotency import fingerprint

KEY: Final = "Idempotency-Key"
LONGEST_KEY: Final = 255
REPLAYED: Final = "Idempotent-Replayed"

_REPLAYED: Final = (REPLAYED.lower().encode(), b"true")
_JSON: Final = (b"content-type", b"application/json")
_KEY_TOLD: Final = "1 to 255 printable characters; the same key never has a second effect"


def read_key(request: Request) -> str:
    """Read the idempotency key.

    Raises:
        KeyRequiredError: There is none.
        BadRequestError: It is not 1 to 255 printable characters, or given twice.

    """
    key = header_text(request, KEY)
    if key is None:
        raise KeyRequiredError(f"the header {KEY} is needed here")
    if not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        raise BadRequestError(f"must be 1 to {LONGEST_KEY} printable characters", KEY)
    return key


def _declared_key(
    request: Request,
    _declared: Annotated[
        str | None,
        Header(alias=KEY, description=_KEY_TOLD, json_schema_extra=text_schema(LONGEST_KEY)),
    ] = None,
) -> str:
    return read_key(request)


KeyDep = Annotated[str, Depends(_declared_key)]
"""A handler's parameter that brings the key; it stands after the caller, so that 401 goes first."""


def keyed() -> dict[str, Any]:
    """Declare the key for `openapi_extra=` of a handler that reads it with `read_key`."""
    schema = {"type": "string", **text_schema(LONGEST_KEY)}
    declared = {"name": KEY, "in": "header", "description": _KEY_TOLD, "schema": schema}
    return {"parameters": [{**declared, "required": True}]}


def require_declared_keys(document: dict[str, Any]) -> None:
    """Mark the key as required in an OpenAPI document; at run time its absence has its own code."""
    for path in document.get("paths", {}).values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == KEY:
                    parameter["required"] = True
                    parameter["schema"] = keyed()["parameters"][0]["schema"]


def fingerprint_of(request: Request, body: BaseModel | None = None) -> bytes:
    """Hash method, route, path parameters and the validated body as it was sent."""
    told = None if body is None else body.model_dump(mode="json", exclude_unset=True)
    return fingerprint(request.method, route_template(request.scope), request.path_params, told)


def answer_of(model: BaseModel, status: int = 200) -> Answer:
    """Render an answer once; these bytes are stored and sent."""
    return Answer(status, model.model_dump_json().encode())


def send(answer: Answer) -> Response:
    """Send stored bytes unchanged, and say if they were given before."""
    return _Stored(answer)


class _Stored(Response):
    """An answer whose headers are known without looking: the framework's own costs a third more."""

    def __init__(self, answer: Answer) -> None:
        self.status_code, self.body, self.background = answer.status, answer.body, None
        length = b"content-length", b"%d" % len(answer.body)
        self.raw_headers = [*([_REPLAYED] if answer.replayed else ()), length, _JSON]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        start = "http.response.start"
        await send({"type": start, "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})
