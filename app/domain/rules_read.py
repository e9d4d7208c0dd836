"""A rule set from JSON: everything is looked at, and every fault told with its row and column."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.domain.rules_faults import (
    CODE,
    ID,
    Faults,
    RuleSetError,
    is_list,
    need_known_keys,
    read_text,
    read_tolerance,
)
from app.domain.rules_row import CLASSES, RowReader
from app.domain.rules_rows import Row
from app.domain.rules_sets import RuleSet
from app.domain.terms import ClassTerms, read_class_terms

FORMAT: Final = 2
MOST_ROWS: Final = 1_000

SET_KEYS: Final = frozenset(
    {"format", "name", "tolerance_percent", "terms", "texts", "clauses", "rows", "examples"}
)

_LANGUAGES: Final = ("zh", "en")
_PLACE: Final = re.compile(r"\{(?:observed|threshold)\}")
_LONGEST: Final = 500


def read_new_form(version: int, data: Mapping[str, Any]) -> RuleSet:
    """Read a rule set of the form with conditions.

    Raises:
        RuleSetError: Anything unknown, ambiguous, too large or of a wrong type.

    """
    faults = Faults()
    need_known_keys(faults, data, SET_KEYS)
    tolerance = read_tolerance(faults, data.get("tolerance_percent", "0"))
    texts = _texts(faults, data.get("texts", {}))
    clauses = _clauses(faults, data.get("clauses", ()))
    terms = _terms(faults, data.get("terms", {}))
    rows = _rows(faults, data.get("rows"), texts)
    examples = data.get("examples", ())
    if not is_list(examples) or not all(isinstance(one, Mapping) for one in examples):
        faults.note("examples", "must be a list of objects")
        examples = ()
    name = read_text(faults, data, "name")
    if faults.found:
        raise RuleSetError(version, faults.found)
    return RuleSet(version, tolerance, rows, name, terms, clauses, texts, tuple(examples))


def _texts(faults: Faults, given: object) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    if not isinstance(given, Mapping):
        faults.note("texts", "must be an object")
        return found
    for code, one in given.items():
        if not isinstance(code, str) or not CODE.fullmatch(code):
            faults.note("texts", f"{str(code)[:60]!r} is no reason code (A-Z, 0-9, _)")
        elif not isinstance(one, Mapping) or not all(_sentence(one.get(key)) for key in _LANGUAGES):
            faults.note(
                f"texts.{code}",
                "needs zh and en; they may hold {observed} and {threshold}, no more",
            )
        else:
            found[code] = (str(one["zh"]), str(one["en"]))
    return found


def _sentence(value: object) -> bool:
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST:
        return False
    bare = _PLACE.sub("", value)
    return bare.isprintable() and not {"{", "}"} & {*bare}


def _clauses(faults: Faults, given: object) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    if not isinstance(given, Sequence) or isinstance(given, str):
        faults.note("clauses", "must be a list")
        return found
    for place, one in enumerate(given):
        clause = one.get("id") if isinstance(one, Mapping) else None
        if not isinstance(clause, str) or not ID.fullmatch(clause):
            faults.note(f"clauses[{place}].id", "must be 1 to 64 of letters, digits, `.`, `-`, `_`")
        elif clause in found:
            faults.note(f"clauses[{place}].id", f"two clauses are {clause}")
        elif not all(isinstance(one.get(key), str) and one[key].strip() for key in _LANGUAGES):
            faults.note(f"clauses[{place}]", "needs zh and en")
        else:
            found[clause] = (one["zh"], one["en"])
    return found


def _terms(faults: Faults, given: object) -> dict[str, ClassTerms]:
    found: dict[str, ClassTerms] = {}
    if not isinstance(given, Mapping):
        faults.note("terms", "must be an object of terms by risk class")
        return found
    for risk_class, one in given.items():
        terms = read_class_terms(one)
        if risk_class not in CLASSES:
            faults.note(f"terms.{str(risk_class)[:20]}", f"is none of {', '.join(CLASSES)}")
        elif isinstance(terms, str):
            faults.note(f"terms.{risk_class}", terms)
        else:
            found[risk_class] = terms
    return found


def _rows(faults: Faults, given: object, texts: Mapping[str, tuple[str, str]]) -> tuple[Row, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        faults.note("rows", "must be a list")
        return ()
    if len(given) > MOST_ROWS:
        faults.note("rows", f"{len(given)} rows; at most {MOST_ROWS}")
        return ()
    rows, seen = [], dict[str, int]()
    for place, one in enumerate(given):
        faults.place, faults.rule_id = f"rows[{place}]", None
        if not isinstance(one, Mapping):
            faults.note("", "must be an object")
            continue
        row = RowReader(faults, one, texts).read()
        if row is not None:
            rows.append(row)
            if row.rule_id in seen:
                faults.note("id", f"is that of rows[{seen[row.rule_id]}] too; each has its own")
            seen.setdefault(row.rule_id, place)
    faults.place, faults.rule_id = "", None
    return tuple(rows)
