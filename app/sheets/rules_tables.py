"""The tables of a rule set: which columns, and how JSON becomes rows and rows become JSON."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.domain.rules import FORMAT
from app.domain.rules_reach import DIMENSIONS
from app.sheets.sheet import Content, Row, Table, Value

_EXCEPT: Final = "except_"
_OTHERS: Final = frozenset("，、；;")
"""What people put between values, too; within a value it is what it is."""

_SEPARATORS: Final = _OTHERS | {","}

LISTS: Final = ("check_points", "lifts")
"""Columns of a rule that hold a list, besides those of its scope."""

_TEXTS: Final = (
    "id",
    "zh",
    "en",
    "clause",
    "owner",
    "outcome",
    "reason",
    "when",
    "parameters",
    "asks",
    "observed",
    "threshold",
    "on_missing",
    "family",
    "action",
    "auto_release",
)
_SCOPES: Final = (*DIMENSIONS, *(f"{_EXCEPT}{one}" for one in DIMENSIONS))
_TRUTHS: Final = {"yes": True, "no": False}

RULES: Final = Table(
    "rules",
    {
        **dict.fromkeys(_TEXTS, Content.TEXT_OR_EMPTY),
        **dict.fromkeys(LISTS, Content.TEXT_OR_EMPTY),
        **dict.fromkeys(_SCOPES, Content.TEXT_OR_EMPTY),
        "precedence": Content.NUMBER_OR_EMPTY,
    },
)
CLAUSES: Final = Table("clauses", dict.fromkeys(("id", "zh", "en"), Content.TEXT))
TEXTS: Final = Table("texts", dict.fromkeys(("reason", "zh", "en"), Content.TEXT))
_SHARES: Final = ("late_interest_percent", "prepay_percent")
TERMS: Final = Table(
    "terms",
    {"class": Content.TEXT, "days": Content.WHOLE, **dict.fromkeys(_SHARES, Content.TEXT_OR_EMPTY)},
)
SETTINGS: Final = Table("settings", {"setting": Content.TEXT, "value": Content.ANY})
EXAMPLES: Final = Table("examples", {"json": Content.TEXT})
TABLES: Final[Mapping[str, Table]] = {
    one.sheet: one for one in (RULES, CLAUSES, TEXTS, TERMS, SETTINGS, EXAMPLES)
}

Filed = Mapping[str, Sequence[Row]]
"""Rows by table, as a workbook or CSV files hold them."""

Lines = list[tuple[Value, ...]]

_PARAMETER: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*\S)\s*", re.DOTALL)


def to_tables(data: Mapping[str, Any]) -> dict[str, Lines]:
    """Write a rule set as lines of cells, in the columns of `TABLES`."""
    settings = [(name, str(data[name])) for name in ("name", "tolerance_percent") if data.get(name)]
    return {
        "rules": [_rule_line(row) for row in data["rows"]],
        "clauses": [(one["id"], one["zh"], one["en"]) for one in data.get("clauses", ())],
        "texts": [(code, one["zh"], one["en"]) for code, one in data.get("texts", {}).items()],
        "terms": [_terms_line(key, one) for key, one in data.get("terms", {}).items()],
        "settings": list(settings),
        "examples": [(orjson.dumps(one).decode(),) for one in data.get("examples", ())],
    }


def _terms_line(risk_class: str, terms: int | Mapping[str, Any]) -> tuple[Value, ...]:
    """Write the terms of a class; the short form is days alone."""
    told = {"days": terms} if isinstance(terms, int) else terms
    return (risk_class, told["days"], *(told.get(name) for name in _SHARES))


def _terms_of(row: Row) -> dict[str, Any]:
    shares = {name: row.values[name] for name in _SHARES if row.values.get(name)}
    return {"days": _whole(row.values.get("days")), **shares}


def _rule_line(row: Mapping[str, Any]) -> tuple[Value, ...]:
    cells: dict[str, Value] = {name: row.get(name) for name in (*_TEXTS, "precedence")}
    for name in LISTS:
        cells[name] = _list_cell(row.get(name) or ())
    for prefix, scope in (("", row.get("scope")), (_EXCEPT, row.get("except"))):
        for one in DIMENSIONS:
            cells[f"{prefix}{one}"] = _list_cell((scope or {}).get(one) or ())
    given = row.get("parameters") or {}
    lines = [f"{name} = {orjson.dumps(value).decode()}" for name, value in given.items()]
    cells["parameters"] = "\n".join(lines) or None
    told = row.get("auto_release")
    cells["auto_release"] = None if told is None else {True: "yes", False: "no"}[told]
    return tuple(cells[name] for name in RULES.columns)


def _list_cell(values: Sequence[str]) -> str | None:
    if any(not _SEPARATORS.isdisjoint(one) for one in values):
        return "\n".join(values) + "\n"
    return ", ".join(values) or None


def list_of(cell: str) -> list[str]:
    """Read a list from one cell: a value a line if there is more than one line, else by comma.

    Raises:
        ValueError: It has no value, or is separated in a way that would make one of several.

    """
    lines = cell.split("\n")
    if len(lines) == 1 and not _OTHERS.isdisjoint(cell):
        message = "is separated by commas (,), or has a value a line"
        raise ValueError(message)
    if not cell.endswith("\n") and any(
        one.rstrip().endswith((",", *_OTHERS)) for one in lines[:-1]
    ):
        message = "has commas and lines: one value a line, or all in one line"
        raise ValueError(message)
    parts = lines if len(lines) > 1 else cell.split(",")
    found = [part.strip() for part in parts if part.strip()]
    if not found:
        message = "has no value: leave it empty for everybody"
        raise ValueError(message)
    return found


@dataclass(frozen=True, slots=True)
class Places:
    """Where each part of a rule set stands, to name a cell for a fault."""

    filed: Filed

    def cell_of(self, path: str) -> str:
        """Name the cell of a JSON path such as `rows[3].scope.classes`; at least its sheet."""
        part, _, rest = path.partition(".")
        name, number = _numbered(part)
        sheet = {"rows": "rules"}.get(name, name)
        rows = self.filed.get(sheet, ())
        if sheet not in TABLES:
            return "settings!A1"
        if number is None:
            number = _place_of(rows, rest)
            rest = ""
        if number is None or number >= len(rows):
            return f"{sheet}!A1"
        cells = rows[number].cells
        return cells.get(_column(rest)) or next(iter(cells.values()))


def _numbered(part: str) -> tuple[str, int | None]:
    found = re.fullmatch(r"(\w+)\[(\d+)\]", part)
    return (found[1], int(found[2])) if found else (part, None)


def _place_of(rows: Sequence[Row], key: str) -> int | None:
    """Find the row whose first column is what a path names."""
    for number, row in enumerate(rows):
        if key and str(next(iter(row.values.values()), "")) == key:
            return number
    return None


def _column(rest: str) -> str:
    first, _, more = rest.partition(".")
    if first == "scope":
        return more
    if first == "except":
        return f"{_EXCEPT}{more}"
    return first


def from_tables(filed: Filed, faults: list[str]) -> tuple[dict[str, Any], Places]:
    """Read the JSON of a rule set; what cannot be JSON at all is added to `faults`."""
    reader = _Reader(faults)
    data: dict[str, Any] = {
        "format": FORMAT,
        **reader.keyed(filed["settings"], "setting", lambda row: row.values.get("value")),
        "rows": [reader.rule(row) for row in filed["rules"]],
        "clauses": [
            {name: row.values.get(name) for name in CLAUSES.columns} for row in filed["clauses"]
        ],
        "texts": reader.keyed(
            filed["texts"],
            "reason",
            lambda row: {"zh": row.values.get("zh"), "en": row.values.get("en")},
        ),
        "terms": reader.keyed(filed["terms"], "class", _terms_of),
        "examples": [reader.json(row, "json") for row in filed["examples"]],
    }
    if "tolerance_percent" in data:
        data["tolerance_percent"] = _plain_number(data["tolerance_percent"])
    return data, Places(filed)


def _whole(value: Value) -> Value:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain_number(value: Value) -> str:
    return str(_whole(value))


@dataclass(frozen=True, slots=True)
class _Reader:
    faults: list[str]

    def keyed(self, rows: Sequence[Row], key: str, value: Callable[[Row], Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for row in rows:
            name = str(row.values.get(key))
            if name in found:
                self.faults.append(f"{row.cells[key]}: {name[:60]!r} is there twice")
            found[name] = value(row)
        return found

    def json(self, row: Row, column: str) -> Any:  # noqa: ANN401 - JSON
        try:
            return orjson.loads(str(row.values.get(column)))
        except orjson.JSONDecodeError as error:
            self.faults.append(f"{row.cells[column]}: is no JSON: {error}")
            return {}

    def rule(self, row: Row) -> dict[str, Any]:
        """Read a rule; empty cells are left out, so that defaults hold."""
        values = row.values
        told: dict[str, Any] = {
            name: values[name] for name in _TEXTS if values.get(name) not in {None, ""}
        }
        if values.get("precedence") is not None:
            told["precedence"] = _whole(values["precedence"])
        for name in LISTS:
            if values.get(name):
                told[name] = self._list(row, name)
        for key, prefix in (("scope", ""), ("except", _EXCEPT)):
            scope = {
                one: self._list(row, f"{prefix}{one}")
                for one in DIMENSIONS
                if values.get(f"{prefix}{one}")
            }
            if scope:
                told[key] = scope
        if "parameters" in told:
            told["parameters"] = self._parameters(row, str(told["parameters"]))
        if "auto_release" in told:
            told["auto_release"] = self._truth(row, str(told["auto_release"]))
        return told

    def _list(self, row: Row, column: str) -> list[str]:
        try:
            return list_of(str(row.values[column]))
        except ValueError as bad:
            self.faults.append(f"{row.cells[column]}: {bad}")
            return []

    def _truth(self, row: Row, cell: str) -> bool:
        if cell not in _TRUTHS:
            self.faults.append(f"{row.cells['auto_release']}: must be yes or no")
        return _TRUTHS.get(cell, True)

    def _parameters(self, row: Row, cell: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for line in filter(str.strip, cell.split("\n")):
            parts = _PARAMETER.fullmatch(line)
            name = parts[1] if parts else ""
            if name in found:
                self.faults.append(f"{row.cells['parameters']}: {name[:60]!r} is there twice")
            try:
                found[name] = orjson.loads(parts[2] if parts else "")
            except orjson.JSONDecodeError:
                told = f"{line.strip()[:60]!r} is not `name = constant`, such as `days = 30`"
                self.faults.append(f"{row.cells['parameters']}: {told}")
        return found
