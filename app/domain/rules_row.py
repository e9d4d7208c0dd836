"""One row of a rule set from JSON."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.domain.cel import LARGEST, CelError, Node, Value
from app.domain.cel_check import check, names_of, with_parameters
from app.domain.cel_parse import parse
from app.domain.rules_faults import CODE, ID, Faults, is_list, need_known_keys, read_text
from app.domain.rules_names import KINDS, NAMES
from app.domain.rules_reach import DIMENSIONS, Reach, Scope
from app.domain.rules_rows import OUTCOMES, Row
from app.domain.rules_sets import NEVER_LIFTED

CLASSES: Final = ("A", "B", "C", "D", "E", "N")
CHECK_POINTS: Final = ("QUOTE", "ORDER", "DELIVERY", "GOODS_ISSUE", "INVOICE")

ACTIONS: Final = (
    "ACTIVATE_CUSTOMER",
    "PLACE_NEW_ORDER",
    "LIFT_HOLD",
    "LIFT_STOP",
    "POST_RATE",
    "CLEAR_QUARANTINE",
    "ASK_RELEASE",
    "REPORT_LEDGER",
)
"""What a row may require to be done; a limit or a payment follows from the figures by itself."""

MOST_VALUES: Final = 1_000
"""Most values of one dimension of a scope, or of a parameter that is a list."""

MOST_PRECEDENCE: Final = 100

ROW_KEYS: Final = frozenset(
    {"id", "zh", "en", "check_points", "scope", "except", "asks", "when", "parameters", "outcome"}
    | {"reason", "family", "on_missing", "observed", "threshold", "lifts", "precedence"}
    | {"action", "clause", "owner", "auto_release"}
)

_PARAMETER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_RESERVED: Final = frozenset({"in", "true", "false", "null"})
_LONGEST_VALUE: Final = 256

Parameters = dict[str, Value | tuple[Value, ...]]


@dataclass(slots=True)
class RowReader:
    """Reads one row; what is wrong goes to `faults` with the row's id."""

    faults: Faults
    data: Mapping[str, Any]
    texts: Mapping[str, tuple[str, str]]

    def read(self) -> Row | None:
        """Return the row; None where it cannot be one, and the faults say why."""
        self.data = {key: value for key, value in self.data.items() if value is not None}
        faults, data = self.faults, self.data
        before = len(faults.found)
        rule_id = self._id()
        need_known_keys(faults, data, ROW_KEYS)
        asks = self._one_of("asks", ("order", "path"), "order")
        outcome = self._one_of("outcome", OUTCOMES, None)
        parameters = self._parameters()
        condition = self._condition(parameters, asks)
        reason = self._code("reason")
        on_missing = self._on_missing(outcome)
        threshold = data.get("threshold")
        self._need_shown(asks, parameters)
        row = {
            "lifts": self._lifts(outcome, asks, reason),
            "precedence": self._precedence(),
            "reach": Reach(self._scope("scope"), self._scope("except")),
            "check_points": self._check_points(),
            "action": self._one_of("action", ACTIONS, ""),
            "clause": read_text(faults, data, "clause") or None,
            "owner": read_text(faults, data, "owner") or None,
            "auto_release": self._truth("auto_release", default=True),
            "zh": self._title("zh"),
            "en": self._title("en"),
            "family": read_text(faults, data, "family") or reason,
        }
        if len(faults.found) > before or condition is None:
            return None
        allowed = parameters.get(threshold) if isinstance(threshold, str) else None
        return Row(
            rule_id=rule_id,
            reason=reason,
            outcome=outcome,
            condition=condition,
            scope=asks,
            observed=data.get("observed"),
            threshold=threshold if threshold in NAMES else None,
            allowed=None if isinstance(allowed, tuple) else allowed,
            shown_parameter=threshold if threshold in parameters else None,
            when=data["when"],
            on_missing=on_missing,
            parameters=parameters,
            says=self.texts.get(reason),
            **row,
        )

    def _id(self) -> str:
        given = self.data.get("id")
        if isinstance(given, str) and ID.fullmatch(given):
            self.faults.rule_id = given
            return given
        self.faults.note("id", "must be 1 to 64 of letters, digits, `.`, `-`, `_`")
        return ""

    def _one_of(self, key: str, known: tuple[str, ...], default: str | None) -> Any:  # noqa: ANN401
        given = self.data.get(key, default)
        if given in known or (given == "" and default == ""):
            return given or None
        self.faults.note(key, f"must be one of {', '.join(known)}")
        return None

    def _code(self, key: str) -> str:
        given = self.data.get(key)
        if isinstance(given, str) and CODE.fullmatch(given):
            return given
        self.faults.note(key, "must be a code: 1 to 64 of A-Z, 0-9, `_`")
        return ""

    def _title(self, language: str) -> str:
        told = read_text(self.faults, self.data, language)
        if not told.strip():
            self.faults.note(language, "is required: every rule has a name in both languages")
        return told

    def _truth(self, key: str, *, default: bool) -> bool:
        given = self.data.get(key, default)
        if not isinstance(given, bool):
            self.faults.note(key, "must be true or false")
            return default
        return given

    def _on_missing(self, outcome: str | None) -> Any:  # noqa: ANN401 - an outcome
        default = "WARN" if outcome == "APPROVE" else "HOLD"
        return self._one_of("on_missing", ("HOLD", "REJECT", "WARN"), default)

    def _precedence(self) -> int:
        given = self.data.get("precedence", 0)
        if type(given) is not int or not 0 <= given <= MOST_PRECEDENCE:
            self.faults.note("precedence", f"must be a whole number, 0 to {MOST_PRECEDENCE}")
            return 0
        return given

    def _lifts(self, outcome: str | None, asks: str | None, reason: str) -> frozenset[str]:
        given = self.data.get("lifts", ())
        families = self._strings("lifts", given)
        if outcome != "APPROVE":
            if families:
                self.faults.note("lifts", "belongs to rows whose outcome is APPROVE")
            return families
        if asks == "path":
            self.faults.note("asks", "no policy lets an order pass a limit: must be `order`")
        if not families:
            self.faults.note("lifts", "is required: which families of rules this row exempts from")
        if reason in NEVER_LIFTED:
            self.faults.note("reason", f"{reason} is the reason of a hold, not of an exemption")
        for one in sorted(families & NEVER_LIFTED):
            self.faults.note("lifts", f"no policy lifts {one}")
        return families

    def _check_points(self) -> frozenset[str] | None:
        if "check_points" not in self.data:
            return None
        found = self._strings("check_points", self.data["check_points"], CHECK_POINTS)
        if not found:
            self.faults.note("check_points", "must name at least one, or be absent for all")
        return found

    def _scope(self, key: str) -> Scope:
        given = self.data.get(key, {})
        if not isinstance(given, Mapping):
            self.faults.note(key, f"must be an object of {', '.join(DIMENSIONS)}")
            return Scope()
        found = {}
        for dimension, values in given.items():
            if dimension not in DIMENSIONS:
                self.faults.note(f"{key}.{str(dimension)[:40]}", "is not a known field")
                continue
            among = CLASSES if dimension == "classes" else None
            found[dimension] = self._strings(f"{key}.{dimension}", values, among)
        return Scope(**found)

    def _strings(
        self, key: str, given: object, among: tuple[str, ...] | None = None
    ) -> frozenset[str]:
        values = list(given) if is_list(given) else None  # type: ignore[call-overload]
        if values is None or not all(isinstance(one, str) and one.strip() for one in values):
            self.faults.note(key, "must be a list of texts")
            return frozenset()
        if len(values) > MOST_VALUES:
            self.faults.note(key, f"{len(values)} values; at most {MOST_VALUES}")
        for one in values:
            if among is not None and one not in among:
                self.faults.note(key, f"{one[:40]!r} is none of {', '.join(among)}")
        return frozenset(values)

    def _parameters(self) -> Parameters:
        given = self.data.get("parameters", {})
        if not isinstance(given, Mapping):
            self.faults.note("parameters", "must be an object of constants by name")
            return {}
        found: Parameters = {}
        for name, value in given.items():
            column = f"parameters.{str(name)[:60]}"
            if not _PARAMETER.fullmatch(str(name)) or name in _RESERVED:
                self.faults.note(column, "is no name: letters, digits, `_`")
            elif name in KINDS:
                self.faults.note(column, "is a name of the schema already")
            elif not _is_constant(value):
                self.faults.note(
                    column, "must be a whole number, a text, true or false, or a list of one kind"
                )
            else:
                found[name] = tuple(value) if is_list(value) else value
        return found

    def _condition(self, parameters: Parameters, asks: str | None) -> Node | None:
        text = self.data.get("when")
        if not isinstance(text, str):
            self.faults.note("when", "is required: a condition")
            return None
        try:
            tree = parse(text)
            read = names_of(tree)
            tree = with_parameters(tree, parameters)
            check(tree, KINDS)
        except CelError as bad:
            self.faults.note("when", str(bad))
            return None
        for name in parameters:
            if name not in read and self.data.get("threshold") != name:
                self.faults.note(f"parameters.{name}", "is not used")
        if asks == "order":
            for name in names_of(tree):
                if name in NAMES and NAMES[name].path:
                    self.faults.note("when", f"{name} is known to rows that ask `path` alone")
        return tree

    def _need_shown(self, asks: str | None, parameters: Parameters) -> None:
        """Insist that what a reason shows is a name, or for the threshold a constant."""
        for key in ("observed", "threshold"):
            name = self.data.get(key)
            if name is None:
                continue
            if not isinstance(name, str):
                self.faults.note(key, "must be a name of the schema")
            elif key == "threshold" and name in parameters:
                continue
            elif name not in KINDS:
                self.faults.note(key, "must be a name of the schema")
            elif asks == "order" and name in NAMES and NAMES[name].path:
                self.faults.note(key, f"{name} is known to rows that ask `path` alone")


def _is_constant(value: object) -> bool:
    if isinstance(value, list | tuple):
        kinds = {type(one) for one in value}
        return 0 < len(value) <= MOST_VALUES and len(kinds) == 1 and all(map(_is_plain, value))
    return _is_plain(value)


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_VALUE and value.isprintable()
    return type(value) is bool or (type(value) is int and -LARGEST <= value <= LARGEST)
