"""Torture from the command line; a failing run prints its seed."""

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from tests.torture.run import Plan, torture


def main() -> int:
    """Run for some minutes; exit 1 and the first difference where one was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=None)
    told = parser.parse_args()
    seed = secrets.randbelow(10**9) if told.seed is None else told.seed
    _say(f"seed {seed}, {told.minutes:g} minutes")
    with tempfile.TemporaryDirectory(prefix="aval-torture-") as folder:
        found = torture(Path(folder), Plan(told.minutes * 60, seed), _say)
    _say(str(found))
    if found.wrong:
        _say(f"again with: python -m tests.torture --minutes {told.minutes:g} --seed {seed}")
    return 1 if found.wrong else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
