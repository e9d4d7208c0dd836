"""What no cell of a workbook can hold is refused by its cell, and goes out as CSV."""

from typing import Any

import pytest

from app.domain.errors import FileRefusedError
from app.domain.rules_standard import STANDARD
from app.sheets.limits import COLUMNS, write_limits_xlsx
from app.sheets.rules import read_rules, write_rules
from app.sheets.rules_csv import read_rules_csv, write_rules_csv
from app.sheets.sheet import LONGEST_TEXT


def held(customers: list[str]) -> dict[str, Any]:
    row = {**STANDARD["rows"][0], "id": "held", "scope": {"customers": customers}}
    return {**STANDARD, "rows": [row]}


def test_a_list_that_no_cell_holds_loses_nobody() -> None:
    """Cut off, the last customers of a HOLD rule were free, and a cut id was somebody else."""
    data = held([f"{number:036d}" for number in range(1000)])
    with pytest.raises(FileRefusedError, match=r"rules![A-Z]+2: 37998 characters"):
        write_rules(data)
    back = read_rules_csv(write_rules_csv(data))
    assert back["rows"][0]["scope"] == data["rows"][0]["scope"]


@pytest.mark.parametrize("over", [0, 1])
def test_the_longest_text_of_a_cell(over: int) -> None:
    count, length = LONGEST_TEXT // 50, 48  # and what separates them
    customers = [f"{number:0{length}d}" for number in range(count)]
    room = LONGEST_TEXT - len(", ".join(customers)) - len(", ")
    data = held([*customers, "9" * (room + over)])
    if over:
        with pytest.raises(FileRefusedError, match=f"{LONGEST_TEXT + 1} characters"):
            write_rules(data)
    else:
        assert read_rules(write_rules(data))["rows"][0]["scope"] == data["rows"][0]["scope"]


def test_a_character_that_no_workbook_holds_is_named_by_its_cell() -> None:
    line = tuple("a\x0bb" if name == "reason" else "x" for name in COLUMNS)
    with pytest.raises(FileRefusedError, match="limits!I2: has a control character"):
        write_limits_xlsx([line])
