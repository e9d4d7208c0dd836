"""The job that trains when the newest model is old, over a real ledger; nightly."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.cli.main import execute
from app.settings import Settings
from app.store import models
from app.store.database import Database
from app.usecases.scorecards import ActivateScorecard, ReadScorecard
from app.work import loops, training
from tests.real_data import real


def test_nobody_trains_unless_it_is_asked_for(database: Database) -> None:
    asked = Settings(train_every_days=30)
    assert "train" not in {one.name for one in loops(Settings(), database)}
    assert "train" in {one.name for one in loops(asked, database)}


@pytest.mark.nightly
def test_an_old_model_is_trained_again(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVAL_DATABASE_URL", database_url)
    monkeypatch.setenv("AVAL_STATE_DIR", str(tmp_path))
    ledger = str(real("ledger_ibm.csv"))
    assert execute(["import", "ledger", ledger, "--source", "ibm"]) == 0
    job = training(Settings(train_every_days=30, state_dir=tmp_path), database)
    assert job().items == 0  # more than 30 days late are too few to learn from: no failure
    another = replace(ReadScorecard(database)(), late_days=0)
    ActivateScorecard(database, lambda: datetime.now(UTC))(another)
    assert job().items == 1
    assert job().items == 0
    later = replace(job, now=lambda: datetime.now(UTC) + timedelta(days=31))
    assert later().items == 0  # trained, but the ledger says the same: nothing new
    with database.read() as tx:
        found = models.versions(tx, job.name, None, 10)
    assert [(one.model.version, one.state.value) for one in found] == [(1, "CANDIDATE")]
