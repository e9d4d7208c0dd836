"""The options of `aval serve`, and how they are read where they are written plainly."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MOST_PORT: Final = 65_535
MOST_WORKERS: Final = 32

_NUMBERS: Final = {"--port": range(MOST_PORT + 1), "--workers": range(1, MOST_WORKERS + 1)}
_DIGITS: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where to listen (port 0: any free one), and how many processes answer, from 1 on."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1


DEFAULTS: Final = ServeOptions()


def read_plainly(arguments: Sequence[str]) -> ServeOptions | None:
    """Read `serve --host H --port=P …`; None for whatever typer has something to say about.

    So help, mistakes and the text about them are typer's alone, and a service that is started as
    services are does without it: 5 MB for as long as it runs.
    """
    if list(arguments[:1]) != ["serve"]:
        return None
    found: dict[str, str] = {}
    for name, value in _pairs(arguments[1:]):
        if not _usual(name, value):
            return None
        found[name] = value
    return ServeOptions(
        found.get("--host", DEFAULTS.host),
        int(found.get("--port", DEFAULTS.port)),
        int(found.get("--workers", DEFAULTS.workers)),
    )


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pair names with values, be they one word or two; a name without one has an empty one."""
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        yield name, value if equals else next(left, "")


def _usual(name: str, value: str) -> bool:
    if name in _NUMBERS:
        return bool(_DIGITS.fullmatch(value)) and int(value) in _NUMBERS[name]
    return name == "--host" and value != "" and not value.startswith("-")
