"""Scoring on a machine without the system's libgomp: the one of a wheel is loaded in its place."""

import json
import os
import shutil
import subprocess
import sys
from ctypes.util import find_library
from dataclasses import asdict
from pathlib import Path

import pytest

from app.scoring.process import ScoringProcess
from tests.scoring.packages import row, sample
from tests.scoring.test_process import CHAMPION, loadable

_LIBRARY = "libgomp.so.1"

_WITHOUT = """
set -e
mount --make-rprivate /
for place in $(ldconfig -p | sed -n "s/.*libgomp\\.so\\.1 .*=> //p"); do
    mount --bind {folder}/empty "$(readlink -f "$place")"
done
ldconfig -C {folder}/cache 2>/dev/null
mount --bind {folder}/cache /etc/ld.so.cache
PATH={folder} exec {python} -m tests.scoring.test_libgomp
"""
"""What hides the library from one program and its children: an empty file lies over it, and a
cache of the loader's without it over the cache. No compiler is on the path that would find it."""


def predict() -> list[dict[str, object]]:
    """Load the sample in a scoring process and explain its golden rows."""
    process, model = ScoringProcess(), loadable(None, 1)
    process.start()
    try:
        process.install(CHAMPION, model)
        found = process.predict(model.model, [row(sample(), number) for number in range(24)])
    finally:
        process.stop()
    told = [{**asdict(one), "grade": asdict(one.grade)} for one in found]
    plain: list[dict[str, object]] = json.loads(json.dumps(told, default=str))
    return plain


def bare_import() -> str:
    """Say what LightGBM says when it is imported without more ado; empty: nothing."""
    done = subprocess.run(
        [sys.executable, "-c", "import lightgbm"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


@pytest.mark.ops
def test_scores_are_the_same_where_the_system_has_no_libgomp(tmp_path: Path) -> None:
    """Needs `unshare` (util-linux) and the right to make namespaces, which root has."""
    unshare = shutil.which("unshare")
    assert unshare, "unshare is not installed"
    (tmp_path / "empty").touch()
    script = _WITHOUT.format(folder=tmp_path, python=sys.executable)
    done = subprocess.run(
        [unshare, "--map-root-user", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])  # log lines come before
    assert told["library"] is None
    assert _LIBRARY in told["bare"]  # the control: by itself it cannot be loaded there
    assert told["found"] == predict()


if __name__ == "__main__":
    answer = {"library": find_library("gomp"), "bare": bare_import(), "found": predict()}
    sys.stdout.write(json.dumps(answer))
