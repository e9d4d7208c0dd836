"""`aval run`: the service with a sample ledger until Ctrl-C; a second run keeps its data."""

import csv
import os
from collections.abc import Callable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Final
from zoneinfo import ZoneInfo

import typer

from app.cli.database import read_settings, say
from app.cli.failures import RefusedError, WrongUseError
from app.cli.import_ledger import IMPORTER
from app.cli.import_master import MasterImport
from app.cli.imports import LedgerPlan, import_ledger, import_rows
from app.cli.ledger_batches import ledger_batches
from app.cli.ledger_rows import LEDGER_COLUMNS
from app.cli.ledger_totals import Expected
from app.cli.master_rows import CUSTOMER_COLUMNS, LIMIT_COLUMNS
from app.cli.sample import sample_customers, sample_ledger, sample_limits
from app.cli.sample_lines import lines_to_try
from app.cli.serve import Host, Port
from app.cli.serve_options import DEFAULTS, ServeOptions
from app.cli.service import KEY_FILE, Plan, make_first_key, serve_until_stopped
from app.cli.tables import Table, open_table
from app.cli.tables_rejects import RejectWriter, reject_path
from app.cli.tables_shape import Columns
from app.composition import Composition
from app.settings import Settings
from app.store import accounts
from app.store.clock import own_clock
from app.usecases.facts_events import parse_events
from app.usecases.seeds import DEFAULT_SEGMENT

SEED: Final = 2026
"""The same sample on every machine, but for the day it ends on."""

MARK: Final = "sample"
"""The folder in the state directory with the sample's files, and how far their import came."""

LEDGER: Final = "ledger.csv"
SOURCE: Final = "sample"

_COMPLETE: Final = "complete"
_ZONE: Final = ZoneInfo("Asia/Shanghai")


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""
    cli.command("run")(_run)


def _run(host: Host = DEFAULTS.host, port: Port = DEFAULTS.port) -> None:
    """Serve with a sample ledger, loaded and scored on the first run, until Ctrl-C."""
    settings = _quiet(read_settings())
    if settings.database_url is not None:
        raise WrongUseError(
            "AVAL_DATABASE_URL: must not be set, as the sample is kept in a database of its own in"
            " AVAL_STATE_DIR; `aval serve` serves yours"
        )

    def prepare(parts: Composition) -> None:
        make_first_key(settings, parts)
        load_once(settings.state_dir / MARK, parts)

    def show(url: str) -> None:
        # Beside the service, because the lines are made by asking it.
        Thread(target=_show, args=(url, settings), name="lines", daemon=True).start()

    serve_until_stopped(Plan(settings, ServeOptions(host, port), before=prepare, after=show))


def _quiet(settings: Settings) -> Settings:
    """Keep the terminal for people, unless the environment says what to log."""
    calm = {"log_level": "warning", "log_format": "console"}
    kept = {name: value for name, value in calm.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=kept)


def load_once(folder: Path, parts: Composition) -> None:
    """Load the sample unless it is in, or the ledger is somebody's own.

    A load that was interrupted is taken up again with the day it began on, so that it makes the
    same documents and finds most of them there.

    Raises:
        RefusedError: Some rows were not taken, or how far it came is not known any more.
        BusyError: The database was out of reach; the next run goes on.

    """
    mark = folder / "state"
    if mark.exists():
        today, complete = _read_mark(mark)
        if complete:
            report_again(parts, folder / LEDGER)
            return
    else:
        with parts.database.read() as tx:
            if accounts.count(tx):
                return
        today = own_clock().astimezone(_ZONE).date()
        folder.mkdir(exist_ok=True)
        _write_mark(mark, f"{today}")
    say(f"making a sample ledger of two years up to {today} (once; takes a while)")
    load_sample(parts, folder, today)
    _write_mark(mark, f"{today} {_COMPLETE}")


def _read_mark(mark: Path) -> tuple[date, bool]:
    told = mark.read_text(encoding="utf-8").strip()
    day, _, done = told.partition(" ")
    try:
        return date.fromisoformat(day), {"": False, _COMPLETE: True}[done]
    except (ValueError, KeyError):
        begin = "without its folder and the database beside it the next run begins anew"
        raise RefusedError(f"{mark}: does not say how far the sample came: {begin}") from None


def _write_mark(mark: Path, told: str) -> None:
    """Write it whole or not at all: a run may be killed at any moment."""
    new = mark.with_name(f"{mark.name}.new")
    with new.open("w", encoding="utf-8") as file:
        file.write(f"{told}\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(mark)


def report_again(parts: Composition, ledger: Path) -> None:
    """Report the sample's first row again, as an ERP reports every night.

    It changes nothing, and without it a sample of last week would be a ledger that nobody feeds:
    rightly, every order would be held as STALE_LEDGER.

    Raises:
        BusyError: The database was out of reach.

    """
    rows = islice(open_table(ledger, LEDGER_COLUMNS), 1) if ledger.exists() else ()
    for batch in ledger_batches(rows, source=SOURCE, segment=DEFAULT_SEGMENT):
        parts.desk.facts.apply(IMPORTER, parse_events(batch.events))


def load_sample(parts: Composition, folder: Path, today: date) -> None:
    """Put the sample's customers, limits and ledger in as an import of files would, and score.

    The files stay in `folder`, to look at and to import again, which changes nothing.

    Raises:
        RefusedError: Some rows were not taken.
        BusyError: The database was out of reach; the next run goes on.

    """
    folder.mkdir(exist_ok=True)
    put, limit = parts.desk.parties.put_customer, parts.desk.parties.propose_limit
    customers = _write(folder / "customers.csv", sample_customers(SEED))
    import_master(customers, CUSTOMER_COLUMNS, lambda run, table: run.put_customers(table, put))
    limits = _write(folder / "limits.csv", sample_limits(SEED, today))
    import_master(limits, LIMIT_COLUMNS, lambda run, table: run.set_limits(table, limit))
    ledger = _write(folder / LEDGER, sample_ledger(SEED, today))
    plan = LedgerPlan(SOURCE, DEFAULT_SEGMENT, Expected())
    import_ledger(parts, open_table(ledger, LEDGER_COLUMNS), plan)


def import_master(file: Path, columns: Columns, run: Callable[[MasterImport, Table], None]) -> None:
    """Put a file of master data in.

    Raises:
        RefusedError: Some rows were not taken.

    """
    table = open_table(file, columns)
    with RejectWriter(reject_path(file), table.headers) as writer:
        counts = import_rows(table, writer.write, lambda one: run(one, table))
    if counts.rejected:
        raise RefusedError(f"{counts.rejected} of {counts.rows} rows were not taken: {writer.path}")
    say(f"{file.stem}: {counts.rows}")


def _write(file: Path, rows: Iterator[dict[str, str]]) -> Path:
    first = next(rows)
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(first))
        writer.writeheader()
        writer.writerow(first)
        writer.writerows(rows)
    return file


def _show(url: str, settings: Settings) -> None:
    place = settings.state_dir / KEY_FILE
    try:
        token = place.read_text(encoding="ascii").strip()
        for line in lines_to_try(url, token, place):
            typer.echo(line)
    except OSError as trouble:
        say(f"no lines to try: {trouble.filename or url}: {trouble.strerror or trouble}")
