"""`aval score --all` and `aval features`, as a user runs them."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from random import Random

import polars as pl
import psycopg
import pytest

from app.cli.failures import WrongUseError
from app.cli.score_dask import workers
from app.domain.feature_catalogue import NAMES
from app.domain.manifests_json import manifest_to_bytes
from app.settings import Settings
from tests.conftest import Here
from tests.scoring.packages import sample

Words = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def here(database_url: str, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch) -> Words:
    """Run the command on the test's database, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return partial(here, AVAL_DATABASE_URL=database_url, AVAL_STATE_DIR=str(tmp_path))


@pytest.fixture
def apart(database_url: str, tmp_path: Path) -> Words:
    """Run the command as a process of its own, which may start others."""
    env = {**os.environ, "AVAL_DATABASE_URL": database_url, "AVAL_STATE_DIR": str(tmp_path)}
    aval = Path(sys.executable).with_name("aval")

    def run(words: str) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [aval, *words.split()]
        told = subprocess.PIPE
        return subprocess.run(
            command, stdout=told, stderr=told, text=True, check=False, cwd=tmp_path, env=env
        )

    return run


def write_ledger(path: Path, customers: int) -> None:
    draw, rows = Random(1), ["customer_id,invoice_id,issue_date,due_date,amount,currency,paid_date"]
    for number in range(customers * 8):
        day = date(2025, 1, 1).toordinal() + draw.randrange(400)
        issue, due = date.fromordinal(day), date.fromordinal(day + 30)
        paid = date.fromordinal(day + 30 + draw.randrange(-20, 40))
        name, amount = f"C-{number % customers}", draw.randrange(10, 900)
        rows.append(f"{name},I-{number},{issue},{due},{amount}.00,CNY,{paid}")
    path.write_text("\n".join(rows) + "\n")


def test_features_are_written_as_of_a_day(here: Words, tmp_path: Path) -> None:
    write_ledger(tmp_path / "ledger.csv", 3)
    assert here("import ledger ledger.csv --source erp").returncode == 0
    told = here("features --as-of 2025-09-30 --out out.csv")
    assert (told.returncode, told.stdout) == (0, "3 customers as of 2025-09-30: out.csv\n")
    found = pl.read_csv(tmp_path / "out.csv")
    assert found.columns == ["customer_id", "as_of", *NAMES]
    assert found["customer_id"].to_list() == ["C-0", "C-1", "C-2"]
    assert found["prior_late_rate"].null_count() == 0
    assert [path.name for path in tmp_path.glob(".*.csv*")] == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("features --as-of 2025-9-30 --out out.csv", 2, "--as-of: '2025-9-30' is no date"),
        ("features --as-of 2999-01-01 --out out.csv", 2, "is in the future"),
        ("features --as-of 2025-09-30 --out no/out.csv", 1, "No such file or directory"),
        ("score", 2, "score: say --all"),
    ],
    ids=["no-date", "future", "no-folder", "not-all"],
)
def test_wrong_use_is_one_line(here: Words, words: str, code: int, said: str) -> None:
    told = here(words)
    assert (told.returncode, told.stdout, len(told.stderr.splitlines())) == (code, "", 1)
    assert said in told.stderr


def spoil(database_url: str, *customer_ids: str) -> None:
    """Let a registry tell of customers what no feature can be computed of: a day that never is."""
    with psycopg.connect(database_url) as connection:
        connection.cursor().executemany(
            "INSERT INTO registry_signal (customer_id, registry, known_on, kind)"
            " VALUES (%s, 'tests', 'infinity', 'LITIGATION')",
            [(one,) for one in customer_ids],
        )


def test_who_cannot_be_scored_is_counted_named_and_a_failed_check(
    here: Words, tmp_path: Path, database_url: str
) -> None:
    write_ledger(tmp_path / "ledger.csv", 9)
    assert here("import ledger ledger.csv --source erp").returncode == 0
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE customer_score SET score_id = NULL")
    spoil(database_url, "C-4", "C-7")
    told = here("score --all")
    assert (told.returncode, told.stdout) == (1, "7 customers scored\n")
    (line,) = [one for one in told.stderr.splitlines() if not one.startswith("aval: scoring: ")]
    assert line.startswith("aval: 2 could not be scored (C-4, C-7): features cannot be computed: ")
    assert [name for name, _ in scores(database_url)] == [
        f"C-{number}" for number in range(9) if number not in {4, 7}
    ]


@pytest.mark.parametrize("where", ["local:0", "local:65", "local:x", "nowhere"])
def test_no_cluster_is_wrong_use(where: str, tmp_path: Path) -> None:
    with pytest.raises(WrongUseError), workers(where, "", Settings(state_dir=tmp_path)):
        pass


def scores(database_url: str) -> Sequence[tuple[str, dict[str, object]]]:
    """Read all scores in force, without their moments."""
    query = (
        "SELECT customer_id, data - 'scored_at' FROM customer_score JOIN score USING"
        " (customer_id, score_id) ORDER BY customer_id"
    )
    with psycopg.connect(database_url) as connection:
        return connection.execute(query).fetchall()


def promote(apart: Words, folder: Path) -> None:
    """Let the trained sample be champion."""
    package = sample()
    folder.mkdir()
    (folder / "manifest.json").write_bytes(manifest_to_bytes(package.manifest))
    (folder / package.manifest.model.name).write_bytes(package.model)
    assert apart(f"model register {folder}").returncode == 0
    assert apart(f"model promote {package.manifest.name} 1 --reason tests").returncode == 0


@pytest.mark.nightly
@pytest.mark.parametrize("source", ["scorecard", "model"])
def test_two_workers_give_the_same_scores(
    apart: Words, tmp_path: Path, database_url: str, source: str
) -> None:
    write_ledger(tmp_path / "ledger.csv", 1_500)
    assert apart("import ledger ledger.csv --source erp").returncode == 0
    if source == "model":
        promote(apart, tmp_path / "package")
    assert apart("score --all").stdout == "1500 customers scored\n"
    here_alone = scores(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE customer_score SET score_id = NULL")
    told = apart("score --all --dask local:2")
    assert (told.returncode, told.stdout) == (0, "1500 customers scored\n"), told.stderr
    assert len(here_alone) == 1_500
    assert scores(database_url) == here_alone
    assert {data["source"] for _, data in here_alone} == {source}
