"""What the checker reads of a rule's condition: the comparisons that must hold all together.

It is no parser of conditions, on purpose: what it cannot read for certain it does not judge by.
"""

import re
from typing import Any, Final

from app.store.checker_figures import Json

_COMPARED: Final = re.compile(r"\s*([A-Za-z_]\w*)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*", re.ASCII)
_BARE: Final = re.compile(r"\s*(!?)\s*([A-Za-z_]\w*)\s*", re.ASCII)
_NUMBER: Final = re.compile(r"-?[0-9]+", re.ASCII)
_SIMPLE_TEXT: Final = re.compile(r"""(["'])([^"'\\]*)\1""")


def terms_of(row: Json) -> list[list[Any]]:
    """List [name, operation, value] of a row: as they are stored, or read out of a condition."""
    when = row["when"]
    if not isinstance(when, str):
        return list(when)
    if any(sign in when for sign in ("||", "?", "(", "&&&")):
        return []
    parameters = row.get("parameters", {})
    found = [_term(part, parameters) for part in when.split("&&")]
    return [one for one in found if one is not None]


def _term(part: str, parameters: Json) -> list[Any] | None:
    bare = _BARE.fullmatch(part)
    if bare is not None and bare[2] not in parameters:
        return [bare[2], "==", not bare[1]]
    compared = _COMPARED.fullmatch(part)
    if compared is None:
        return None
    name, operation, right = compared.groups()
    value = _constant(right, parameters)
    return None if value is None or name in parameters else [name, operation, value]


def _constant(text: str, parameters: Json) -> Any:  # noqa: ANN401 - a constant of a condition
    if _NUMBER.fullmatch(text):
        return int(text)
    quoted = _SIMPLE_TEXT.fullmatch(text)
    if quoted is not None:
        return quoted[2]
    if text in {"true", "false"}:
        return text == "true"
    value = parameters.get(text)
    return None if isinstance(value, list) else value
