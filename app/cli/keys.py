"""`aval key create|list|revoke`: API keys from the terminal."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from app.cli.database import open_desk, read_settings, say
from app.store.keys import ApiKey


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""
    group = typer.Typer(help="API keys; a token is printed once, only its hash is stored")
    group.command("create")(_create)
    group.command("list")(_list)
    group.command("revoke")(_revoke)
    cli.add_typer(group, name="key")


def _create(
    name: Annotated[str, typer.Option(help="The client; keys of one name share idempotency keys")],
    scope: Annotated[list[str], typer.Option(help="What it may do; several may be given")],
    segment: Annotated[
        list[str] | None, typer.Option(help="Confine it to segments; several may be given")
    ] = None,
) -> None:
    """Make a key and print its token, once."""
    with open_desk(read_settings()) as desk:
        token = desk.create_key(name, scope, segment or ())
    typer.echo(token)
    say("this is the only time the token is shown")


def _list() -> None:
    """List keys: name, state, scopes, segments, when made."""
    with open_desk(read_settings()) as desk:
        for key in desk.list_keys():
            typer.echo(_line(key))


def _line(key: ApiKey) -> str:
    state = "works" if key.revoked_at is None else f"revoked {_moment(key.revoked_at)}"
    segments = "every segment" if key.segments is None else ",".join(key.segments)
    made = f"made {_moment(key.created_at)}"
    return "\t".join([key.name, state, ",".join(key.scopes), segments, made])


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _revoke(name: Annotated[str, typer.Argument(help="The client's name")]) -> None:
    """Revoke every key of a name; running services refuse it within five seconds."""
    with open_desk(read_settings()) as desk:
        count = desk.revoke_key(name)
    say(f"{count} key{'s' if count > 1 else ''} of {name} revoked")
