"""`aval import …` and `aval export …`: ledgers, master data, limits and scorecards as files.

Exit 1: a file is refused as a whole (nothing was changed), or some of its rows were not taken (the
others were; the reject file says which and why). Exit 2: a command that cannot be meant.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from app.cli.database import open_composition, read_settings, say
from app.cli.failures import RefusedError, WrongUseError
from app.cli.financial_rows import STATEMENT_COLUMNS
from app.cli.import_ledger import Doors, LedgerCounts, LedgerImport, LedgerSource
from app.cli.import_master import MasterImport, RowCounts
from app.cli.ledger_rows import LEDGER_COLUMNS
from app.cli.ledger_totals import Expected, count_totals, parse_expected
from app.cli.limit_sheets import export_limits
from app.cli.limits_preview import try_limits
from app.cli.master_rows import CUSTOMER_COLUMNS, LIMIT_COLUMNS
from app.cli.policy import export_rules, import_rules
from app.cli.progress import Shown
from app.cli.rating import models_loaded
from app.cli.scorecards import export_scorecard, import_scorecard
from app.cli.tables import Table, open_table
from app.cli.tables_fields import is_printable
from app.cli.tables_rejects import Reject, RejectWriter, reject_path
from app.cli.tables_shape import Columns
from app.composition import Composition
from app.domain.errors import BusyError, FileRefusedError
from app.domain.money import minor_to_text
from app.store.clock import own_clock
from app.store.ids import IdSource
from app.telemetry import set_up_log
from app.usecases.facts import ApplyFacts
from app.usecases.imports import FindCustomers, NeedSegment, SeeInvoices, TakeCurrencies
from app.usecases.score_portions import RescoreTouched, ScorePortion

_LONGEST_SOURCE: Final = 64

File = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="CSV, CSV.gz, XLSX or Parquet")
]


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""
    into = typer.Typer(help="Put a file in; twice changes nothing")
    into.command("ledger")(_ledger)
    into.command("customers")(_customers)
    into.command("limits")(_limits)
    into.command("financials")(_financials)
    into.command("scorecard")(import_scorecard)
    into.command("rules")(import_rules)
    cli.add_typer(into, name="import")
    out = typer.Typer(help="Write a file")
    out.command("scorecard")(export_scorecard)
    out.command("rules")(export_rules)
    out.command("limits")(export_limits)
    cli.add_typer(out, name="export")


@dataclass(frozen=True, slots=True)
class LedgerPlan:
    """What is asked of a ledger's import."""

    source: str
    segment: str
    expected: Expected


def _ledger(
    file: File,
    source: Annotated[str, typer.Option(help="The system it comes from")],
    segment: Annotated[str, typer.Option(help="The segment it belongs to")] = "main",
    expect_rows: Annotated[int | None, typer.Option(help="Rows its sender counted")] = None,
    expect_total: Annotated[
        list[str] | None, typer.Option(help="Sum its sender counted, CUR=AMOUNT; repeatable")
    ] = None,
) -> None:
    """Import an AR ledger, a row an invoice, and score the customers it touches."""
    if not (0 < len(source) <= _LONGEST_SOURCE and is_printable(source)):
        raise WrongUseError(f"--source: must be 1 to {_LONGEST_SOURCE} printable characters")
    plan = LedgerPlan(source, segment, parse_expected(expect_rows, expect_total or ()))
    with _refusals():
        table = _open(file, LEDGER_COLUMNS)
        if plan.expected != Expected():
            count_totals(table).verify(plan.expected, file.name)
        with _composition() as parts:
            import_ledger(parts, table, plan)


def import_ledger(parts: Composition, table: Table, plan: LedgerPlan) -> None:
    """Put an open ledger in, tell what became of it, and score the customers it touched.

    Raises:
        RefusedError: Some rows were not taken, or some customers could not be scored.
        SegmentUnknownError: There is no such segment; nothing was changed.
        FileRefusedError: The reject file cannot be written, or the file changed meanwhile.
        BusyError: The database was out of reach; what was applied is found by the next run.

    """
    NeedSegment(parts.database)(plan.segment)
    touched: set[int] = set()
    doors = Doors(
        ApplyFacts(parts.database, own_clock, IdSource(), touched.update),
        parts.desk.parties.put_customer.if_new,
        FindCustomers(parts.database),
        TakeCurrencies(parts.database, own_clock),
        SeeInvoices(parts.database),
    )
    with _rejects(table) as writer:
        run = LedgerImport(doors, plan.source, plan.segment, writer.write)
        with Shown("import") as shown, _how_far(run.counts):
            run.run(
                LedgerSource(table, table.progress),
                lambda counts, done: shown.show(done, f"{counts.rows} rows"),
            )
    for line in ledger_lines(run.counts):
        typer.echo(line)
    unscored = _score_touched(parts, touched)
    if unscored and run.counts.rejected:
        say(unscored)
    _refuse_rest(run.counts.rejected, run.counts.rows, writer)
    if unscored:
        raise RefusedError(unscored)


