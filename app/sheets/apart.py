"""Workbooks in a process of their own: a service carries no spreadsheet library.

A file from outside is unpacked there, too, so that what makes the library slow or large ends with
the child.
"""

import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.domain.errors import BusyError, FileRefusedError

PATIENCE_S: Final = 20.0
MOST_BYTES: Final = 1 << 30
"""The most memory that the child may take."""


def read_rules_apart(workbook: bytes) -> dict[str, Any]:
    """Read a workbook of a policy as `app.sheets.rules.read_rules` does.

    Raises:
        FileRefusedError: Not such a workbook, or one with faults; each names its cell.
        BusyError: It took longer than `PATIENCE_S`.

    """
    try:
        told: dict[str, Any] = orjson.loads(_run("read", workbook))
    except subprocess.CalledProcessError as died:  # memory, or a library's bug: its log says why
        raise FileRefusedError("the file cannot be read as an XLSX workbook") from died
    if "refused" in told:
        raise FileRefusedError(told["refused"])
    data: dict[str, Any] = told["data"]
    return data


def write_rules_apart(data: Mapping[str, Any]) -> bytes:
    """Write a policy as `app.sheets.rules.write_rules` does.

    Raises:
        FileRefusedError: No workbook can hold it; names the cell.
        BusyError: It took longer than `PATIENCE_S`.

    """
    told = _run("write", orjson.dumps(data))
    if told.startswith(b"{"):
        raise FileRefusedError(orjson.loads(told)["refused"])
    return told


def _run(what: str, data: bytes) -> bytes:
    """Let a child do it; one that dies says why in its log, and is a bug here.

    Raises:
        BusyError: It took too long, and was ended.
        CalledProcessError: It died.

    """
    command = [sys.executable, "-m", "app.sheets.child", what]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, input=data, stdout=subprocess.PIPE, timeout=PATIENCE_S, check=True
        )
    except subprocess.TimeoutExpired as late:
        raise BusyError("the workbook takes too long; try again, or a smaller one") from late
    return done.stdout
