"""A rule set as CSV files, one a table, with the columns of the workbook's sheets.

UTF-8 with a byte order mark, so that a spreadsheet reads Chinese. A cell that a spreadsheet would
run as a formula is written behind an apostrophe, which is taken off again on reading.
"""

from collections.abc import Mapping
from typing import Any

from app.domain.errors import FileRefusedError
from app.sheets.cells import write_csv
from app.sheets.csv_tables import read_tables
from app.sheets.rules import checked
from app.sheets.rules_tables import TABLES, to_tables


def write_rules_csv(data: Mapping[str, Any]) -> dict[str, bytes]:
    """Write a rule set of the present form as a file a table, by the table's name."""
    return {
        name: write_csv(tuple(TABLES[name].columns), lines)
        for name, lines in to_tables(data).items()
    }


def read_rules_csv(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Read the files by the names of their tables; all are needed, as all sheets of a workbook.

    Raises:
        FileRefusedError: Not such files, or a rule set with faults; each names its cell.

    """
    missing = [name for name in TABLES if name not in files]
    if missing:
        raise FileRefusedError(f"{missing[0]}.csv is missing")
    return checked(read_tables(TABLES, files))
