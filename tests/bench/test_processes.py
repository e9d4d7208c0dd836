"""CPU time and memory of real processes."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.processes import Group, memory_of, name_of, own_cpu_s, parent_of, together

BUSY = "import time\nx = b'1' * 50_000_000\nend = time.process_time() + 0.3\n"
BUSY += "while time.process_time() < end: pass\nprint('done', flush=True)\ninput()"
NONE = 2**22 + 1
"""Above every process id of Linux."""


@pytest.fixture
def busy() -> Iterator[int]:
    command = [sys.executable, "-c", BUSY]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "done\n"
        yield child.pid
        child.kill()


def test_a_child_is_counted_with_its_group(busy: int) -> None:
    whole, without = Group(os.getpid()), Group(os.getpid(), (busy,))
    assert own_cpu_s(busy) >= 0.29
    assert busy in whole.pids()
    assert busy not in without.pids()
    assert Group(busy).cpu_s() == pytest.approx(own_cpu_s(busy), abs=0.05)


def test_what_ended_counts_where_it_is_asked_for() -> None:
    before = Group(os.getpid(), ended=True).cpu_s()
    subprocess.run([sys.executable, "-c", BUSY], input="\n", text=True, check=True)
    assert Group(os.getpid(), ended=True).cpu_s() - before >= 0.29


def test_memory(busy: int) -> None:
    memory = memory_of(busy)
    assert memory.peak >= memory.now >= 50_000_000
    assert together([busy]) >= 50_000_000
    assert Group(busy).busiest() == busy


def test_parents_and_names(busy: int) -> None:
    assert parent_of(busy) == os.getpid()
    assert name_of(busy).startswith("python")


def test_a_process_that_is_gone_has_used_nothing() -> None:
    assert (own_cpu_s(NONE), parent_of(NONE), name_of(NONE)) == (0.0, None, "")
    assert (memory_of(NONE).peak, together([NONE])) == (0, 0)
