"""`aval train` from the ledger in the database to a candidate in the registry, and what it refuses.

The whole way over IBM's ledger is nightly; it needs `ledger_ibm.csv` from `TEST_DATA` or from
`../shared/data` beside the repository.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from app.cli.main import execute
from app.domain.manifests import MANIFEST
from app.domain.manifests_json import manifest_from_bytes
from tests.real_data import real


@dataclass(frozen=True)
class Terminal:
    """Runs `aval` in this process on the test's database; `folder` is the state directory."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> tuple[int, str, list[str]]:
        code = execute(arguments)
        said = self.capture.readouterr()
        lines = [line for line in said.err.splitlines() if not line.startswith("aval: training: ")]
        return code, said.out, lines


@pytest.fixture
def aval(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Terminal]:
    monkeypatch.setenv("AVAL_DATABASE_URL", database_url)
    monkeypatch.setenv("AVAL_STATE_DIR", str(tmp_path))
    root, log = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    yield Terminal(tmp_path, capsys)
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**log)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--test-from", "2013-13-01"), "--test-from: '2013-13-01' is no date; say YYYY-MM-DD"),
        (("--test-from", "9999-01-01"), "9999-01-01 is after"),
        (("--late-days", "-1"), "late_days: must be from 0 to 365"),
        (("--late-days", "nan"), "valid integer"),
        (("--register", "../up"), "name: "),
        (("--kind", "forest"), "forest"),
        (("--report", "/nowhere/report.json"), "--report: /nowhere/report.json: No such file"),
        (("--report", "/dev/null/report.json"), "--report: /dev/null/report.json: Not a directory"),
        (("--dask", "nowhere"), "--dask: 'nowhere' is no address; say tcp://HOST:PORT or local:2"),
        (("--dask", "local:0"), "local: takes 1 to 64 workers"),
    ],
    ids=[
        "no-date",
        "future",
        "negative",
        "not-a-number",
        "no-name",
        "no-kind",
        "no-folder-of-the-report",
        "no-place-for-the-report",
        "no-cluster",
        "no-worker",
    ],
)
def test_wrong_use_is_one_line(aval: Terminal, options: tuple[str, ...], says: str) -> None:
    code, out, told = aval("train", *options)
    assert (code, out, len(told)) == (2, "", 1)
    assert says in told[0]
    assert not (aval.folder / "trained").exists()


@pytest.mark.nightly
def test_an_empty_ledger_is_refused(aval: Terminal) -> None:
    file = aval.folder / "report.json"
    code, out, told = aval("train", "--report", str(file))
    assert (code, out, told) == (2, "", ["aval: the ledger has no invoice to learn from"])
    assert not file.exists()


REACH: dict[str, dict[str, tuple[float, float]]] = {
    "lightgbm": {"auc": (0.870, 0.90), "brier": (0, 0.132), "ece": (0, 0.04)},
    "scorecard": {"auc": (0.85, 0.90), "brier": (0, 0.139), "ece": (0, 0.06)},
}
"""Least and most of each figure on the test window; an AUC above .90 would be a leak."""


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.nightly
@pytest.mark.parametrize("kind", REACH)
def test_the_reach_on_a_real_ledger(aval: Terminal, kind: str) -> None:
    code, _, _ = aval("import", "ledger", str(real("ledger_ibm.csv")), "--source", "ibm")
    assert code == 0
    asked = ("train", "--late-days", "0", "--test-from", "2013-04-01", "--kind", kind)
    file = aval.folder / "report.json"
    code, out, _ = aval(*asked, "--report", str(file), "--register", "late")
    assert code == 0
    report: dict[str, Any] = json.loads(file.read_text())
    for name, (least, most) in REACH[kind].items():
        assert least <= report[name] <= most, (name, report[name])
    assert (report["n_train"], report["n_test"], report["positives_test"]) == (1494, 872, 262)
    assert report["baseline_auc"] == pytest.approx(0.867, abs=0.002)
    assert report["auc"] > report["baseline_auc"]
    assert report["brier"] < report["baseline_brier"]
    assert out.splitlines()[-1] == "registered: late version 1, CANDIDATE"
    assert out.startswith("learned from 1494 invoices, tested on 872 issued from 2013-04-01 on")
    kept = aval.folder / "trained" / "late"
    before = contents(kept)
    manifest = manifest_from_bytes(before[MANIFEST])
    assert manifest.kind.value == kind
    code, out, _ = aval(*asked, "--register", "late")
    assert (code, contents(kept)) == (0, before)  # the same data and seed: the same bytes
    assert "was registered already: late version 1" in out


@pytest.mark.nightly
def test_two_workers_make_the_same_package(aval: Terminal) -> None:
    code, _, _ = aval("import", "ledger", str(real("ledger_ibm.csv")), "--source", "ibm")
    assert code == 0
    asked = ("train", "--late-days", "0", "--test-from", "2013-04-01", "--register", "late")
    code, out, _ = aval(*asked)
    assert (code, "registered: late version 1, CANDIDATE" in out) == (0, True)
    alone = contents(aval.folder / "trained" / "late")
    code, out, told = aval(*asked, "--dask", "local:2")
    assert code == 0, told
    assert "was registered already: late version 1" in out
    assert contents(aval.folder / "trained" / "late") == alone


@pytest.mark.nightly
def test_a_report_that_cannot_be_written_after_all_costs_no_registration(aval: Terminal) -> None:
    code, _, _ = aval("import", "ledger", str(real("ledger_ibm.csv")), "--source", "ibm")
    assert code == 0
    asked = ("--late-days", "0", "--test-from", "2013-04-01", "--kind", "scorecard")
    code, out, _ = aval("train", *asked, "--report", "/dev/full", "--register", "late")
    assert (code, "registered: late version 1, CANDIDATE" in out) == (1, True)


@pytest.mark.nightly
def test_thirty_days_late_are_too_rare_there(aval: Terminal) -> None:
    aval("import", "ledger", str(real("ledger_ibm.csv")), "--source", "ibm")
    code, _, told = aval("train", "--test-from", "2013-04-01")
    assert code == 2
    assert len(told) == 1
    assert "to learn from, 20 of each are needed" in told[0]
