"""Strict requests: every loose end of JSON and HTTP, on a declared route and on a raw one alike."""

import gzip
import json
from contextlib import suppress
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from app.api.parse import DEPTH, MARKS, parse_strict
from app.api.strict import BODY_BYTES, LONG_BODY_BYTES, StrictRoute
from app.domain.errors import BadRequestError, FieldError
from tests.api.probe import GOOD, ask, make_app

APP = make_app()
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
BOTH = pytest.mark.parametrize("url", ["/declared", "/raw"])


def good(**changes: object) -> bytes:
    return json.dumps(GOOD | changes).encode()


def nested(depth: int) -> bytes:
    return b'{"parts":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@BOTH
@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        pytest.param(b"", 400, "a JSON body is needed", id="empty"),
        pytest.param(b" ", 400, "the body is not JSON", id="blank"),
        pytest.param(b"{", 400, "the body is not JSON", id="cut-off"),
        pytest.param(b'{"a":1}x', 400, "the body is not JSON: Extra data", id="something-after"),
        pytest.param(b"{'a':1}", 400, "the body is not JSON", id="python"),
        pytest.param(b'{"a":1,}', 400, "the body is not JSON", id="trailing-comma"),
        pytest.param(b'{"a":"\x01"}', 400, "the body is not JSON: Invalid control", id="control"),
        pytest.param(b"\xef\xbb\xbf{}", 400, "the body begins with a byte", id="byte-order-mark"),
        pytest.param(gzip.compress(b"{}"), 400, "the body is compressed (gzip)", id="gzip"),
        pytest.param(b'{"a":"\xff"}', 400, "the body is not UTF-8 (byte 6)", id="not-utf-8"),
        pytest.param("{}".encode("utf-16"), 400, "the body is not UTF-8", id="utf-16"),
        pytest.param(b'{"a":1,"a":1}', 400, "the key 'a' occurs twice", id="duplicate-key"),
        pytest.param(
            b'{"a":1,"\\u0061":1}', 400, "the key 'a' occurs twice", id="duplicate-when-unescaped"
        ),
        pytest.param(
            b'{"order":{"id":"a","id":"b"}}', 400, "the key 'id' occurs", id="duplicate-inside"
        ),
        pytest.param(b'{"a":NaN}', 400, "NaN is not JSON", id="nan"),
        pytest.param(b'{"a":-Infinity}', 400, "-Infinity is not JSON", id="infinity"),
        pytest.param(b'{"a":1e400}', 400, "a number is larger", id="overflow"),
        pytest.param(b'{"a":' + b"1" * 5000 + b"}", 400, "a number is longer", id="5000-digits"),
        pytest.param(nested(DEPTH), 422, "order: is required", id="as-deep-as-allowed"),
        pytest.param(nested(DEPTH + 1), 400, "the body is nested deeper", id="one-too-deep"),
        pytest.param(b"[" * 100_000, 400, "the body is nested deeper", id="100000-deep"),
        pytest.param(b"[]", 422, "body: must be a JSON object", id="array"),
        pytest.param(b"null", 422, "body: must be a JSON object", id="null"),
        pytest.param(b'"x"', 422, "body: must be a JSON object", id="text"),
        pytest.param(b"{}", 422, "order: is required (and 1 more)", id="empty-object"),
        pytest.param(good(x=1), 422, "x: is not a known field", id="unknown-field"),
        pytest.param(good(order={"id": "a", "x": 1}), 422, "order.x: is not a", id="unknown-in"),
        pytest.param(good(order={"id": 1}), 422, "order.id: must be a string", id="number-for-id"),
        pytest.param(good(order={"id": ""}), 422, "order.id: must have at least", id="id-empty"),
        pytest.param(good(order={"id": "i" * 65}), 422, "order.id: must have at", id="id-of-65"),
        pytest.param(good(order={"id": "a\n"}), 422, "order.id: must be print", id="id-newline"),
        pytest.param(good(order={"id": "a\u202e"}), 422, "order.id: must be print", id="id-bidi"),
        pytest.param(b'{"a":"\\u0000"}', 422, "a: holds a character", id="nul"),
        pytest.param(b'{"a":["\\ud83d"]}', 422, "a[0]: holds a character", id="half-a-pair"),
        pytest.param(b'{"a\\uDE00":1}', 422, "body: holds a character", id="half-a-pair-in-key"),
        pytest.param(
            good(order={"id": "a", "version": "3"}), 422, "order.version: must be an", id="text-3"
        ),
        pytest.param(
            good(order={"id": "a", "version": True}), 422, "order.version: must be an", id="true"
        ),
        pytest.param(
            good(order={"id": "a", "version": 3.5}), 422, "order.version: must be a", id="3.5"
        ),
        pytest.param(
            good(order={"id": "a", "version": 2**53}), 422, "order.version: must be le", id="2-53"
        ),
        pytest.param(
            good(order={"id": "a", "version": -1}), 422, "order.version: must be gr", id="minus-1"
        ),
        pytest.param(good(final="true"), 422, "final: must be true or false", id="text-true"),
        pytest.param(good(final=1), 422, "final: must be true or false", id="one-for-true"),
        pytest.param(good(parts={}), 422, "parts: must be an array", id="object-for-array"),
        pytest.param(
            good(parts=[{"id": "a"}, {}]), 422, "parts[1].id: is required", id="path-with-index"
        ),
    ],
)
def test_refusal(url: str, body: bytes, status: int, detail: str) -> None:
    told = ask(APP, "POST", url, body)
    problem = told.json()
    assert (told.status_code, problem["status"]) == (status, status), problem
    assert problem["detail"].startswith(detail)
    assert problem["code"] == {400: "bad_request", 422: "invalid_field"}[status]
    if status == 422:
        assert problem["errors"][0]["field"] == detail.partition(":")[0]


