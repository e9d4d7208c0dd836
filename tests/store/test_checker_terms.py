"""What the checker reads of a condition: plain comparisons, and nothing where it is not sure."""

from typing import Any

import pytest

from app.domain.rules_standard import STANDARD
from app.store.checker_terms import terms_of

READ = [
    ("account_overdue_days > 30", [["account_overdue_days", ">", 30]]),
    (
        "!customer_active && account_quarantined >= -1",
        [["customer_active", "==", False], ["account_quarantined", ">=", -1]],
    ),
    ("account_stopped == true", [["account_stopped", "==", True]]),
    (
        "limit_state == 'NONE' && fx_missing != \"\"",
        [["limit_state", "==", "NONE"], ["fx_missing", "!=", ""]],
    ),
    ("account_overdue_days > most", [["account_overdue_days", ">", 7]]),
    ("account_overdue_days * 2 > 30", []),
    ("30 < account_overdue_days", []),
    ("account_overdue_days > account_quarantined", []),
    ("account_overdue_days > 30 || account_stopped", []),
    ("account_stopped ? account_overdue_days > 1 : true", []),
    ("!(account_overdue_days > 30)", []),
    ("score_class in classes", []),
    ("limit_state == 'a&&b'", []),
]


@pytest.mark.parametrize(("when", "terms"), READ)
def test_what_is_read(when: str, terms: list[list[Any]]) -> None:
    row = {"when": when, "parameters": {"most": 7, "classes": ["E"]}}
    assert terms_of(row) == terms


def test_terms_are_read_as_they_are() -> None:
    assert terms_of({"when": [["account_overdue_days", ">", 30]]}) == [
        ["account_overdue_days", ">", 30]
    ]


def test_most_of_the_shipped_policy_can_be_read() -> None:
    unread = [row["id"] for row in STANDARD["rows"] if not terms_of(row)]
    assert unread == ["score-class"]
