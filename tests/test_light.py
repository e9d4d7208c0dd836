"""What serves loads neither LightGBM, frames nor Alembic: only spawned processes do."""

import grimp
import pytest

HEAVY = (
    *("lightgbm", "polars", "sklearn", "scipy", "numpy", "matplotlib", "optbinning", "dask"),
    *("alembic", "mako"),
)
ENTRIES = (
    *("app.main", "app.cli.serve", "app.cli.child", "app.cli.child_answer", "app.cli.work"),
    *("app.work", "app.cli.main", "app.cli.service", "app.cli.working"),
)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("app", include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_reaches_nothing_heavy(graph: grimp.ImportGraph, entry: str) -> None:
    heavy = [one for one in HEAVY if one in graph.modules]
    assert {one: chain for one in heavy if (chain := graph.find_shortest_chain(entry, one))} == {}


def test_background_work_does_not_carry_the_api(graph: grimp.ImportGraph) -> None:
    for entry in ("app.cli.child", "app.cli.work", "app.cli.main"):
        assert graph.find_shortest_chain(entry, "app.api.routes") is None
    assert graph.find_shortest_chain("app.cli.child_answer", "app.api.routes")


def test_what_runs_for_long_does_without_typer(graph: grimp.ImportGraph) -> None:
    for entry in ("app.cli.main", "app.cli.service", "app.cli.child_answer", "app.cli.working"):
        assert graph.find_shortest_chain(entry, "typer") is None
    assert graph.find_shortest_chain("app.cli.commands", "typer")


def test_the_scoring_process_does(graph: grimp.ImportGraph) -> None:
    assert graph.find_shortest_chain("app.scoring.process_child", "lightgbm")
