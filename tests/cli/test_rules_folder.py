"""The policy taken out as a folder of tables, looked at, and brought back as a draft."""

from pathlib import Path
from typing import Any

import httpx2
import orjson

from tests.cli.conftest import Commands


def test_the_terminal_writes_a_folder_and_takes_it_back(
    client: httpx2.Client, run_aval: Commands, tmp_path: Path
) -> None:
    folder = tmp_path / "policy"
    out = run_aval("export", "rules", str(folder))
    assert out.code == 0, out.err
    terms = folder / "terms.csv"
    terms.write_bytes(terms.read_bytes() + b"E,7,,\r\n")
    looked = run_aval("import", "rules", str(folder), "--dry-run")
    told: dict[str, Any] = orjson.loads(looked.out)
    assert (told["rows"], told["parts"], told["trial"]) == ([], ["terms"], None)
    taken = run_aval("import", "rules", str(folder))
    assert "rule set 2 is a draft" in taken.out, taken.err
    terms.write_bytes(terms.read_bytes() + b"Q,7,,\r\n")
    wrong = run_aval("import", "rules", str(folder))
    assert (wrong.code, "terms: line 3" in wrong.err) == (1, True), wrong.err
    assert len(client.get("/v1/rule-sets").json()["items"]) == 2
