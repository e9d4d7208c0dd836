"""`aval export rules` and `aval import rules`: the credit policy as a workbook or a CSV folder."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from app.api.rules import drafted
from app.api.rules_sheets import preview_out
from app.cli.database import open_seeded, read_settings
from app.cli.failures import RefusedError, WrongUseError
from app.domain.callers import Caller
from app.domain.errors import FileRefusedError
from app.domain.rules import read_rule_set
from app.domain.rules_write import rule_set_to_json
from app.domain.segments import MAIN
from app.sheets.rules import read_rules, write_rules
from app.sheets.rules_csv import read_rules_csv, write_rules_csv
from app.store.trials import Period
from app.usecases.keyed import Keyed
from app.usecases.rules_sheets import RuleSheets

OPERATOR = Caller("aval", frozenset({"admin"}), None)
"""Who works at the terminal of the machine: no second person, so never who approves."""

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="UTC; tried from/until")]
Segment = Annotated[str, typer.Option(help="Whose policy in force it is compared with")]


def export_rules(
    path: Annotated[Path, typer.Argument(help="An .xlsx file, or a folder for CSV files")],
    version: Annotated[int | None, typer.Option(min=1, help="Absent: in force in main")] = None,
) -> None:
    """Write a version of the policy; what exists is not touched."""
    if path.exists():
        raise WrongUseError(f"{path}: there is such a file already")
    with open_seeded(read_settings()) as database:
        read = RuleSheets.over(database, _now).read
        view, data = read.one(OPERATOR, version) if version else read.active(OPERATOR, MAIN)
    number = view.stored.life.version
    policy = rule_set_to_json(read_rule_set(number, data))
    if path.suffix == ".xlsx":
        path.write_bytes(write_rules(policy))
    else:
        path.mkdir(parents=True)
        for name, file in write_rules_csv(policy).items():
            (path / f"{name}.csv").write_bytes(file)
    typer.echo(f"{path}: rule set {number}, {len(policy['rows'])} rules")


def import_rules(
    path: Annotated[Path, typer.Argument(exists=True, help="What `aval export rules` writes")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change")] = False,
    segment: Segment = MAIN,
    since: Day = None,
    until: Day = None,
) -> None:
    """Store a policy as a draft, or say as JSON what it would change; people approve it."""
    data = _read(path)
    with open_seeded(read_settings()) as database:
        sheets = RuleSheets.over(database, _now)
        if dry_run:
            found = sheets.compare(OPERATOR, data, segment, _period(since, until, segment))
            typer.echo(preview_out(found).model_dump_json(indent=2))
            return
        digest = sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).digest()
        keyed = Keyed(OPERATOR, f"import rules {digest.hex()}", digest)
        told = orjson.loads(sheets.draft(keyed, data, f"from {path.name}", drafted).body)
    typer.echo(f"rule set {told['version']} is a draft: propose it, and let another approve it")


def _read(path: Path) -> Mapping[str, Any]:
    try:
        if path.is_dir():
            return read_rules_csv({one.stem: one.read_bytes() for one in path.glob("*.csv")})
        return read_rules(path.read_bytes())
    except FileRefusedError as refused:
        raise RefusedError(refused.detail) from refused


def _period(since: datetime | None, until: datetime | None, segment: str) -> Period | None:
    if since is None and until is None:
        return None
    if since is None or until is None:
        raise WrongUseError("import rules: --since and --until belong together")
    ends = since.replace(tzinfo=UTC), until.replace(tzinfo=UTC)
    return Period(*ends, frozenset({segment}))


def _now() -> datetime:
    return datetime.now(UTC)