def _score_touched(parts: Composition, account_ids: Collection[int]) -> str:
    """Score customers whose documents came in; says in a line who could not be, empty: nobody.

    The facts are in, and who was not scored stays due.
    """
    rater = parts.desk.scores.score_customers.rater
    run = RescoreTouched(ScorePortion(parts.database, own_clock, rater))
    try:
        with models_loaded(parts.desk), Shown("scoring") as shown:
            found = run(account_ids, lambda done, of: shown.show(done / of, f"{done} customers"))
    except BusyError as trouble:
        return f"scoring ended: {trouble.detail}; who was not scored stays due"
    typer.echo(f"{found.done} customers scored")
    return f"{found.rest()}; they stay due" if found.failed else ""


def ledger_lines(counts: LedgerCounts) -> Iterator[str]:
    """Say what became of a ledger: rows and customers, events by result, sums by currency."""
    yield f"{counts.rows} rows, {counts.rejected} rejected, {counts.new_customers} new customers"
    names = ("applied", "duplicate", "stale", "quarantined")
    yield "events: " + ", ".join(f"{counts.events[name]} {name}" for name in names)
    for currency, minor in sorted(counts.sums_minor.items()):
        yield f"total {currency} {minor_to_text(minor, currency)}"


def _customers(file: File) -> None:
    """Import master data, a row a customer: the fields of `PUT /v1/customers/{customer_id}`."""
    with _refusals():
        _import_rows(
            _open(file, CUSTOMER_COLUMNS),
            lambda run, table, parts: run.put_customers(table, parts.desk.parties.put_customer),
        )


def _limits(
    file: File,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change")] = False,
) -> None:
    """Import limits, a row a limit; a row whose limit counts still is known by its content."""
    with _refusals():
        if dry_run:
            table = _open(file, LIMIT_COLUMNS)
            with _composition() as parts:
                try_limits(table, parts.desk.parties.limits.bulk)
            return
        _import_rows(
            _open(file, LIMIT_COLUMNS),
            lambda run, table, parts: run.set_limits(table, parts.desk.parties.propose_limit),
        )


def _financials(file: File) -> None:
    """Import financial statements, a row a customer and year; figures and ratios by their names."""
    with _refusals():
        _import_rows(
            _open(file, STATEMENT_COLUMNS),
            lambda run, table, parts: run.put_statements(table, parts.desk.parties.put_statement),
        )


def _import_rows(table: Table, run: Callable[[MasterImport, Table, Composition], None]) -> None:
    with _composition() as parts, _rejects(table) as writer:
        counts = import_rows(table, writer.write, lambda one: run(one, table, parts))
    results = "".join(f", {count} {name}" for name, count in sorted(counts.results.items()))
    typer.echo(f"{counts.rows} rows, {counts.rejected} rejected{results}")
    _refuse_rest(counts.rejected, counts.rows, writer)


def import_rows(
    table: Table, reject: Callable[[Reject], None], run: Callable[[MasterImport], None]
) -> RowCounts:
    """Run over a table of master data, showing how far it is; returns what became of its rows."""
    with Shown("import") as shown:
        master = MasterImport(
            reject, lambda so_far: shown.show(table.progress(), f"{so_far.rows} rows")
        )
        with _how_far(master.counts):
            run(master)
    return master.counts


@contextmanager
def _composition() -> Iterator[Composition]:
    set_up_log("warning", "console")  # the terminal is told in words, not a line a batch
    with open_composition(read_settings()) as parts:
        yield parts


@contextmanager
def _refusals() -> Iterator[None]:
    """Let a refused file be a failed check (exit 1), not wrong use of the command."""
    try:
        yield
    except FileRefusedError as refused:
        raise RefusedError(refused.detail) from refused


@contextmanager
def _how_far(counts: LedgerCounts | RowCounts) -> Iterator[None]:
    """Say of a file that cannot be read to its end that the rows before are in."""
    try:
        yield
    except FileRefusedError as refused:
        if not counts.rows:
            raise
        told = f"{counts.rows} rows before that were dealt with already; import the whole file"
        raise FileRefusedError(f"{refused.detail}; {told} again") from refused


def _open(file: Path, columns: Columns) -> Table:
    table = open_table(file, columns)
    if table.note:
        say(f"{file.name}: {table.note}")
    if table.unknown:
        say(f"{file.name}: not used: {', '.join(table.unknown)}")
    return table


def _rejects(table: Table) -> RejectWriter:
    return RejectWriter(reject_path(table.path), table.headers)


def _refuse_rest(rejected: int, rows: int, writer: RejectWriter) -> None:
    if rejected:
        raise RefusedError(
            f"{rejected} of {rows} rows were not taken, the others were; see {writer.path}"
        )
