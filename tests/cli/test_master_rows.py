"""Master data and limits from a file: bodies as HTTP takes them, and what is refused."""

from typing import Any

import pytest

from app.cli.master_rows import (
    CUSTOMER_COLUMNS,
    LIMIT_COLUMNS,
    parse_customer_row,
    parse_limit_row,
)
from app.cli.tables_fields import RowRefusedError

CUSTOMER = {"customer_id": "C-1", "name": "甲公司"}
LIMIT = {"customer_id": "C-1", "limit": "1000.00", "currency": "CNY"}


def test_empty_cells_say_nothing() -> None:
    row = dict.fromkeys((*CUSTOMER_COLUMNS.required, *CUSTOMER_COLUMNS.optional), "") | CUSTOMER
    found = parse_customer_row(row)
    assert (found.customer_id, found.body) == ("C-1", {"name": "甲公司"})


def test_a_customer_with_everything() -> None:
    said = {
        "kind": "company",
        "country": "CN",
        "uscc": "91350100M000100Y43",
        "lei": "5493001KJTIIGC8Y1R12",
        "industry": "chemicals",
        "parent_id": "C-0",
        "currency": "CNY",
        "owner": "li",
    }
    row = CUSTOMER | said
    row |= {"since": "2020/1/2", "active": "否", "aliases": "A | B|", "payment_terms_days": "0"}
    assert parse_customer_row(row).body == {
        "name": "甲公司",
        **said,
        "since": "2020-01-02",
        "active": False,
        "aliases": ["A", "B"],
        "payment_terms_days": 0,
    }


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("customer_id", ""),
        ("name", ""),
        ("kind", "firm"),
        ("uscc", "91350100M000100Y4"),
        ("uscc", "91350100M000100YI3"),
        ("lei", "5493001KJTIIGC8Y1R1X"),
        ("parent_id", "C-1"),
        ("since", "yesterday"),
        ("active", "yes"),
        ("aliases", "A|A"),
        ("aliases", "A|C-1"),
        ("aliases", "x" * 65),
        ("aliases", "A|1.23E+11"),
        ("currency", "RMB"),
        ("payment_terms_days", "-1"),
        ("payment_terms_days", "3651"),
    ],
)
def test_customers_refused(field: str, text: str) -> None:
    with pytest.raises(RowRefusedError) as caught:
        parse_customer_row(CUSTOMER | {field: text})
    assert [error.field for error in caught.value.errors] == [field]


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        pytest.param({}, {"limit": {"amount": "1000.00", "currency": "CNY"}}, id="amount"),
        pytest.param(
            {"limit": "0"}, {"limit": {"amount": "0.00", "currency": "CNY"}}, id="no-credit"
        ),
        pytest.param({"limit": "", "unlimited": "1"}, {"unlimited": True}, id="unlimited"),
        pytest.param(
            {"valid_from": "2026-01-01", "valid_to": "2026-01-01", "reason": "r", "segment": "s"},
            {
                "limit": {"amount": "1000.00", "currency": "CNY"},
                "valid_from": "2026-01-01",
                "valid_to": "2026-01-01",
                "reason": "r",
                "segment": "s",
            },
            id="one-day",
        ),
    ],
)
def test_limits_taken(changes: dict[str, str], body: dict[str, Any]) -> None:
    assert parse_limit_row(LIMIT | changes).body == {"kind": "base", **body}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"limit": ""}, "limit", id="neither"),
        pytest.param({"unlimited": "true"}, "limit", id="both"),
        pytest.param({"limit": "-0.01"}, "limit", id="one-cent-below"),
        pytest.param({"limit": "1.005"}, "limit", id="one-digit-over"),
        pytest.param({"currency": ""}, "currency", id="no-currency"),
        pytest.param(
            {"limit": "", "unlimited": "1", "currency": "RMB"}, "currency", id="unlimited-in-rmb"
        ),
        pytest.param({"kind": "insured"}, "kind", id="kind"),
        pytest.param({"kind": "temporary"}, "valid_to", id="temporary-without-end"),
        pytest.param(
            {"valid_from": "2026-01-02", "valid_to": "2026-01-01"}, "valid_to", id="ends-before"
        ),
    ],
)
def test_limits_refused(changes: dict[str, str], field: str) -> None:
    with pytest.raises(RowRefusedError) as caught:
        parse_limit_row(LIMIT | changes)
    assert [error.field for error in caught.value.errors] == [field]


def test_the_key_of_a_limit_repeats_with_its_content_only() -> None:
    first, again = parse_limit_row(LIMIT), parse_limit_row(LIMIT | {"kind": "base"})
    other = parse_limit_row(LIMIT | {"limit": "1000.01"})
    assert first.key == again.key != other.key
    assert len(first.key) <= 255


def test_chinese_headers_mean_columns_there_are() -> None:
    for columns in (CUSTOMER_COLUMNS, LIMIT_COLUMNS):
        assert set(columns.aliases.values()) <= {*columns.required, *columns.optional}
