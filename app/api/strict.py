"""Strict requests: what JSON and HTTP leave open is refused before anything is done.

Duplicate keys, NaN, wrong or unknown fields, unknown query parameters, nesting beyond 32, bodies
beyond the route's limit. `StrictRoute` does it for declared bodies; `read` does the same, with the
same problems, for handlers that skip the framework's own reading.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, NoReturn, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.types import Receive, Scope

from app.api.middleware import SLASH, headers_named
from app.api.parse import parse_strict
from app.api.wire import WireModel
from app.domain.errors import BadRequestError, CreditError, FieldError, TooLargeError

MIB: Final = 1024 * 1024
BODY_BYTES: Final = MIB
"""Largest body, inclusive; `max_body_size=` of a route says otherwise."""

LONG_BODY_BYTES: Final = 8 * MIB
"""Largest body of ledger events and of a batch of authorizations, inclusive."""

DISCARD_BYTES: Final = 32 * MIB
DISCARD_S: Final = 5.0
"""How much of a body that is too long, and for how long, is read and thrown away."""

MOST_BROKEN: Final = 1_000
"""Most broken rules of one body that are told one by one, inclusive."""

_JSON_TYPE: Final = re.compile(
    r"application/json\s*(?:;\s*charset\s*=\s*\"?utf-8\"?\s*)?", re.IGNORECASE
)

_M = TypeVar("_M", bound=BaseModel)


def validate(model: type[_M], value: object, *, most: int = MOST_BROKEN) -> _M:
    """Check a parsed body against its model, with the problems of a declared route.

    Raises:
        RequestValidationError: Fields are missing, unknown or break a rule; answered as 422.
        FieldError: More than `most` rules are broken.

    """
    try:
        return model.model_validate(value)
    except ValidationError as bad:
        if bad.error_count() > most:  # each would be written out before most are dropped
            raise FieldError(f"{bad.error_count()} rules are broken", "body") from None
        broken = [{**one, "loc": ("body", *one["loc"])} for one in bad.errors(include_url=False)]
        raise RequestValidationError(broken) from None


async def read(request: Request, model: type[_M]) -> _M:
    """Read, parse and check the body of a handler that declares none; raises as both steps do."""
    return validate(model, await read_raw(request))


async def read_raw(request: Request) -> object:
    """Read and parse a request's body, which is still to be checked.

    Raises:
        BadRequestError: No body, another content type, or not strict JSON (see `parse_strict`).
        TooLargeError: Longer than the route takes.
        FieldError: A string that cannot be stored.

    """
    check_content_type(request)
    raw = await request.body()
    if not raw:
        raise BadRequestError("a JSON body is needed")
    return parse_strict(raw)


def check_content_type(request: Request) -> None:
    """Take `application/json` in UTF-8 and nothing else.

    Raises:
        BadRequestError: Another content type, several, or none.

    """
    given = headers_named(request.scope, "content-type")
    if given == [b"application/json"]:
        return
    if len(given) != 1 or not _JSON_TYPE.fullmatch(given[0].decode("latin-1").strip()):
        raise BadRequestError("Content-Type must be application/json, once")


class StrictRequest(Request):
    """A request that counts its body while reading and reads JSON strictly.

    A body that a declared route cannot read becomes `refusal`, not an exception: FastAPI reads the
    body before it solves dependencies, and who may not ask at all shall hear 401, not 400.
    """

    most_bytes: int = BODY_BYTES
    refusal: CreditError | None = None

    async def body(self) -> bytes:
        """Read the whole body, at most `most_bytes`, whatever Content-Length says.

        Raises:
            TooLargeError: More bytes than the route takes, declared or sent.
            BadRequestError: The client went away before the end.

        """
        if not hasattr(self, "_body"):
            if (told_bytes := declared_bytes(self.scope)) > self.most_bytes:
                await self._refuse_rest(told_bytes)
            self._body = await self._collect()
        return self._body

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body in one piece, so that nothing reads past the limit."""
        yield await self.body()
        yield b""

    async def _collect(self) -> bytes:
        chunks: list[bytes] = []
        left, more = self.most_bytes, True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise BadRequestError("the client went away")
            chunks.append(message.get("body", b""))
            left -= len(chunks[-1])
            more = message.get("more_body", False)
            if left < 0:
                await self._refuse_rest(0, more=more)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _refuse_rest(self, told_bytes: int, *, more: bool = True) -> NoReturn:
        """Throw away what is still coming, within bounds, then refuse.

        A server that closes with bytes unread resets the connection, and the client would see that
        instead of the answer. Who waits for `100 Continue` sends nothing and needs no such care.
        """
        if more and "expect" not in self.headers and told_bytes <= DISCARD_BYTES:
            with suppress(TimeoutError):
                async with asyncio.timeout(DISCARD_S):
                    await self._discard()
        raise TooLargeError(f"the body is longer than {self.most_bytes} bytes")

    async def _discard(self) -> None:
        discarded = 0
        while discarded <= DISCARD_BYTES:
            message = await self.receive()
            if not message.get("more_body", False):
                return
            discarded += len(message.get("body", b""))

    async def json(self) -> object:
        """Read JSON strictly; on refusal return what no model takes (see the class)."""
        value: object = b""
        if self.refusal is None:
            try:
                value = parse_strict(await self.body())
            except (BadRequestError, FieldError) as refusal:
                self.refusal = refusal
        # The framework takes a None for a missing body; any other non-object says what it is.
        return [] if value is None else value


