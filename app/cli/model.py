"""`aval model …`: what is registered, moved and exchanged, from the terminal."""

import json
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from app.api.desk import Desk
from app.cli.database import open_desk, read_settings, say
from app.cli.failures import RefusedError
from app.domain.callers import Caller
from app.domain.errors import FieldError
from app.domain.json_object import JsonObject
from app.domain.models import Move, Promotion, PromotionStatus, RegisteredModel
from app.domain.scores import ModelVersion
from app.telemetry import set_up_log
from app.usecases.models_exchange import Origin, read_package
from app.usecases.models_moves import MoveAsk

TERMINAL: Final = "aval"
"""The client of what is done at the terminal: whoever has the database needs no key."""

_MOST: Final = 500

Name = Annotated[str, typer.Argument(help="The model's name")]
Version = Annotated[int, typer.Argument(min=1, help="The version's number")]
Reason = Annotated[str, typer.Option(help="Why; kept for good")]
Folder = Annotated[Path, typer.Argument(file_okay=False, help="The folder")]


class Place(StrEnum):
    """Where a version can stand."""

    CHAMPION = "champion"
    SHADOW = "shadow"


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""
    group = typer.Typer(help="Models: register, promote, roll back, exchange with MLflow")
    group.command("list")(_list)
    group.command("register")(_register)
    group.command("promote")(_promote)
    group.command("rollback")(_roll_back)
    group.command("retire")(_retire)
    group.command("export")(_export)
    group.command("import")(_import)
    group.command("key")(_key)
    cli.add_typer(group, name="model")


@contextmanager
def _desk() -> Iterator[Desk]:
    """Open the use cases; the terminal is told in words, so only trouble is logged."""
    set_up_log("error", "console")
    with open_desk(read_settings()) as desk:
        yield desk


def terminal() -> Caller:
    """Say who is at the terminal; the user's name is kept as asserted."""
    user = None
    with suppress(KeyError):
        user = pwd.getpwuid(os.getuid()).pw_name
    return Caller(TERMINAL, frozenset({"model:admin", "model:read"}), actor=user)


def _list(name: Annotated[str | None, typer.Argument(help="One model's versions")] = None) -> None:
    """List models, or the versions of one: version, state, when and by whom registered, fault."""
    with _desk() as desk:
        if name is None:
            for one in desk.models.read.every("", _MOST):
                champion, shadow = one.champion or "none", one.shadow or "none"
                typer.echo(f"{one.name}\tchampion {champion}\tshadow {shadow}\tnewest {one.newest}")
            return
        for version in desk.models.read.versions(name, None, _MOST):
            typer.echo(_line(version))


def _line(one: RegisteredModel) -> str:
    at = f"{one.registered_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    fault = "" if one.fault is None else f"{one.fault.check}: {one.fault.detail}"
    who = f"{one.client} ({one.actor})" if one.actor else one.client
    return "\t".join([str(one.model.version), one.state, one.manifest.kind, at, who, fault]).strip()


def _register(folder: Folder) -> None:
    """Check a package (manifest.json, the model's file, attachments), sign it and keep it."""
    brought = read_package(folder)
    with _desk() as desk:
        _registered(*desk.models.register(terminal(), brought))


def _registered(made: RegisteredModel, is_new: bool) -> None:  # noqa: FBT001 - as it is answered
    told = "registered" if is_new else "was registered before"
    typer.echo(f"{made.manifest.name} version {made.manifest.version} {told}, {made.state}")


def _promote(
    name: Name,
    version: Version,
    reason: Reason,
    to: Annotated[Place, typer.Option()] = Place.CHAMPION,
) -> None:
    """Let a version decide, or watch; running services follow within seconds."""
    move = Move.PROMOTE if to is Place.CHAMPION else Move.SHADOW
    with _desk() as desk:
        ask = MoveAsk(ModelVersion(name, version), move, reason)
        _told(ask.model, desk.models.move(terminal(), ask))


def _told(model: ModelVersion, made: Promotion | None) -> None:
    told = f"{model.name} version {model.version}"
    if made is None:
        typer.echo(f"{told} stands there already")
    elif made.status is PromotionStatus.PROPOSED:
        typer.echo(f"{told} is proposed; promotion {made.promotion_id} waits for a second client")
    else:
        replaced = "" if made.replaced is None else f"; version {made.replaced} stood there"
        typer.echo(f"{told}: {made.move}{replaced}")


def _roll_back(name: Name, reason: Reason) -> None:
    """Bring back the champion before the present one; the present one is retired."""
    with _desk() as desk:
        made = desk.models.move.roll_back(terminal(), name, reason)
    _told(made.model, made)


def _retire(name: Name, version: Version, reason: Reason) -> None:
    """Retire a candidate or shadow for good."""
    with _desk() as desk:
        ask = MoveAsk(ModelVersion(name, version), Move.RETIRE, reason)
        _told(ask.model, desk.models.move(terminal(), ask))


def _export(name: Name, version: Version, folder: Folder) -> None:
    """Write a version as a folder of MLflow's LightGBM flavour; the folder is made."""
    with _desk() as desk:
        files = desk.models.exchange.export(name, version)
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise RefusedError(f"{folder} is there already") from None
    for path, data in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)
    typer.echo(f"{folder}: {len(files)} files")


def _import(
    folder: Folder,
    origin: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="JSON that says what a foreign folder does not"),
    ] = None,
) -> None:
    """Register a folder of MLflow's LightGBM flavour as a candidate.

    What was exported here needs no origin. Its fields are name, author, late_days, horizon_days,
    trained_from, trained_until, rows and positives.
    """
    told = None if origin is None else read_origin(origin.read_bytes())
    with _desk() as desk:
        brought = desk.models.exchange.read(folder, told, datetime.now(UTC))
        _registered(*desk.models.register(terminal(), brought))


def read_origin(data: bytes) -> Origin:
    """Read the JSON that says where a foreign model comes from.

    Raises:
        FieldError: It is no JSON, or a field is missing, unknown or of the wrong type.

    """
    try:
        row = JsonObject(json.loads(data))
    except ValueError as error:
        raise FieldError(f"not JSON: {error}", "origin") from None
    origin = Origin(
        name=row.text("name"),
        author=row.text("author"),
        late_days=row.whole("late_days"),
        horizon_days=row.whole("horizon_days"),
        since=_day(row, "trained_from"),
        until=_day(row, "trained_until"),
        rows=row.whole("rows"),
        positives=row.whole("positives"),
    )
    row.close()
    return origin


def _day(row: JsonObject, name: str) -> date:
    try:
        return date.fromisoformat(row.text(name))
    except ValueError:
        raise row.refuse(name, "a date such as 2026-06-30") from None


def _key() -> None:
    """Print the public key that other installations must trust; a missing key is made."""
    with _desk() as desk:
        key = desk.models.register.shelf.signer()
    typer.echo(key.public)
    say(f"key {key.key_id}; trust it elsewhere by AVAL_MODEL_TRUSTED_KEYS")
