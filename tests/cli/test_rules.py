"""`aval rules lint`: findings on stdout, one line on stderr, and the exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli.main import execute
from app.domain.rules_standard import STANDARD


def write(folder: Path, data: object) -> str:
    file = folder / "policy.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    return str(file)


def test_the_shipped_policy_has_no_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for data in (STANDARD, {"rule_set": STANDARD, "note": "as a draft is sent"}):
        assert execute(["rules", "lint", write(tmp_path, data)]) == 0
        assert capsys.readouterr().out.startswith("0 findings,")


BROKEN: dict[str, Any] = {
    "no-json": ("{", 2, "policy.json"),
    "no-object": ([1], 2, "must be a JSON object"),
    "first-form": ({"rows": []}, 1, "must be 2"),
    "fault": ({**STANDARD, "rows": [{"id": "a"}]}, 1, "faults"),
    "finding": ({**STANDARD, "examples": [{"outcome": "HOLD", "reasons": []}]}, 1, "1 errors"),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_told(
    case: tuple[object, int, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, code, told = case
    file = write(tmp_path, data)
    if data == "{":
        Path(file).write_text("{", encoding="utf-8")
    assert execute(["rules", "lint", file]) == code
    said = capsys.readouterr()
    assert told in said.err
    assert len(said.err.splitlines()) == 1


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["rules", "lint", str(tmp_path / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err
