"""A scorecard as a workbook, or as a CSV file a table, that a credit manager edits.

Table `scorecard` has a row a bin (`bin` is `value` or `missing`; `from` is inclusive, `to` is
exclusive, empty is unbounded), `settings` a row a setting, `classes` a row a class or light. Other
sheets and other columns are the manager's own and are not read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.errors import FieldError, FileRefusedError
from app.domain.scorecard import Characteristic, Scorecard
from app.domain.scorecard_check import validate_scorecard
from app.domain.scorecard_json import scorecard_from_json
from app.sheets.cells import write_csv
from app.sheets.csv_tables import number_of, read_tables
from app.sheets.sheet import (
    Content,
    Row,
    Table,
    Value,
    add_sheet,
    new_book,
    offer,
    open_book,
    read_rows,
    refuse,
    written,
)

BINS: Final = Table(
    "scorecard",
    {
        "feature": Content.TEXT,
        "reason": Content.TEXT_OR_EMPTY,
        "bin": Content.TEXT,
        "from": Content.NUMBER_OR_EMPTY,
        "to": Content.NUMBER_OR_EMPTY,
        "points": Content.WHOLE,
    },
)
SETTINGS: Final = Table("settings", {"setting": Content.TEXT, "value": Content.ANY})
BANDS: Final = Table("classes", {"kind": Content.TEXT, "code": Content.TEXT, "from": Content.WHOLE})
TABLES: Final[Mapping[str, Table]] = {one.sheet: one for one in (BINS, SETTINGS, BANDS)}

_PLAIN: Final = (
    "name",
    "version",
    "horizon_days",
    "late_days",
    "minimum_history",
    "start_points",
)
_SCALING: Final = ("anchor_score", "anchor_odds", "points_to_double_odds")
_BANDS: Final = {"class": ("classes", "risk_class"), "light": ("lights", "traffic_light")}
_CHOICES: Final[Mapping[str, Sequence[str]]] = {
    "bin": ("value", "missing"),
    "kind": tuple(_BANDS),
    "code": ("A", "B", "C", "D", "E", "GREEN", "YELLOW", "RED"),
}

Lines = list[tuple[Value, ...]]


def read_scorecard(data: bytes, texts: Mapping[str, frozenset[str]]) -> Scorecard:
    """Read a workbook; `texts` has the placeholders of each reason code that can be told.

    Raises:
        FileRefusedError: Not such a workbook, or a scorecard with errors; each fault names sheet,
            cell and rule, the first twenty are told.

    """
    book = open_book(data)
    faults: list[str] = []
    filed = {name: read_rows(book, table, faults) for name, table in TABLES.items()}
    return _card(filed, _Reader({}, faults, "!A1"), texts)


def read_scorecard_csv(
    files: Mapping[str, bytes], texts: Mapping[str, frozenset[str]]
) -> Scorecard:
    """Read the CSV files by the names of their tables.

    Raises:
        FileRefusedError: Not such files, or a scorecard with errors; each names file, line and
            rule.

    """
    filed = read_tables(TABLES, files)
    filed["settings"] = [_typed(row) for row in filed["settings"]]
    return _card(filed, _Reader({}, [], ""), texts)


def _typed(row: Row) -> Row:
    """Give a setting the type that a workbook's cell would have; a name of digits is a name."""
    told = row.values["value"]
    if row.values["setting"] == "name" or not isinstance(told, str):
        return row
    number = number_of(told)
    return row if number is None else Row({**row.values, "value": number}, row.cells)


