"""`aval rules list|lint`: the versions of the policy, and a look at one in a file."""

from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from app.api.parse import parse_strict
from app.cli.database import open_desk, read_settings
from app.cli.failures import RefusedError, WrongUseError
from app.domain.callers import Caller
from app.domain.errors import BadRequestError
from app.domain.errors_rules import RuleSetRefusedError
from app.texts import text
from app.usecases.rules import Linted, inspect, readable

_EVERYBODY: Final = Caller("aval", frozenset({"admin"}))
_MOST_BYTES: Final = 8 * 1024 * 1024
_A_PAGE: Final = 500


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""
    group = typer.Typer(help="The credit policy: versions, and a look at a draft")
    group.command("list")(_list)
    group.command("lint")(_lint)
    cli.add_typer(group, name="rules")


def _list() -> None:
    """List the newest versions: number, how far it has come, where it is in force, author, name."""
    with open_desk(read_settings()) as desk:
        for one in desk.rules.read.page(_EVERYBODY, None, _A_PAGE):
            stored, where = one.stored, ",".join(one.active_in) or "-"
            told = [str(stored.life.version), one.status, where, stored.life.author, stored.name]
            typer.echo("\t".join(told))


def _lint(
    file: Annotated[Path, typer.Argument(help="A rule set as JSON, as it is sent to the API")],
) -> None:
    """Say what is wrong with a policy and run its examples; exit 1 on an error."""
    found = looked_at(_read(file))
    for one in found.findings:
        said = text(one.code, one.values)
        typer.echo(f"{one.severity}\t{one.field}\t{said.en} {said.zh}")
    failed = sum(bool(one.problem) for one in found.tests)
    typer.echo(f"{len(found.findings)} findings, {len(found.tests)} examples, {failed} failed")
    errors = sum(one.severity == "ERROR" for one in found.findings)
    if errors:
        raise RefusedError(f"{file}: {errors} errors keep it from being proposed")


def looked_at(data: dict[str, Any]) -> Linted:
    """Read, lint and test a policy.

    Raises:
        RefusedError: It is no rule set; the first fault with its row and column.

    """
    try:
        return inspect(readable(0, data))
    except RuleSetRefusedError as refused:
        for field, message in refused.faults:
            typer.echo(f"ERROR\t{field}\t{message}")
        raise RefusedError(f"{len(refused.faults) or 1} faults: {refused.detail}") from None


def _read(file: Path) -> dict[str, Any]:
    if file.stat().st_size > _MOST_BYTES:
        raise WrongUseError(f"{file}: larger than {_MOST_BYTES} bytes")
    try:
        data = parse_strict(file.read_bytes())
    except (BadRequestError, orjson.JSONDecodeError) as bad:
        raise WrongUseError(f"{file}: {bad}") from None
    # what the API takes as a draft is taken as well
    inner = data.get("rule_set", data) if isinstance(data, dict) else None
    if not isinstance(inner, dict):
        raise WrongUseError(f"{file}: must be a JSON object")
    return inner
