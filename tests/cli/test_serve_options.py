"""`aval serve` is read as typer reads it, or left to typer."""

from collections.abc import Mapping, Sequence
from itertools import product

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from app.cli.commands import command_line
from app.cli.serve_options import DEFAULTS, ServeOptions, read_plainly

WORDS = (
    "--host",
    "--port",
    "--workers",
    "--help",
    "--",
    "::",
    "8080",
    "0",
    "4",
    "33",
    "-1",
    "",
)
WORD = st.sampled_from(WORDS) | st.builds(
    "{}={}".format, st.sampled_from(WORDS[:4]), st.sampled_from(WORDS[5:])
)


@pytest.fixture(scope="module")
def serve_command() -> typer.core.TyperCommand:
    """Give the command as typer makes it, which is not run."""
    group = typer.main.get_command(command_line("serve"))
    assert isinstance(group, typer.core.TyperGroup)
    command = group.commands["serve"]
    assert isinstance(command, typer.core.TyperCommand)
    return command


def read_by_typer(command: typer.core.TyperCommand, words: Sequence[str]) -> ServeOptions:
    found: Mapping[str, object] = command.make_context("serve", list(words)).params
    return ServeOptions(**found)  # type: ignore[arg-type] # typer has checked them


@pytest.mark.parametrize(
    ("words", "options"),
    [
        pytest.param("serve", DEFAULTS, id="nothing"),
        pytest.param("serve --port 0", ServeOptions(port=0), id="any-port"),
        pytest.param("serve --port=65535", ServeOptions(port=65_535), id="highest-port"),
        pytest.param("serve --port 65536", None, id="one-too-high"),
        pytest.param("serve --workers 32", ServeOptions(workers=32), id="most-workers"),
        pytest.param("serve --workers 33", None, id="one-too-many"),
        pytest.param("serve --workers 0", None, id="no-worker"),
        pytest.param("serve --host :: --workers 2", ServeOptions("::", 8000, 2), id="two"),
        pytest.param("serve --port 1 --port 2", ServeOptions(port=2), id="the-last-one"),
        pytest.param("serve --host", None, id="no-value"),
        pytest.param("serve --host --port 1", None, id="an-option-as-value"),
        pytest.param("serve --port x", None, id="no-number"),
        pytest.param("serve --help", None, id="help"),
        pytest.param("serve more", None, id="a-word-too-many"),
        pytest.param("work", None, id="another-command"),
        pytest.param("", None, id="no-command"),
    ],
)
def test_what_is_usual_is_read(words: str, options: ServeOptions | None) -> None:
    assert read_plainly(words.split()) == options


@given(words=st.lists(WORD, max_size=5))
def test_what_is_read_is_what_typer_reads(
    serve_command: typer.core.TyperCommand, words: list[str]
) -> None:
    plain = read_plainly(["serve", *words])
    if plain is not None:
        assert plain == read_by_typer(serve_command, words)


def test_typer_reads_every_value_so(serve_command: typer.core.TyperCommand) -> None:
    """The draws of the property seldom make a whole command: here they are, each option's all."""
    for port, workers in product(("0", "8080", "65535"), ("1", "02", "32")):
        words = ["--workers", workers, f"--port={port}", "--host", "::1"]
        plain = read_plainly(["serve", *words])
        assert plain == read_by_typer(serve_command, words)
