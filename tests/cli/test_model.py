"""`aval model …`: a package becomes the champion and comes back, each in one command."""

from pathlib import Path

import pytest

from app.cli.main import execute
from app.domain.manifests_json import manifest_to_bytes
from app.domain.models import Package
from tests.scoring.packages import points, sample


def write(folder: Path, package: Package) -> str:
    folder.mkdir()
    (folder / "manifest.json").write_bytes(manifest_to_bytes(package.manifest))
    (folder / package.manifest.model.name).write_bytes(package.model)
    return str(folder)


@pytest.fixture
def at_home(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the commands of a test find its database and a state directory of its own."""
    monkeypatch.setenv("AVAL_DATABASE_URL", database_url)
    monkeypatch.setenv("AVAL_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def test_from_a_folder_to_champion_and_back(
    at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def says(*arguments: str) -> str:
        assert execute(["model", *arguments]) == 0
        return capsys.readouterr().out.strip()

    first = write(at_home / "first", points())
    assert says("register", first) == "points-card version 1 registered, CANDIDATE"
    assert says("register", first) == "points-card version 1 was registered before, CANDIDATE"
    says("register", write(at_home / "second", points(start_points=510)))
    assert says("promote", "points-card", "1", "--reason", "first") == (
        "points-card version 1: PROMOTE"
    )
    told = says("promote", "points-card", "2", "--reason", "better")
    assert told == "points-card version 2: PROMOTE; version 1 stood there"
    told = says("rollback", "points-card", "--reason", "worse")
    assert told == "points-card version 1: ROLLBACK; version 2 stood there"
    assert says("list") == "points-card\tchampion 1\tshadow none\tnewest 2"
    assert [line.split("\t")[:3] for line in says("list", "points-card").splitlines()] == [
        ["2", "RETIRED", "scorecard"],
        ["1", "CHAMPION", "scorecard"],
    ]


def test_out_to_mlflow_and_in_again(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(at_home / "out")
    assert execute(["model", "register", write(at_home / "p", sample())]) == 0
    assert execute(["model", "export", "late-payment", "1", out]) == 0
    assert execute(["model", "import", out]) == 0
    assert "version 1 was registered before" in capsys.readouterr().out
    assert execute(["model", "export", "late-payment", "1", out]) == 1
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["promote", "nobody", "1", "--reason", "x"], 2, "'nobody' has no version 1"),
        (["rollback", "nobody", "--reason", "x"], 2, "there is no model 'nobody'"),
        (["register", "/nowhere"], 1, "/nowhere/manifest.json"),
        (["import", "/nowhere"], 1, "/nowhere/MLmodel"),
        (["promote", "nobody", "1"], 2, "--reason"),
    ],
    ids=["unknown-version", "unknown-model", "no-package", "no-folder", "no-reason"],
)
@pytest.mark.usefixtures("at_home")
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["model", *arguments]) == code
    said = capsys.readouterr().err
    assert said.startswith("aval: ")
    assert told in said
    assert said.count("\n") == 1
