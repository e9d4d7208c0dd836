"""`aval try-rules VERSION --since DATE --until DATE`: a policy on all decisions of a period.

Several processes share the period, a slice of about as many decisions each at a time.
"""

from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from multiprocessing import get_context
from typing import Annotated, Final

import typer

from app.api.trials import report_of
from app.cli.database import open_database, read_settings
from app.cli.failures import WrongUseError
from app.cli.progress import Shown
from app.domain.rules import read_rule_set
from app.domain.trials import Trial
from app.settings import Settings
from app.store import rules, trials
from app.store.database import Database
from app.store.trials import Period
from app.usecases.trials import TryRuleSet

_SLICES: Final = 8
"""For each process: those that are done early take another."""

Since = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day (UTC)")]
Until = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day (UTC) after the last")]
Processes = Annotated[int, typer.Option(min=1, max=64, help="How many work at once")]


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""
    cli.command("try-rules")(_try_rules)


def _try_rules(version: int, since: Since, until: Until, processes: Processes = 2) -> None:
    """Judge the decisions of a period by another version of the policy, and report as JSON."""
    period = Period(since.replace(tzinfo=UTC), until.replace(tzinfo=UTC))
    if period.until <= period.since:
        raise WrongUseError("try-rules: --until must be later than --since")
    typer.echo(try_rules(read_settings(), version, period, processes))


def try_rules(settings: Settings, version: int, period: Period, processes: int) -> str:
    """Return the report of `POST /v1/rule-sets/{version}/trial`, without its bound.

    Raises:
        NotFoundError: There is no such version.
        SchemaOldError: The database is at another revision.
        BusyError: The database was out of reach.

    """
    with open_database(settings) as database:
        with database.read() as tx:
            rules.data_of(tx, version)
            cuts = trials.cuts(tx, period, processes * _SLICES)
        slices = [Period(since, until) for since, until in pairwise(cuts)]
        trial = Trial()
        context = get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as pool, Shown("trying") as shown:
            of_slice = pool.map(_one, slices, [version] * len(slices), [database.url] * len(slices))
            for done, part in enumerate(of_slice, start=1):
                trial.follow(part)
                shown.show(done / len(slices), f"{trial.decisions:,} decisions")
        tried = TryRuleSet(database, lambda: datetime.now(UTC)).follow(trial)
    return report_of(tried).model_dump_json(indent=2)


def _one(period: Period, version: int, url: str) -> Trial:
    """Judge one slice in a process of its own."""
    with closing(Database(url)) as database:
        with database.read() as tx:
            policy = read_rule_set(version, rules.data_of(tx, version))
        return TryRuleSet(database, lambda: datetime.now(UTC)).run(policy, period)
