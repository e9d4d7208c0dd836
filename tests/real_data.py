"""Real ledgers and financials, which come beside the repository and not with it."""

import os
from pathlib import Path

_FOLDER = Path(os.environ.get("TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


def real(name: str) -> Path:
    """Where a file of real data is; a test that needs it fails with the place it was sought at."""
    path = _FOLDER / name
    assert path.is_file(), f"{path} is missing: TEST_DATA names the folder that real data is in"
    return path
