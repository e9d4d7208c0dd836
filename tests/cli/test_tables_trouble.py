"""Files that change, wait or break while they are read, and what is told of them."""

import gzip
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from random import Random

import polars as pl
import pytest

from app.cli.tables import open_table
from app.cli.tables_fields import Fields, RowRefusedError
from app.cli.tables_rejects import Reject, RejectWriter
from app.cli.tables_shape import CellFault, Columns, TableRow
from app.domain.errors import FileRefusedError

COLUMNS = Columns(("customer_id", "amount"), ("issue_date", "name"))
PLAIN = "customer_id,amount,name\nA,1,x\nB,2,y\n"


def write(folder: Path, content: bytes | str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path) -> list[TableRow]:
    return list(open_table(path, COLUMNS))


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        pytest.param(
            '"customer_id";"amount";"name"\nA;1;"Acme,"\nB;2;x\n',
            [("A", "1", "Acme,"), ("B", "2", "x")],
            id="comma-before-a-quote",
        ),
        pytest.param('"Customer\nID";"amount"\nA;1\n', [("A", "1")], id="title-in-two-lines"),
    ],
)
def test_quotes_under_a_wrong_separator_say_nothing(
    tmp_path: Path, content: str, rows: list[tuple[str, ...]]
) -> None:
    assert [tuple(row.cells.values()) for row in read(write(tmp_path, content))] == rows


def test_a_quote_that_is_never_closed_refuses_the_file_before_any_row(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN + 'C,3,"z\nD,4,x\n')
    with pytest.raises(FileRefusedError, match="line 4: a quote that opens here"):
        open_table(path, COLUMNS)


def test_a_file_that_grows_below_its_last_row(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN)
    rows = iter(open_table(path, COLUMNS))
    assert [next(rows).line, next(rows).line] == [2, 3]
    with path.open("a") as file:
        file.write("C,3,z\n")
    with pytest.raises(FileRefusedError, match="changed while it was read"):
        list(rows)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda raw: raw[: len(raw) // 2], id="shorter"),
        pytest.param(lambda raw: raw[:900] + b"\xff" * (len(raw) - 900), id="other-bytes"),
    ],
)
def test_compressed_bytes_that_change_under_the_reader(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    noise = Random(1)
    lines = [f"C-{number},1,{noise.randbytes(750).hex()}\n" for number in range(900)]
    raw = gzip.compress(("customer_id,amount,name\n" + "".join(lines)).encode())
    path = write(tmp_path, raw, "t.csv.gz")
    rows = iter(open_table(path, COLUMNS))
    next(rows)
    path.write_bytes(change(raw))
    with pytest.raises(FileRefusedError, match="changed while it was read"):
        list(rows)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    os.mkfifo(path)
    with pytest.raises(FileRefusedError, match="is a pipe or a device"):
        open_table(path, COLUMNS)


def test_that_a_file_is_gb18030_is_told(tmp_path: Path) -> None:
    """Nearly all bytes are some Chinese in it: names in a Western encoding would turn to such."""
    table = open_table(write(tmp_path, PLAIN.replace("x", "Müller").encode("latin-1")), COLUMNS)
    assert table.note == "read as GB18030, for it is no UTF-8"
    assert open_table(write(tmp_path, PLAIN), COLUMNS).note == ""


def test_the_header_once_more_is_no_row(tmp_path: Path) -> None:
    rows = read(write(tmp_path, gzip.compress(PLAIN.encode()) * 2))
    faults = [(row.line, row.faults) for row in rows if row.faults]
    assert faults == [(4, (CellFault(None, "repeats the header"),))]
    assert len(rows) == 5


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_reject_of_several_lines_stays_one_row(tmp_path: Path, end: str) -> None:
    path = tmp_path / "r.csv"
    with RejectWriter(path, ("customer_id", "amount", "name")) as writer:
        writer.write(Reject(2, "name", "why", ("A", "1", f"two{end}lines")))
    assert [row.original[3:] for row in read(path)] == [("A", "1", f"two{end}lines")]


@pytest.mark.parametrize(
    "days",
    [
        pytest.param(pl.Series([3_500_000]).cast(pl.Date), id="date"),
        pytest.param(pl.Series([10**18]).cast(pl.Datetime("ms")), id="moment"),
    ],
)
def test_parquet_days_after_the_year_9999(tmp_path: Path, days: pl.Series) -> None:
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame({"customer_id": ["A"], "amount": ["1"], "issue_date": days})
    frame.write_parquet(path)
    with pytest.raises(FileRefusedError, match="not a readable Parquet file"):
        read(path)
    frame.with_columns(issue_date=pl.lit(date(9999, 12, 31))).write_parquet(path)
    assert [row.cells["issue_date"] for row in read(path)] == ["9999-12-31"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#N/A", "is the error value #N/A"),
        ("#REF!", "is the error value #REF!"),
        ("#NAME?", "is the error value #NAME?"),
        ("1.23457E+17", "a number as a program rewrote it"),
        ("1E+11", "a number as a program rewrote it"),
        ("1001.0", "a number as a program rewrote it"),
        ("A\ufffdB", "cannot be printed"),
        ("A\u200bB", "cannot be printed"),
    ],
)
def test_what_programs_leave_in_place_of_an_id(text: str, said: str) -> None:
    fields = Fields({"customer_id": text})
    fields.id("customer_id")
    with pytest.raises(RowRefusedError, match=said):
        fields.check()


@pytest.mark.parametrize("text", ["1001", "1001.5", "1E5", "#12", "A\u3000B", "\ue000", "0042"])
def test_ids_as_they_are_given_over_http(text: str) -> None:
    fields = Fields({"customer_id": text})
    assert fields.id("customer_id") == text
    fields.check()
