"""`openapi.yaml` is what the code gives, and every operation is told as the house wants it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from app.cli.openapi import document, to_yaml
from app.domain.callers import SCOPES
from tests.document import FILE, document_in_the_file, document_of_the_service

OPEN = {"/livez", "/readyz"}
"""Paths that need no token."""


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, verbs in document_of_the_service()["paths"].items():
        yield from ((path, operation) for operation in verbs.values())


def test_the_committed_file_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == document(), "run `make openapi`"


def test_the_yaml_says_what_the_code_says() -> None:
    assert document_in_the_file() == document_of_the_service()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"a": [], "b": {}, "c": None}, id="empty"),
        pytest.param({"a": ["yes", "No", "null", "1", "1.0", "~", ""]}, id="words-yaml-reads"),
        pytest.param({"a": [1, 1.5, True, None, "true"]}, id="scalars"),
        pytest.param({"200": {"- x": ": y", "#": "a # b", "a: b": "x:"}}, id="signs"),
        pytest.param([[1, [2, {"a": [3]}]], {"b": {"c": [{}]}}], id="nested"),
        pytest.param({"zh": "信用额度", "s": 'a "b"\n\tc\\d\x7f'}, id="text"),
        pytest.param({"d": "2026-12-31", "t": "12:30:00", "o": "0x10", "k": "a  b "}, id="kinds"),
    ],
)
def test_what_is_written_is_read_back(value: object) -> None:
    assert yaml.safe_load(to_yaml(value)) == value


def test_operation_ids_are_short_verbs_and_unique() -> None:
    ids = [operation["operationId"] for _, operation in operations()]
    assert [one for one in ids if not re.fullmatch(r"[a-z]+([A-Z][a-z]*){0,4}", one)] == []
    assert len(ids) == len(set(ids))


def test_every_operation_needs_a_scope_that_exists() -> None:
    open_to_all = {path for path, operation in operations() if "security" not in operation}
    assert open_to_all == OPEN
    scopes = {
        scope
        for _, operation in operations()
        for way in operation.get("security", ())
        for scope in way["token"]
    }
    assert scopes <= SCOPES


def test_every_model_has_an_example() -> None:
    """Directly, or in each of its fields' own models; enums need none."""
    without = [
        name
        for name, schema in document_of_the_service()["components"]["schemas"].items()
        if schema.get("type") == "object" and "examples" not in schema and "example" not in schema
    ]
    used = {
        schema["$ref"].rpartition("/")[2]
        for _, operation in operations()
        for part in (operation.get("requestBody", {}), *operation["responses"].values())
        for content in part.get("content", {}).values()
        if "$ref" in (schema := content["schema"])
    }
    assert sorted(used & set(without)) == []


def test_tags_are_those_that_are_described() -> None:
    described = {tag["name"] for tag in document_of_the_service()["tags"]}
    assert {tag for _, operation in operations() for tag in operation["tags"]} <= described
