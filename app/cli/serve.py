"""`aval serve`: its options, for whoever asks for help or makes a mistake in them."""

from typing import Annotated

import typer

from app.cli.serve_options import DEFAULTS, MOST_PORT, MOST_WORKERS, ServeOptions
from app.cli.service import serve

Host = Annotated[str, typer.Option(help="Address to listen on")]
Port = Annotated[int, typer.Option(min=0, max=MOST_PORT, help="Port to listen on; 0: any free one")]
Workers = Annotated[int, typer.Option(min=1, max=MOST_WORKERS, help="Processes that answer")]


def register(cli: typer.Typer) -> None:
    """Add the command of this column."""
    cli.command("serve")(_serve)


def _serve(
    host: Host = DEFAULTS.host, port: Port = DEFAULTS.port, workers: Workers = DEFAULTS.workers
) -> None:
    """Serve the API until a signal to stop; the embedded database is brought up and to head."""
    serve(ServeOptions(host, port, workers))
