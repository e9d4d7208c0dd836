"""`aval openapi`: the API as an OpenAPI document in YAML; needs no database."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import typer

from app.main import create_app
from app.settings import Settings

_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./{}$-]*(?: [A-Za-z0-9_./()-]+)*")
_UNPRINTABLE: Final = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""
    cli.command("openapi")(_print)


def _print() -> None:
    """Print the OpenAPI document."""
    typer.echo(document(), nl=False)


def document() -> str:
    """Write the document of the API as YAML."""
    app = create_app(Settings(), "postgresql://nobody@127.0.0.1/nothing")
    return to_yaml(app.openapi())


def to_yaml(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Write JSON as block YAML; the same text for the same value."""
    return "".join(f"{line}\n" for line in _lines(value))


def _lines(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    match value:
        case dict() if value:
            for name, inner in value.items():
                yield from _entry(f"{_scalar(name)}:", inner)
        case list() if value:
            for inner in value:
                first, *rest = _lines(inner)
                yield f"- {first}"
                yield from (f"  {line}" for line in rest)
        case _:
            yield _scalar(value)


def _entry(name: str, value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict | list) and value:
        yield name
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{name} {_scalar(value)}"


def _scalar(value: object) -> str:
    # A string quoted as in JSON is YAML as well.
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    told = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", told)


if __name__ == "__main__":
    _print()
