"""No trained model is shipped: who ships one changes decision 74 first."""

from pathlib import Path

STORE = Path(__file__).parents[1] / "models_store"


def test_nothing_is_shipped_but_why() -> None:
    assert [path.name for path in STORE.rglob("*")] == ["README.md"]
    assert "aval train --register" in (STORE / "README.md").read_text(encoding="utf-8")
