"""The independent checker: whether the ledger is what its journal, documents and decisions say.

It shares no code with what writes the ledger, changes nothing, and looks at one snapshot of a
running service; a read-only account or a replica will do. See docs/checker.md.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from psycopg import Connection
from psycopg.rows import DictRow

from app.store.checker_adjustments import check_adjustments
from app.store.checker_decisions import check_decisions
from app.store.checker_documents import check_documents
from app.store.checker_ground import Difference, Snapshot, connect
from app.store.checker_holds import check_hold_decisions, check_hold_histories
from app.store.checker_inputs import check_inputs, check_policies
from app.store.checker_journal import check_entries, check_last_entries, check_paths
from app.store.checker_limits import check_limits
from app.store.checker_links import (
    check_decision_ids,
    check_holds,
    check_quarantine,
    check_stops,
)
from app.store.checker_positions import check_positions
from app.store.checker_releases import check_releases, check_terms
from app.store.checker_reports import check_reports
from app.store.checker_retold import check_retold
from app.store.checker_revaluation import check_revaluations

_STEPS: Final[dict[str, Callable[[Snapshot], Iterator[Difference]]]] = {
    "groups": check_paths,
    "journal": check_entries,
    "revaluations": check_revaluations,
    "balances": check_last_entries,
    "limits": check_limits,
    "documents": check_documents,
    "retold": check_retold,
    "positions": check_positions,
    "adjustments": check_adjustments,
    "reports": check_reports,
    "quarantine": check_quarantine,
    "holds": check_holds,
    "stops": check_stops,
    "hold histories": check_hold_histories,
    "releases": check_releases,
    "inputs": check_inputs,
    "policies": check_policies,
    "keys": check_decision_ids,
    "decisions": check_decisions,
    "expiries": check_terms,
    "hold decisions": check_hold_decisions,
}
"""What is checked, in this order: each step rests on those before it."""

_TOTALS: Final = """
SELECT (SELECT count(*) FROM account) AS accounts, (SELECT count(*) FROM journal) AS entries,
    (SELECT count(*) FROM decision) AS decisions,
    (SELECT count(*) FROM order_fact WHERE version >= 0)
        + (SELECT count(*) FROM delivery WHERE version >= 0)
        + (SELECT count(*) FROM invoice WHERE version >= 0)
        + (SELECT count(*) FROM payment WHERE version >= 0)
        + (SELECT count(*) FROM note WHERE version >= 0)
        + (SELECT count(*) FROM credit WHERE version >= 0)
        + (SELECT count(*) FROM dispute WHERE version >= 0)
        + (SELECT count(*) FROM adjustment) AS documents
"""

_NAME: Final = "SELECT customer_id, segment_id FROM account WHERE account_id = %(account_id)s"


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at; `difference` is the first one found, as a line, None where all is exact.

    `documents` counts documents once, not their versions.
    """

    accounts: int
    entries: int
    documents: int
    decisions: int
    difference: str | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing differs."""
        return self.difference is None

    def __str__(self) -> str:
        """Say it in one line."""
        return self.difference or (
            f"{self.accounts:,} accounts, {self.entries:,} journal entries,"
            f" {self.documents:,} documents, {self.decisions:,} decisions: all exact"
        )


def check_ledger(url: str, begin: Callable[[str], None] = lambda _step: None) -> Report:
    """Check everything in one snapshot; `begin` hears the name of each step as it begins.

    Memory stays bounded whatever the size of the ledger. Stops at the first difference.

    Raises:
        psycopg.Error: The database could not be read, or its schema is another one.

    """
    with closing(connect(url)) as connection:
        return check_within(connection, begin)


def check_within(
    connection: Connection[DictRow], begin: Callable[[str], None] = lambda _step: None
) -> Report:
    """Check what the transaction of a connection sees; it is left open.

    Raises:
        psycopg.Error: The database could not be read, or its schema is another one.

    """
    snapshot = Snapshot(connection)
    totals = snapshot.rows(_TOTALS)[0]
    for step, check in _STEPS.items():
        begin(step)
        first = next(check(snapshot), None)
        if first is not None:
            return Report(**totals, difference=f"{step}: {_named(snapshot, first)}")
    return Report(**totals)


def _named(snapshot: Snapshot, difference: Difference) -> str:
    if difference.account_id is None:
        return difference.text
    account = f"account {difference.account_id}"
    for row in snapshot.rows(_NAME, {"account_id": difference.account_id}):
        account += f" (customer {row['customer_id']}, segment {row['segment_id']})"
    return f"{account}: {difference.text}"
