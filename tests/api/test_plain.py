"""The short ways of reading a body read what the long ways read, or leave it to them."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.api.authorizations import AskIn, AuthorizeIn
from app.api.parse import parse_closely, parse_plain, parse_strict
from app.api.plain_asks import AUTHORIZATIONS, CHECKS, LONGEST_S
from app.api.strict import validate
from app.domain.errors import CreditError

USUAL: dict[str, Any] = {
    "customer_id": "C-1001",
    "segment": "main",
    "check_point": "ORDER",
    "order": {"id": "SO-778", "version": 3},
    "delivery_id": "DN-12",
    "amount": {"amount": "12500.00", "currency": "CNY"},
    "payment_terms_days": 60,
    "expires_in": 259200,
}

BLANKS = st.sampled_from(["", " ", "\t", "\n", "\r "])
TEXTS = st.sampled_from(
    ['"a"', '"b"', '":"', '"a\\":1"', '"\\u0061"', '"\\u0000"', '"\\ud800"', '"é"', '" :"', '""']
)
SCALARS = st.one_of(
    TEXTS,
    st.sampled_from(
        ["1", "-0", "1.0", "1.5", "1e400", "NaN", "null", "true", "18446744073709551616", "01", "]"]
    ),
)


def written(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Write arrays and objects as text: with equal keys, and with blanks wherever they may be."""
    pairs = st.builds("{}{}:{}{}".format, TEXTS, BLANKS, BLANKS, inner)
    return st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]"),
        st.lists(pairs, max_size=3).map(lambda parts: f"{{{','.join(parts)}}}"),
    )


BODIES = st.recursive(SCALARS, written, max_leaves=8)


def told(parse: Callable[[bytes], object], raw: bytes) -> tuple[str, str]:
    """Give the value with its types, or the refusal."""
    try:
        return "read", repr(parse(raw))
    except CreditError as refusal:
        return refusal.code, str(refusal)


@given(BODIES)
@example('{"a" :1,"a":2,"b":"x\\":y"}')
@example('{"a":1,"a":2,":":3}')
@example("[" * 33 + "]" * 33)
@example("[" * 32 + "]" * 32)
@example("[" * 2000 + "]" * 2000)
def test_what_is_parsed_quickly_is_parsed_alike(text: str) -> None:
    raw = text.encode()
    assert told(parse_strict, raw) == told(parse_closely, raw)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "customer_id": st.sampled_from(["C-1", "客户", "", "a" * 64, "a" * 65, "a\n", 1, None]),
    "segment": st.sampled_from(["main", None, "\x7f"]),
    "check_point": st.sampled_from(["ORDER", "QUOTE", "INVOICE", "order", None, 3, ["ORDER"]]),
    "order": st.sampled_from(
        [
            {"id": "SO-1"},
            {"id": "SO-1", "version": None},
            {"id": "SO-1", "version": 2**53 - 1},
            {"id": "SO-1", "version": 2**53},
            {"id": "SO-1", "version": True},
            {"id": "SO-1", "version": -1},
            {"id": "SO-1", "type": "return"},
            {"id": "SO-1", "attributes": {"salesperson": "E-17"}},
            {"id": "SO-1", "note": "x"},
            {},
            [],
            None,
        ]
    ),
    "delivery_id": st.sampled_from(["DN-1", "", None, 5]),
    "amount": st.sampled_from(
        [
            {"amount": "0.01", "currency": "CNY"},
            {"amount": "0.00", "currency": "CNY"},
            {"amount": "-1.00", "currency": "CNY"},
            {"amount": "1.001", "currency": "CNY"},
            {"amount": "500", "currency": "JPY"},
            {"amount": "1.00", "currency": "XXX"},
            {"amount": "1" * 33, "currency": "CNY"},
            {"amount": "10000000000000.01", "currency": "CNY"},
            {"amount": 1, "currency": "CNY"},
            {"amount": "1.00"},
            {"amount": "1.00", "currency": "CNY", "net": "1.00"},
            "1.00 CNY",
            None,
        ]
    ),
    "payment_terms_days": st.sampled_from([0, 3650, 3651, -1, False, 1.5, None]),
    "ship_date": st.sampled_from(["2026-12-01", "2026-13-01", None]),
    "expires_in": st.sampled_from([1, LONGEST_S, LONGEST_S + 1, 0, True, "1", None]),
    "note": st.just("unknown"),
}


@st.composite
def asks(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an ask in which a few fields are changed or left out."""
    asked = dict(USUAL)
    for name in draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=3, unique=True)):
        asked[name] = draw(VALUES[name])
    for name in draw(st.lists(st.sampled_from(sorted(USUAL)), max_size=2)):
        asked.pop(name, None)
    return asked


@given(asks())
def test_what_is_read_without_the_model_is_read_alike(asked: dict[str, Any]) -> None:
    for plain, model in ((CHECKS, AskIn), (AUTHORIZATIONS, AuthorizeIn)):
        read = plain.read(asked)
        if read is not None:
            assert read == validate(model, asked).to_question()


@pytest.mark.parametrize("left_out", [None, "segment", "delivery_id", "expires_in"])
def test_the_usual_ask_needs_no_model(left_out: str | None) -> None:
    """The control for the one above, which would pass if nothing were ever read."""
    asked = {name: value for name, value in USUAL.items() if name != left_out}
    for plain in (CHECKS, AUTHORIZATIONS):
        assert plain.read(asked) == validate(AuthorizeIn, asked).to_question()
    assert AUTHORIZATIONS.read({**asked, "check_point": "QUOTE"}) is None


@pytest.mark.parametrize("write", [orjson.dumps, lambda value: json.dumps(value).encode()])
def test_the_usual_body_is_parsed_quickly(write: Callable[[object], bytes]) -> None:
    """A control again: also as Python writes it, with blanks behind colons, and with times."""
    usual = [USUAL, {"at": "2026-12-01T08:00:00+08:00"}]
    assert parse_plain(write(usual)) == usual