@BOTH
@pytest.mark.parametrize(
    ("version", "read"),
    [("324", 324), ("324.0", 324), ("3.24e2", 324), ("0", 0), (str(2**53 - 1), 2**53 - 1)],
)
def test_integral_numbers_are_integers(url: str, version: str, read: int) -> None:
    body = good().replace(b'"version": 3', b'"version": ' + version.encode())
    told = ask(APP, "POST", url, body)
    assert (told.status_code, told.json()["version"]) == (200, read)


@BOTH
@pytest.mark.parametrize(
    "version",
    [
        "9007199254740990.9",
        "1.00000000000000000001",
        "1e-400",
        "1e-99999999999999999999",
        "-0.1e-999",
    ],
)
def test_what_only_rounding_makes_an_integer_is_refused(url: str, version: str) -> None:
    body = good().replace(b'"version": 3', b'"version": ' + version.encode())
    told = ask(APP, "POST", url, body)
    assert (told.status_code, told.json()["code"]) == (400, "bad_request")
    assert version in told.json()["detail"]


@BOTH
@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=UTF-8", 200),
        ('application/json;charset="utf-8"', 200),
        ("application/json; charset=gbk", 400),
        ("application/vnd.aval+json", 400),
        ("text/plain", 400),
        ("", 400),
    ],
)
def test_content_type(url: str, header: str, status: int) -> None:
    told = ask(APP, "POST", url, good(), headers={"content-type": header})
    assert told.status_code == status


@BOTH
@pytest.mark.parametrize("second", ["application/json", "text/plain"])
def test_a_second_content_type(url: str, second: str) -> None:
    """One reader takes the first, another the last."""
    told = ask(APP, "POST", url, good(), headers={"Content-Type": second})
    assert told.status_code == 400, told.text
    assert told.json()["detail"] == "Content-Type must be application/json, once"


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'{"a":1,"a":1}'])
def test_who_may_not_ask_hears_401_whatever_the_body(body: bytes) -> None:
    told = ask(APP, "POST", "/declared", body, headers={"authorization": "Bearer bad"})
    assert (told.status_code, told.headers["www-authenticate"]) == (401, "Bearer")


@BOTH
@pytest.mark.parametrize(("size", "status"), [(BODY_BYTES, 200), (BODY_BYTES + 1, 413)])
def test_body_of_the_limit_and_one_byte_more(url: str, size: int, status: int) -> None:
    assert ask(APP, "POST", url, good().ljust(size)).status_code == status


@pytest.mark.parametrize(("size", "status"), [(64, 200), (65, 413)])
def test_limit_of_a_route(size: int, status: int) -> None:
    told = ask(APP, "PUT", "/v1/things/a", b'{"id":"a"}'.ljust(size))
    assert told.status_code == status
    assert (told.json().get("code") == "too_large") == (status == 413)


def test_long_bodies_are_8_mib() -> None:
    assert LONG_BODY_BYTES == 8 * 1024 * 1024


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("", 200, None),
        ("?limit=500", 200, None),
        ("?limit=501", 422, "limit"),
        ("?limit=0", 422, "limit"),
        ("?limit=05", 200, None),
        ("?limit=5.0", 422, "limit"),
        ("?limit=%205", 422, "limit"),
        ("?limit=", 422, "limit"),
        ("?limit=1&limit=2", 422, "limit"),
        ("?status=A&status=B", 200, None),
        ("?Limit=5", 422, "Limit"),
        ("?nope=1", 422, "nope"),
        ("?q=%00", 422, "q"),
        ("?q=%E9%A2%9D", 200, None),
        ("?cursor=!!", 422, "cursor"),
    ],
)
def test_query(query: str, status: int, field: str | None) -> None:
    told = ask(APP, "GET", f"/v1/things{query}")
    assert told.status_code == status
    assert field is None or told.json()["errors"][0]["field"] == field