def _card(
    filed: Mapping[str, Sequence[Row]], reader: "_Reader", texts: Mapping[str, frozenset[str]]
) -> Scorecard:
    plain = reader.settings(filed["settings"])
    plain |= reader.bands(filed["classes"])
    plain["characteristics"] = reader.bins(filed["scorecard"])
    refuse(reader.faults)
    try:
        card = scorecard_from_json(plain)
    except FieldError as error:
        raise FileRefusedError(f"{reader.cell_of(error.field or '')}: {error.detail}") from error
    refuse([f"{reader.cell(e.part, e.row, e.field)}: {e}" for e in validate_scorecard(card, texts)])
    return card


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns rows into the JSON of a scorecard; remembers which row each part came from.

    `places` is by part and row as in `CardError`; `head` is the header of a table.
    """

    places: dict[tuple[str, int | None], Row]
    faults: list[str]
    head: str

    def cell(self, part: str, row: int | None, field: str) -> str:
        """Name the cell of a part's field; where there is none, the header of its sheet."""
        found = self.places.get((part, row))
        column = {"lower": "from", "upper": "to"}.get(field, field)
        if found is None:
            return f"{'classes' if part in {'classes', 'lights'} else 'scorecard'}{self.head}"
        return found.cells.get(column) or next(iter(found.cells.values()))

    def cell_of(self, path: str) -> str:
        """Name the cell of a JSON path: `scaling.anchor_odds`, `classes.0.risk_class`."""
        match path.split("."):
            case ["classes" | "lights" as part, row, _]:
                return self.cell(part, int(row), "code")
            case names if (names[-1], None) in self.places:
                return self.cell(names[-1], None, "value")
            case _:
                return f"settings{self.head}"

    def settings(self, rows: Sequence[Row]) -> dict[str, object]:
        """Read `setting` and `value`; what is missing is found by the JSON reader."""
        plain: dict[str, object] = {}
        scaling: dict[str, object] = {}
        for row in rows:
            name = str(row.values.get("setting"))
            if name not in {*_PLAIN, *_SCALING}:
                self.faults.append(f"{row.cells['setting']}: unknown setting {name!r}")
            elif (name, None) in self.places:
                self.faults.append(f"{row.cells['setting']}: {name!r} is there twice")
            else:
                self.places[name, None] = row
                (plain if name in _PLAIN else scaling)[name] = row.values.get("value")
        return {**plain, "scaling": scaling}

    def bands(self, rows: Sequence[Row]) -> dict[str, object]:
        """Read the bands of classes and lights, in the order of their rows."""
        found: dict[str, list[dict[str, Value]]] = {"classes": [], "lights": []}
        for row in rows:
            kind = str(row.values.get("kind"))
            if kind not in _BANDS:
                self.faults.append(f"{row.cells['kind']}: must be {' or '.join(_BANDS)}")
                continue
            part, code = _BANDS[kind]
            self.places[part, len(found[part])] = row
            found[part].append({code: row.values.get("code"), "lower": row.values.get("from")})
        return {**found}

    def bins(self, rows: Sequence[Row]) -> list[dict[str, object]]:
        """Read the bins of all characteristics, in the order in which they first occur."""
        found: dict[Value, list[Row]] = {}
        for row in rows:
            found.setdefault(row.values.get("feature"), []).append(row)
        return [self._characteristic(str(name), one) for name, one in found.items()]

    def _characteristic(self, feature: str, rows: list[Row]) -> dict[str, object]:
        values = [row for row in rows if row.values.get("bin") == "value"]
        missing = [row for row in rows if row.values.get("bin") == "missing"]
        for row in rows:
            if row.values.get("bin") not in {"value", "missing"}:
                self.faults.append(f"{row.cells['bin']}: must be value or missing")
        if len(missing) != 1:
            self.faults.append(f"{rows[0].cells['feature']}: {feature} needs one row `missing`")
        for row in missing:
            if (row.values.get("from"), row.values.get("to")) != (None, None):
                self.faults.append(f"{row.cells['from']}: a missing value has no bounds")
        for row in values[1:]:
            if row.values.get("reason") != values[0].values.get("reason"):
                self.faults.append(f"{row.cells['reason']}: {feature} has two reasons")
        self.places[feature, None] = rows[0]
        self.places.update({(feature, index): row for index, row in enumerate(values + missing)})
        last = missing[-1].values if missing else {}
        return {
            "feature": feature,
            "reason": (values[0].values.get("reason") if values else None) or "",
            "bins": [
                {
                    "lower": row.values.get("from"),
                    "upper": row.values.get("to"),
                    "points": row.values.get("points"),
                }
                for row in values
            ],
            "missing_points": last.get("points"),
            "missing_reason": last.get("reason"),
        }


def write_scorecard(card: Scorecard) -> bytes:
    """Write a workbook that `read_scorecard` reads back equal."""
    book = new_book()
    for name, lines in _lines(card).items():
        columns = tuple(TABLES[name].columns)
        sheet = add_sheet(book, name, columns, lines)
        for place, column in enumerate(columns, start=1):
            if column in _CHOICES:
                offer(sheet, place, _CHOICES[column])
    return written(book)


def write_scorecard_csv(card: Scorecard) -> dict[str, bytes]:
    """Write a file a table that `read_scorecard_csv` reads back equal, by the table's name."""
    return {
        name: write_csv(tuple(TABLES[name].columns), lines) for name, lines in _lines(card).items()
    }


def _lines(card: Scorecard) -> dict[str, Lines]:
    settings = [(name, getattr(card, name)) for name in _PLAIN]
    settings += [(name, getattr(card.scaling, name)) for name in _SCALING]
    bands: Lines = [("class", b.risk_class.value, b.lower) for b in card.classes]
    bands += [("light", b.traffic_light.value, b.lower) for b in card.lights]
    bins = [line for one in card.characteristics for line in _bins(one)]
    return {"scorecard": bins, "settings": list(settings), "classes": bands}


def _bins(one: Characteristic) -> Lines:
    return [
        *((one.feature, one.reason, "value", b.lower, b.upper, b.points) for b in one.bins),
        (one.feature, one.missing_reason, "missing", None, None, one.missing_points),
    ]
