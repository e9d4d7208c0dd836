"""Versions as entity tags: `ETag` on answers, `If-Match` on changes."""

import re
from collections.abc import Collection
from typing import Any, Final

from fastapi import Request

from app.api.auth import header_text
from app.domain.errors import BadRequestError

IF_MATCH: Final = "If-Match"
ANY_VERSION: Final = range(1, 2**63)
"""What `*` stands for: any version, as long as there is one."""

_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')  # a comma may stand within the quotes
_LIST: Final = re.compile(rf"\s*{_TAG.pattern}\s*(?:,\s*{_TAG.pattern}\s*)*")
_TAGS: Final = r'^(?:\*|(?:W/)?"[!#-~]*"(?:, ?(?:W/)?"[!#-~]*")*)$'
_VERSION: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def etag(version: int) -> str:
    """Write a version as a strong entity tag."""
    return f'"{version}"'


def expected_versions(request: Request) -> Collection[int] | None:
    """Read `If-Match`: the versions any of which the caller may have read; None: no condition.

    Weak tags and those that are no version match nothing, as RFC 9110 says of comparison.

    Raises:
        BadRequestError: Not a list of entity tags, nor `*`.

    """
    header = header_text(request, IF_MATCH)
    if header is None:
        return None
    if header.strip() == "*":
        return ANY_VERSION
    if not _LIST.fullmatch(header):
        raise BadRequestError('must be entity tags such as "7", or *', IF_MATCH)
    strong = [tag[2] for tag in _TAG.finditer(header) if not tag[1]]
    return {int(value) for value in strong if _VERSION.fullmatch(value)}


def conditional() -> dict[str, Any]:
    """Declare `If-Match` for `openapi_extra=` of a handler that reads it itself."""
    told = "The `ETag` that was read; another version now: `version_stale`"
    schema = {"type": "string", "maxLength": 1024, "pattern": _TAGS}
    declared = {"name": IF_MATCH, "in": "header", "required": False, "schema": schema}
    return {"parameters": [{**declared, "description": told, "example": etag(7)}]}


def tagged() -> dict[str, Any]:
    """Declare the `ETag` of an answer for `responses=`."""
    schema = {"schema": {"type": "string"}}
    return {"headers": {"ETag": {"description": "The version, for `If-Match`", **schema}}}
