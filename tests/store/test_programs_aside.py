"""PostgreSQL's programs copied to where everybody may run them: whole, once, or not at all."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from app.store.embedded.programs import copy_aside

FILES = 200


@pytest.fixture
def install(tmp_path: Path) -> Path:
    """Make what looks like the wheel's folder: a program and files beside it."""
    made = tmp_path / "wheel" / "package" / "install"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "postgres").write_text("#!/bin/sh\n")
    for number in range(FILES):
        (made / f"share-{number}").write_text("x")
    return made


def test_what_could_not_be_copied_leaves_nothing(install: Path, tmp_path: Path) -> None:
    (install / "dangling").symlink_to("nowhere")
    spare = tmp_path / "spare"
    for _ in range(2):
        with pytest.raises(OSError, match="dangling"):
            copy_aside(install, spare)
    assert list(spare.iterdir()) == []


def test_several_at_once_make_one_copy(install: Path, tmp_path: Path) -> None:
    count, spare = 4, tmp_path / "spare"
    start = Barrier(count)

    def race(_: int) -> Path:
        start.wait()
        return copy_aside(install, spare)

    with ThreadPoolExecutor(count) as pool:
        (copied,) = set(pool.map(race, range(count)))
    assert [path.name[:9] for path in spare.iterdir()] == ["postgres-"]
    assert len(list(copied.glob("share-*"))) == FILES
