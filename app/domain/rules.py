"""The credit policy as a table of rows, evaluated over a flat context of typed names.

A rule set is data (JSON in the database, immutable by version), so that a stored decision can be
judged again by the very version that judged it. A row fires where its condition holds. A name that
is missing from the context is never "no hit": the row then holds with MISSING_INPUT.
"""

from collections.abc import Mapping
from typing import Any

from app.domain.cel import Value
from app.domain.rules_faults import MOST_TOLERANCE_PERCENT, Fault, RuleSetError
from app.domain.rules_reach import Subject
from app.domain.rules_read import FORMAT, read_new_form
from app.domain.rules_rows import Context, Fired, Outcome, Row, RowOutcome
from app.domain.rules_sets import RuleSet, settled
from app.domain.rules_terms import read_old_form

__all__ = [
    "FORMAT",
    "MOST_TOLERANCE_PERCENT",
    "Context",
    "Fault",
    "Fired",
    "Outcome",
    "Row",
    "RowOutcome",
    "RuleSet",
    "RuleSetError",
    "Subject",
    "Value",
    "read_rule_set",
    "settled",
]


def read_rule_set(version: int, data: Mapping[str, Any]) -> RuleSet:
    """Read a rule set as it is stored, of either form.

    Raises:
        RuleSetError: The data is no rule set; says where and why.

    """
    written = data.get("format", 1)
    if written == FORMAT:
        return read_new_form(version, data)
    if written == 1:
        return read_old_form(version, data)
    raise RuleSetError(version, [Fault("format", f"{written!r} is none of 1, {FORMAT}")])
