"""The OpenAPI document of the service: what the code gives, and what the file beside it says."""

from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
import yaml

from app.main import create_app
from app.settings import Settings

FILE: Final = Path(__file__).parents[1] / "openapi.yaml"


def document_in_the_file() -> dict[str, Any]:
    """Read the committed file, for tests that need it while they are collected, in each worker.

    That it is what the code gives is `tests/test_openapi.py`'s to prove, once and in two seconds.
    """
    told: dict[str, Any] = yaml.load(FILE.read_bytes(), yaml.CSafeLoader)
    return told


@cache
def _written() -> bytes:
    # A copy, because readers change what they are given.
    nowhere = "postgresql://nobody@127.0.0.1/nowhere"
    return orjson.dumps(create_app(Settings(state_dir=Path("nowhere")), nowhere).openapi())


def document_of_the_service() -> dict[str, Any]:
    """Write the document of the application as it is; nothing is connected to."""
    told: dict[str, Any] = orjson.loads(_written())
    return told
