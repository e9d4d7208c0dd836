"""Wire types: boundaries of money, dates, instants and cursors."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.api import wire
from app.api.wire import (
    AnswerModel,
    BusinessDate,
    Id,
    Instant,
    MoneyIn,
    MoneyOut,
    Page,
    PositiveMoneyIn,
    Version,
    decode_cursor,
    encode_cursor,
)
from app.domain.errors import FieldError
from app.domain.money import DIGITS, MAX_MINOR, Money


def first_error(
    kind: Any,  # noqa: ANN401 - a type or an annotated form
    value: object,
) -> tuple[tuple[int | str, ...], str]:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    error = refused.value.errors()[0]
    return error["loc"], error["msg"]


@pytest.mark.parametrize(
    ("kind", "amount", "currency", "where"),
    [
        pytest.param(PositiveMoneyIn, "0.00", "CNY", "amount", id="zero-where-positive"),
        pytest.param(MoneyIn, "-0.01", "CNY", "amount", id="negative"),
        pytest.param(MoneyIn, "1.001", "CNY", "amount", id="digit-too-many"),
        pytest.param(MoneyIn, "1.0", "JPY", "amount", id="yen-with-fraction"),
        pytest.param(MoneyIn, "1e3", "CNY", "amount", id="exponent"),
        pytest.param(MoneyIn, "+1", "CNY", "amount", id="plus"),
        pytest.param(MoneyIn, " 1", "CNY", "amount", id="blank"),
        pytest.param(MoneyIn, "１", "CNY", "amount", id="full-width-digit"),
        pytest.param(MoneyIn, "01", "CNY", "amount", id="leading-zero"),
        pytest.param(MoneyIn, "", "CNY", "amount", id="empty"),
        pytest.param(MoneyIn, "10000000000000.01", "CNY", "amount", id="one-cent-over-10-15"),
        pytest.param(MoneyIn, "9" * 33, "CNY", "amount", id="33-characters"),
        pytest.param(MoneyIn, "1", "cny", "currency", id="lower-case"),
        pytest.param(MoneyIn, "1", "XXX", "currency", id="no-currency"),
        pytest.param(MoneyIn, "1", "CNYY", "currency", id="four-letters"),
        pytest.param(MoneyIn, 1, "CNY", "amount", id="number"),
    ],
)
def test_money_refused(kind: type[MoneyIn], amount: object, currency: str, where: str) -> None:
    loc, message = first_error(kind, {"amount": amount, "currency": currency})
    assert loc == (where,)
    assert "{" not in message


@pytest.mark.parametrize(
    ("kind", "amount", "currency", "minor"),
    [
        pytest.param(MoneyIn, "0", "CNY", 0, id="zero"),
        pytest.param(PositiveMoneyIn, "0.01", "CNY", 1, id="one-cent"),
        pytest.param(PositiveMoneyIn, "10000000000000.00", "CNY", MAX_MINOR, id="10-15"),
        pytest.param(PositiveMoneyIn, "1.234", "BHD", 1234, id="three-digits"),
        pytest.param(PositiveMoneyIn, "500", "JPY", 500, id="no-digits"),
    ],
)
def test_money_read(kind: type[MoneyIn], amount: str, currency: str, minor: int) -> None:
    money = kind.model_validate({"amount": amount, "currency": currency}).to_money()
    assert money == Money(minor, currency)


@given(st.integers(0, MAX_MINOR), st.sampled_from(sorted(DIGITS)))
def test_money_answered_is_read_as_it_was(minor: int, currency: str) -> None:
    told = MoneyOut.of(Money(minor, currency)).model_dump()
    assert MoneyIn.model_validate(told).to_money() == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("1970-01-01", date(1970, 1, 1)),
        ("2100-12-31", date(2100, 12, 31)),
        ("2028-02-29", date(2028, 2, 29)),
        ("1969-12-31", None),
        ("2101-01-01", None),
        ("2027-02-29", None),
        ("20260101", None),
        ("2026-W01-1", None),
        ("2026-1-1", None),
        ("2026-01-01T00:00:00Z", None),
        ("２０２６-01-01", None),
        (0, None),
    ],
)
def test_business_date(text: object, read: date | None) -> None:
    if read is None:
        first_error(BusinessDate, text)
    else:
        assert TypeAdapter(BusinessDate).validate_python(text) == read


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ("2026-01-31T08:00:00+08:00", "2026-01-31T00:00:00Z"),
        ("2026-01-31T08:00:00-23:59", "2026-02-01T07:59:00Z"),
        ("2026-01-31t08:00:00.5z", "2026-01-31T08:00:00.500000Z"),
        ("2026-01-31T08:00:00.123456789Z", "2026-01-31T08:00:00.123456Z"),
        ("2026-01-31T08:00:00", None),
        ("2026-01-31 08:00:00Z", None),
        ("2026-01-31", None),
        ("2026-02-30T08:00:00Z", None),
        ("2026-01-31T24:00:00Z", None),
        ("2026-01-31T08:00:60Z", None),
        ("2026-01-31T08:00:00+24:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("1969-12-31T23:59:59Z", None),
        ("9999-12-31T23:59:59-14:00", None),
        (1767225600, None),
    ],
)
def test_instant(text: object, answered: str | None) -> None:
    class Told(AnswerModel):
        at: Instant

    if answered is None:
        first_error(Instant, text)
    else:
        assert Told.model_validate({"at": text}).model_dump_json() == f'{{"at":"{answered}"}}'


def test_instant_from_the_database_is_answered_in_utc() -> None:
    local = datetime.fromisoformat("2026-01-31T08:00:00+08:00")
    assert TypeAdapter(Instant).validate_python(local) == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize("text", ["a", "A b", "客户-001", "SO/2026#7", "€", "a" * 64, "😀" * 64])
def test_id_is_kept(text: str) -> None:
    assert TypeAdapter(Id).validate_python(text) == text


@pytest.mark.parametrize(
    "text", ["", "a" * 65, "a\0", "a\n", "\x7f", "\u0085", "\u200b", "\u2028", "\ufeff", "\ufffd"]
)
def test_id_refused(text: str) -> None:
    first_error(Id, text)


def test_bounds_are_in_the_schema() -> None:
    """OpenAPI says what is enforced, so that generated requests are right."""
    schema = TypeAdapter(Version).json_schema()
    assert (schema["minimum"], schema["maximum"]) == (0, 2**53 - 1)
    assert TypeAdapter(Id).json_schema()["pattern"] == wire.PRINTABLE


@given(
    st.text(st.characters(codec="utf-8")).filter(str.isprintable), st.integers(-(2**63), 2**63 - 1)
)
def test_cursor_comes_back(text: str, number: int) -> None:
    assert decode_cursor(encode_cursor([text, number]), str, int) == (text, number)


@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("", id="empty"),
        pytest.param("abc", id="no-json"),
        pytest.param("客", id="not-ascii"),
        pytest.param(encode_cursor(["a"]), id="part-missing"),
        pytest.param(encode_cursor(["a", 1, 2]), id="part-too-many"),
        pytest.param(encode_cursor([1, "a"]), id="other-order"),
        pytest.param(encode_cursor(["a", True]), id="true-for-one"),
        pytest.param(encode_cursor(["a", 2**63]), id="beyond-64-bits"),
        pytest.param(encode_cursor(["a\0", 1]), id="nul"),
        pytest.param("W" * 1001, id="nested"),
        pytest.param("IkFCIg", id="not-a-list"),
    ],
)
def test_cursor_refused(cursor: str) -> None:
    with pytest.raises(FieldError) as refused:
        Page(cursor=cursor).after(str, int)
    assert refused.value.field == "cursor"


def test_first_page() -> None:
    assert Page() == Page(limit=50, cursor=None)
    assert Page().after(str, int) is None


def test_every_model_has_an_example_that_is_valid() -> None:
    models = [
        value
        for value in vars(wire).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.model_fields
    ]
    assert len(models) == 4
    for model in models:
        (example,) = model.model_json_schema()["examples"]
        assert model.model_validate(example).model_dump(exclude_unset=True) == example
