"""Revaluations: a rate of those days changes what positions are worth, and nothing else."""

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any, Final

from app.store.checker_ground import (
    Amounts,
    Difference,
    Snapshot,
    amounts,
    columns,
    minus,
    undue,
    worth_of_all,
)

_REVALUATIONS: Final = """
SELECT j.*, p.foreign_use AS foreign_before,
    p.authorized_minor AS before_authorized_minor,
    p.open_delivery_minor AS before_open_delivery_minor,
    p.open_item_minor AS before_open_item_minor,
    p.note_receivable_minor AS before_note_receivable_minor,
    p.prepayment_minor AS before_prepayment_minor
FROM journal j JOIN journal p ON p.account_id = j.account_id AND p.seq = j.seq - 1
WHERE j.kind = 'FX_REVALUATION'
ORDER BY j.account_id, j.seq
"""

Json = Mapping[str, Any]


def check_revaluations(snapshot: Snapshot) -> Iterator[Difference]:
    """Hold every revaluation to the entry before it: positions stay, in each currency.

    The rates that changed are of its day, or of the week before.
    """
    for row in snapshot.stream(_REVALUATIONS):
        fault = _fault(row)
        if fault:
            text = f"journal entry {row['seq']} (FX_REVALUATION): {fault}"
            yield Difference(row["account_id"], text)


def _fault(row: Json) -> str | None:
    before, after = row["foreign_before"] or {}, row["foreign_use"] or {}
    for code in sorted({*before, *after}):
        one, other = amounts(before.get(code, {})), amounts(after.get(code, {}))
        if one != other:
            return f"position in {code}: expected {one} minor units as before, found {other}"
    newer = [held["rate"] for code, held in after.items() if held["rate"] != _rate(before, code)]
    if not newer:
        return "expected another rate than before, found none"
    try:
        own = _own(columns(row, "before_"), before), _own(columns(row), after)
    except ValueError as error:
        return str(error)
    if own[0] != own[1]:
        return f"position in its own currency: expected {own[0]} as before, found {own[1]}"
    # the business day of its segment's zone, which may be another by now, is this one or beside it
    return undue(newer, row["at"].astimezone(UTC).date(), slack=1)


def _rate(foreign: Json, code: str) -> object:
    return foreign.get(code, {}).get("rate")


def _own(use: Amounts, foreign: Json) -> Amounts:
    """Take off what foreign positions are worth; their rates say which currency is the account's.

    Raises:
        ValueError: A rate is not between its position's currency and another one.

    """
    pairs = {code: {str(name) for name in held["rate"][:2]} for code, held in foreign.items()}
    own = {name for code, pair in pairs.items() for name in pair - {code}}
    if len(own) != 1:
        message = f"expected rates between its own currency and others, found {sorted(own)}"
        raise ValueError(message)
    return minus(use, worth_of_all(foreign, own.pop()))