def declared_bytes(scope: Scope) -> int:
    """Give what Content-Length says; 0 where it says nothing."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value[:19]) if value.isdigit() else 0
    return 0


class StrictRoute(APIRoute):
    """A route that refuses unknown and repeated query parameters and reads its body strictly.

    `max_body_size` (bytes, inclusive) is counted here, so that the refusal is a problem.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        max_body_size: int | None = None,
        **rest: Any,  # noqa: ANN401 - the framework's 25 options pass through
    ) -> None:
        """Keep the limit and check that a declared body is a `WireModel`.

        Raises:
            TypeError: A body that is not one required `WireModel`: it could not be strict.

        """
        self.most_bytes = BODY_BYTES if max_body_size is None else max_body_size
        super().__init__(path, endpoint, **rest)
        if self.body_field is not None:
            kind = self.body_field.field_info.annotation
            strict = isinstance(kind, type) and issubclass(kind, WireModel)
            if not (strict and self.body_field.field_info.is_required()):
                raise TypeError(f"{path}: the body must be one required WireModel")

    @cached_property
    def query(self) -> dict[str, bool]:
        """Declared query parameters; true where one may be given several times."""
        return dict(_declared_query(self.dependant))

    def strict(self, scope: Scope, receive: Receive) -> StrictRequest:
        """Make the request that counts its body up to this route's limit."""
        request = StrictRequest(scope, receive)
        request.most_bytes = self.most_bytes
        return request

    def check(self, request: Request) -> None:
        """Refuse what paths and queries leave open.

        Raises:
            FieldError: An unknown or repeated parameter, or a character that cannot be stored.

        """
        _restore_slashes(request)
        if request.scope["query_string"]:
            _check_query(request.scope["query_string"], self.query)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the framework's handler."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            strict = self.strict(request.scope, request.receive)
            self.check(strict)
            if self.body_field is not None:
                await _note_unreadable(strict)
            try:
                return await handle(strict)
            except RequestValidationError:
                if strict.refusal is None:
                    raise
                raise strict.refusal from None

        return handle_strictly


async def _note_unreadable(request: StrictRequest) -> None:
    try:
        check_content_type(request)
    except BadRequestError as refusal:
        request.refusal = refusal
    if not await request.body():
        request.refusal = BadRequestError("a JSON body is needed")


def _declared_query(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, inner in kind.model_fields.items():
                yield inner.alias or name, _is_many(inner.annotation)
        else:
            yield field.alias, _is_many(kind)
    for inner_dependant in dependant.dependencies:
        yield from _declared_query(inner_dependant)


def _is_many(annotation: object) -> bool:
    if get_origin(annotation) in {list, tuple, set, frozenset}:
        return True
    return any(_is_many(part) for part in get_args(annotation))


def _check_query(raw: bytes, declared: dict[str, bool]) -> None:
    seen: set[str] = set()
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        if name not in declared:
            raise FieldError("is not a known query parameter", name)
        if name in seen and not declared[name]:
            raise FieldError("is given more than once", name)
        if "\0" in value:
            raise FieldError("holds a character that cannot be stored", name)
        seen.add(name)


def _restore_slashes(request: Request) -> None:
    for name, value in request.scope["path_params"].items():
        if not isinstance(value, str):
            continue
        if SLASH in value:
            request.scope["path_params"][name] = value.replace(SLASH, "/")
        if "\0" in value:
            raise FieldError("holds a character that cannot be stored", name)
