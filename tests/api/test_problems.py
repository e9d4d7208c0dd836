"""Problems: one status a leaf, the same body everywhere, and OpenAPI that says so."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from fastapi.exceptions import RequestValidationError

from app.api.problems import ECHO, RETRY_AFTER_S, STATUS, cut, field_path, render
from app.domain.errors import (
    BusyError,
    CreditError,
    FieldError,
    NotFoundError,
    TooManyRequestsError,
    UnauthenticatedError,
)
from app.texts import TEXTS
from tests.api.probe import GOOD, ask, make_app

APP = make_app()
MEMBERS = {"type", "title", "status", "detail", "code", "errors", "request_id"}


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """Keep tracebacks that are meant out of the report."""
    with structlog.testing.capture_logs():
        yield


def leaves(kind: type[CreditError] = CreditError) -> Iterator[type[CreditError]]:
    """All refusals of this program with a code of their own (tests define some more).

    A kind without one, such as a lost connection, is told apart inside and answered as its parent.
    """
    for child in kind.__subclasses__():
        if child.__module__.startswith("app."):
            if "code" in vars(child):
                yield child
            yield from leaves(child)


def test_table_and_leaves_are_equal() -> None:
    assert set(STATUS) == set(leaves())


def test_codes_are_stable_and_have_titles() -> None:
    codes = [leaf.code for leaf in leaves()]
    assert len(codes) == len(set(codes))
    for leaf in leaves():
        assert TEXTS[leaf.code].en == leaf.title
        assert leaf.code == leaf.code.lower()


def test_statuses_are_those_of_the_contract() -> None:
    assert set(STATUS.values()) == {400, 401, 403, 404, 409, 412, 413, 422, 429, 503}


@pytest.mark.parametrize("leaf", list(leaves()), ids=lambda leaf: leaf.code)
def test_every_leaf_is_answered(leaf: type[CreditError]) -> None:
    told = ask(make_app(leaf("one clear sentence", "order.id")), "GET", "/v1/refusal")
    problem = told.json()
    assert told.status_code == problem["status"] == STATUS[leaf]
    assert told.headers["content-type"] == "application/problem+json"
    assert set(problem) == MEMBERS
    assert problem["type"] == f"urn:aval:problem:{leaf.code}"
    assert problem["code"] == leaf.code
    assert problem["detail"] == "order.id: one clear sentence"
    assert problem["errors"] == [{"field": "order.id", "message": "one clear sentence"}]
    assert problem["request_id"] == told.headers["x-request-id"]


@pytest.mark.parametrize(
    ("refusal", "header", "value"),
    [
        (UnauthenticatedError("no token"), "www-authenticate", "Bearer"),
        (BusyError("queue full"), "retry-after", str(RETRY_AFTER_S)),
        (TooManyRequestsError("slow down"), "retry-after", str(RETRY_AFTER_S)),
    ],
)
def test_headers_that_belong_to_a_status(refusal: CreditError, header: str, value: str) -> None:
    told = ask(make_app(refusal), "GET", "/v1/refusal")
    assert told.headers[header] == value


def test_child_of_a_leaf_has_its_status() -> None:
    class OtherError(NotFoundError):
        """A leaf's child, as an adapter may define one."""

    assert render(OtherError("gone"), "r")["status"] == 404


def test_unknown_path_and_method() -> None:
    missing = ask(APP, "GET", "/v1/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = ask(APP, "DELETE", "/v1/things/a")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, PUT", "every method of the path, not the first route's"


def test_bug_answers_an_id_and_logs_once() -> None:
    with structlog.testing.capture_logs() as lines:
        told = ask(APP, "GET", "/v1/bug")
    assert told.status_code == 500
    assert "secret" not in told.text
    assert told.json()["code"] == "internal_error"
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert str(line["exc_info"]) == "secret of the house"
    assert told.json()["request_id"] == told.headers["x-request-id"]
    assert [line["status"] for line in lines if line["event"] == "request"] == [500]


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "字段无效"),
        ("en", "A field is not valid"),
        ("", "A field is not valid"),
    ],
)
def test_title_follows_the_language(language: str, title: str) -> None:
    told = ask(APP, "POST", "/declared", {}, headers={"accept-language": language})
    assert told.json()["title"] == title


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("x" * ECHO, "x" * ECHO, id="as-long-as-allowed"),
        pytest.param("x" * (ECHO + 1), "x" * (ECHO - 1) + "…", id="one-more"),
        pytest.param("a\ud800b", "a?b", id="half-a-pair"),
        pytest.param("no blank " * 100, ("no blank " * 100)[:499] + "…", id="many-words"),
    ],
)
def test_echo_is_cut(text: str, told: str) -> None:
    assert cut(text) == told


def test_long_values_are_not_sent_back() -> None:
    told = ask(APP, "GET", "/v1/refused-field")
    assert len(told.text) < 600
    key = ask(APP, "POST", "/declared", GOOD | {"k" * 5000: 1})
    assert len(key.text) < 800


@pytest.mark.parametrize(
    ("loc", "path"),
    [
        (("body",), "body"),
        (("body", "order", "version"), "order.version"),
        (("body", "events", 3, "amount"), "events[3].amount"),
        (("query", "limit"), "limit"),
    ],
)
def test_field_path(loc: tuple[str | int, ...], path: str) -> None:
    assert field_path(loc) == path


def test_header_problems_are_400() -> None:
    broken = [{"type": "missing", "loc": ("header", "if-match"), "msg": "Field required"}]
    told = render(RequestValidationError(broken), "r")
    assert (told["status"], told["code"]) == (400, "bad_request")


def test_item_of_a_batch_is_the_same_problem() -> None:
    assert render(FieldError("is too long", "order.id"), "r-1") == {
        "type": "urn:aval:problem:invalid_field",
        "title": "A field is not valid",
        "status": 422,
        "detail": "order.id: is too long",
        "code": "invalid_field",
        "errors": [{"field": "order.id", "message": "is too long"}],
        "request_id": "r-1",
    }


def test_openapi_declares_problems_and_raw_bodies() -> None:
    document = APP.openapi()
    schemas = document["components"]["schemas"]
    assert {"Problem", "FieldProblem", "Ask", "Order"} <= set(schemas)
    assert "HTTPValidationError" not in schemas
    raw, declared = document["paths"]["/raw"]["post"], document["paths"]["/declared"]["post"]
    assert raw["requestBody"] == declared["requestBody"]
    assert raw["responses"] == declared["responses"]
    for status in ("400", "401", "403", "413", "422", "429", "503"):
        (media,) = raw["responses"][status]["content"].items()
        assert media == (
            "application/problem+json",
            {"schema": {"$ref": "#/components/schemas/Problem"}},
        )
    assert "$defs" not in json.dumps(document)
    assert references(document) <= {f"#/components/schemas/{name}" for name in schemas}


def references(part: Any) -> set[str]:  # noqa: ANN401 - a JSON document
    """Collect every `$ref` of a document."""
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references(inner) for inner in part.values()))
    return set().union(*(references(inner) for inner in part)) if isinstance(part, list) else set()
