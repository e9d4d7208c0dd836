"""The import contracts of `pyproject.toml` refuse what they are there to refuse.

A small app with one file a room is written, with one kind of import too many.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINTER = Path(sys.executable).with_name("lint-imports")
ROOMS = (
    *("cli", "api", "usecases", "texts", "store", "registries", "scoring", "messaging", "sheets"),
    "domain",
)
FILES = ("main", "work", "composition", "settings", "telemetry")
BELOW_USECASES = ("store", "registries", "scoring", "messaging", "sheets")

ALLOWED = {
    "main": "cli work composition settings api usecases texts store registries scoring telemetry",
    "cli": "main work composition settings api usecases texts store telemetry domain",
    "work": "composition settings usecases store registries telemetry",
    "api": "usecases texts telemetry domain fastapi",
    "usecases": "texts store registries scoring messaging sheets telemetry domain",
    "store": "telemetry domain sqlalchemy psycopg",
    "registries": "telemetry domain httpx2",
    "scoring": "telemetry domain polars",
    "messaging": "telemetry domain httpx2",
    "sheets": "telemetry domain openpyxl",
}
"""By importer: what it may import, save that `main`, `cli` and `work` form no circle."""

REFUSED: dict[str, dict[str, str]] = {
    "floors": {
        "api": "settings composition main cli work",
        "usecases": "settings api",
        "texts": "usecases",
        "store": "settings texts usecases api registries scoring messaging sheets",
        "registries": "settings texts store scoring messaging",
        "scoring": "settings texts store registries messaging",
        "messaging": "settings texts store registries scoring sheets",
        "sheets": "settings texts store registries scoring messaging",
        "telemetry": "settings store",
        "domain": "telemetry settings store texts",
    },
    "usecases-are-plain": {"usecases": "fastapi starlette sqlalchemy psycopg httpx2"},
    "api-translates": {"api": "sqlalchemy psycopg httpx2"},
    "http-stays-upstairs": dict.fromkeys(BELOW_USECASES, "fastapi starlette"),
}
"""By contract, then by importer: what it must not import."""


def name(room: str) -> str:
    """Name what is imported; a name that is no room is a third party."""
    if room in ROOMS:
        return f"app.{room}.a"
    return f"app.{room}" if room in FILES else room


def write_app(root: Path, imports: dict[str, str]) -> None:
    """Write the rooms, each file with its imports."""
    shutil.copy(ROOT / "pyproject.toml", root)
    for room in ROOMS:
        (root / "app" / room).mkdir(parents=True)
        (root / "app" / room / "__init__.py").touch()
        (root / "app" / room / "a.py").touch()
    for file in FILES:
        (root / "app" / f"{file}.py").touch()
    (root / "app" / "__init__.py").touch()
    for room, taken in imports.items():
        path = root / (name(room).replace(".", "/") + ".py")
        path.write_text("".join(f"import {name(item)}\n" for item in taken.split()))


def lint(root: Path, contract: str | None = None) -> tuple[int, str]:
    """Run the linter as `make check` does, and return its status and what it said."""
    only = ["--contract", contract] if contract else []
    done = subprocess.run(
        [LINTER, "--no-cache", "--no-logo", *only],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_allowed_imports_pass(tmp_path: Path) -> None:
    without_circle = ALLOWED | {"cli": ALLOWED["cli"].removeprefix("main ")}
    write_app(tmp_path, without_circle)
    status, said = lint(tmp_path)
    assert status == 0, said


@pytest.mark.parametrize("contract", REFUSED)
def test_each_refused_import_is_named(contract: str, tmp_path: Path) -> None:
    write_app(tmp_path, REFUSED[contract])
    status, said = lint(tmp_path, contract)
    assert status == 1, said
    flat = " ".join(said.split())
    missed = [
        edge
        for room, taken in REFUSED[contract].items()
        for item in taken.split()
        if (edge := f"{name(room)} -> {name(item)}") not in flat
    ]
    assert missed == [], said


def test_a_new_floor_is_refused(tmp_path: Path) -> None:
    write_app(tmp_path, {})
    (tmp_path / "app" / "services.py").touch()
    status, said = lint(tmp_path, "floors")
    assert (status, "services" in said) == (1, True), said


@pytest.mark.parametrize(("one", "other"), [("main", "cli"), ("cli", "work")])
def test_a_circle_is_refused(one: str, other: str, tmp_path: Path) -> None:
    write_app(tmp_path, {one: other, other: one})
    assert lint(tmp_path, "floors")[0] == 0
    assert lint(tmp_path, "no-cycles")[0] == 1
