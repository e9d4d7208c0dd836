"""Two minutes of torture, start and reckoning included; and a torture that must find something."""

import random
from pathlib import Path
from typing import Final

import pytest

from tests.states import put_state
from tests.torture.faults import hang_up, kill_all
from tests.torture.run import Plan, torture

SECONDS: Final = 90.0


@pytest.mark.timeout(300)
def test_two_minutes(tmp_path: Path, ready_state: Path) -> None:
    put_state(ready_state, tmp_path / "database")
    seed = random.SystemRandom().randrange(10**9)
    found = torture(tmp_path, Plan(SECONDS, seed), print)  # the seed is told first, come what may
    assert not found.wrong, str(found)
    assert found.told["own APPROVE"], str(found)
    assert found.told["own HOLD"], str(found)
    assert sum(found.faults.values()) > 3, str(found)


def test_what_is_lost_is_found(tmp_path: Path, ready_state: Path) -> None:
    """The control: commits that nobody waits for, and a kill after the load."""
    put_state(ready_state, tmp_path / "database")
    loose = {"synchronous_commit": "off", "wal_writer_delay": "10s"}
    found = torture(tmp_path, Plan(2.0, 1, [hang_up], loose, kill_all))
    assert any("acknowledged" in one for one in found.wrong), str(found)
