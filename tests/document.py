"""The OpenAPI document of the service, for tests that read it while they are collected."""

from functools import cache
from pathlib import Path
from typing import Any

import orjson

from app.main import create_app
from app.settings import Settings


@cache
def _written() -> bytes:
    # It takes a second; a copy, because readers change what they are given.
    nowhere = "postgresql://nobody@127.0.0.1/nowhere"
    return orjson.dumps(create_app(Settings(state_dir=Path("nowhere")), nowhere).openapi())


def document_of_the_service() -> dict[str, Any]:
    """Write the document of the application as it is; nothing is connected to."""
    told: dict[str, Any] = orjson.loads(_written())
    return told