def test_query_is_refused_where_none_is_declared() -> None:
    assert ask(APP, "GET", "/v1/things/a?x=1").json()["detail"].startswith("x: is not a known")
    assert ask(APP, "POST", "/declared?x=1", good()).status_code == 422


@pytest.mark.parametrize(
    ("path", "status", "read"),
    [
        ("C-1", 200, "C-1"),
        ("%E5%AE%A2%20%26%3F%23", 200, "客 &?#"),
        ("a%2Fb", 200, "a/b"),
        ("a%2fb%252F", 200, "a/b%2F"),
        ("x" * 64, 200, "x" * 64),
        ("x" * 65, 422, None),
        ("%E5%AE%A2" * 64, 200, "客" * 64),
        ("a%00b", 422, None),
        ("a%0Ab", 422, None),
        ("a%FFb", 422, None),
        ("a/b", 404, None),
    ],
)
def test_path_ids(path: str, status: int, read: str | None) -> None:
    told = ask(APP, "GET", f"/v1/things/{path}")
    assert told.status_code == status
    assert read is None or told.json()["id"] == read


def test_body_that_could_not_be_strict_is_refused_when_declared() -> None:
    class Loose(BaseModel):
        a: int = 1

    router = APIRouter(route_class=StrictRoute)
    with pytest.raises(TypeError, match="one required WireModel"):

        @router.post("/loose")
        def loose(body: Loose) -> None: ...

    with pytest.raises(TypeError, match="one required WireModel"):

        @router.post("/any")
        def free(body: dict[str, Any]) -> None: ...


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS,
        lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
        max_leaves=20,
    )
)
def test_strict_json_is_read_as_the_standard_library_reads_it(value: object) -> None:
    assert parse_strict(json.dumps(value).encode()) == value
    assert parse_strict(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,0123456789.eE-\\u d"ntf').map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with suppress(BadRequestError, FieldError):
        parse_strict(raw)


@pytest.mark.parametrize("part", [b"[]", b"{}", b'"ab"', b'{"a":[]}'])
def test_what_a_body_may_hold_is_bounded_before_it_is_read(part: bytes) -> None:
    """Three bytes become seventy in memory; what is refused need not be JSON to its end."""
    each = 1 + part.count(b"[") + part.count(b"{")
    most = MARKS // each  # one comma less than there are parts, and the outermost bracket
    read = parse_strict(b"[" + b",".join([part] * most) + b"]")
    assert isinstance(read, list)
    assert len(read) == most
    for rest in (b"]", b"!"):
        with pytest.raises(BadRequestError, match="more than 850,000 commas and opening brackets"):
            parse_strict(b"[" + b",".join([part] * (most + 1)) + rest)


def test_the_densest_body_that_may_be_sent_is_read() -> None:
    """Invoices of 1,000 lines that name nothing, as many as 8 MiB hold."""
    line = b'{"amount":{"amount":"1","currency":"CNY"}}'
    lines = b"[" + b",".join([line] * 1000) + b"]"
    count = LONG_BODY_BYTES // (len(lines) + 1)
    read = parse_strict(b"[" + b",".join([lines] * count) + b"]")
    assert isinstance(read, list)
    assert len(read) == count


@pytest.mark.parametrize("last", [b'"k0"', b'"k99999"'], ids=["the-first", "the-last"])
def test_a_key_that_comes_twice_is_found_among_many(last: bytes) -> None:
    """In one walk: to look for each among all would take minutes."""
    keys = b",".join(b'"k%d":0' % number for number in range(100_000))
    with pytest.raises(BadRequestError, match=f"the key '{last.decode()[1:-1]}' occurs twice"):
        parse_strict(b"{" + keys + b"," + last + b":0}")


def test_where_a_character_cannot_be_stored_is_told_and_no_path_else_is_made() -> None:
    """A key of half a megabyte above as many values: a path for each would be terabytes."""
    long = b'{"' + b"k" * 500_000 + b'":[' + b"0," * 200_000 + b'0],"x":{"y":[1,"\\ud83d'
    with pytest.raises(FieldError) as told:
        parse_strict(long + b'"]}}')
    assert told.value.field == "x.y[1]"
    assert isinstance(parse_strict(long + b'\\ude00"]}}'), dict)


def test_without_strictness_the_framework_would_take_it() -> None:
    """The control: what the guards refuse passes a plain FastAPI route."""
    app = FastAPI()

    @app.post("/plain")
    def plain(body: dict[str, Any]) -> dict[str, Any]:
        return body

    assert ask(app, "POST", "/plain?x=1", b'{"a":1,"a":2}').json() == {"a": 2}
