"""`aval import limits --dry-run`: what a file of limits would change, row by row and in money."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import typer

from app.cli.failures import RefusedError
from app.cli.import_master import MasterImport, RowCounts, limit_question, limit_result
from app.cli.master_rows import LimitRow
from app.cli.tables import Table
from app.cli.tables_rejects import Reject
from app.domain.limits import EffectiveLimit
from app.domain.money import Money, minor_to_text
from app.usecases.asks import Answer
from app.usecases.limits_bulk import BulkItem, BulkView, ProposeLimits


@dataclass(slots=True)
class LimitsPreview:
    """What the rows of a file would change; minor units more and less granted, by currency.

    An unlimited account before or after is in neither sum. What is only proposed changes nothing.
    """

    bulk: ProposeLimits
    changed: int = 0
    more: Counter[str] = field(default_factory=Counter)
    less: Counter[str] = field(default_factory=Counter)

    def __call__(self, row: LimitRow) -> str:
        """Try a row, tell what it would change, and name what would become of it."""
        keyed, ask = limit_question(row, self.bulk.propose)
        seen: list[BulkView] = []

        def keep(one: BulkView) -> Answer:
            seen.append(one)
            return Answer(201 if one.view.record.status == "APPROVED" else 202, b"{}")

        result = limit_result(self.bulk.would(keyed, BulkItem(row.customer_id, ask), keep))
        for one in seen:
            self._count(one, result)
        return result

    def _count(self, one: BulkView, result: str) -> None:
        currency, before, after = one.view.record.currency, one.before, one.after
        told = (one.view.customer_id, one.view.segment_id, one.view.record.valid_from.isoformat())
        moves = f"{_shown(before, currency)} -> {_shown(after, currency)}"
        typer.echo("\t".join((*told, moves, result)))
        was, now = (before.limit_minor, before.unlimited), (after.limit_minor, after.unlimited)
        self.changed += was != now
        if not (before.unlimited or after.unlimited):
            step = (after.limit_minor or 0) - (before.limit_minor or 0)
            (self.more if step > 0 else self.less)[currency] += abs(step)

    def lines(self, counts: RowCounts) -> Iterator[str]:
        """Sum up."""
        results = "".join(f", {count} {name}" for name, count in sorted(counts.results.items()))
        yield f"{counts.rows} rows, {counts.rejected} rejected{results}; nothing was saved"
        yield f"{self.changed} effective limits would change"
        for currency in sorted(+self.more | +self.less):
            more, less = (
                minor_to_text(sums[currency], currency) for sums in (self.more, self.less)
            )
            yield f"{currency} {more} more, {less} less"


def try_limits(table: Table, bulk: ProposeLimits) -> None:
    """Say of each row what it would change if it were the only one; nothing is saved.

    Raises:
        RefusedError: Some rows would not be taken.

    """
    preview = LimitsPreview(bulk)
    run = MasterImport(_refuse, lambda _: None)
    run.try_limits(table, preview)
    for line in preview.lines(run.counts):
        typer.echo(line)
    if run.counts.rejected:
        raise RefusedError(f"{run.counts.rejected} of {run.counts.rows} rows would not be taken")


def _refuse(one: Reject) -> None:
    typer.echo(f"line {one.line}: {one.field}: {one.reason}")


def _shown(found: EffectiveLimit, currency: str) -> str:
    if found.unlimited:
        return "unlimited"
    return "none" if found.limit_minor is None else str(Money(found.limit_minor, currency))
