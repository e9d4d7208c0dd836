"""What the embedded server's parts work out by themselves: memory, addresses, reasons."""

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.store.embedded import cluster
from app.store.embedded.disk import wal_mib
from app.store.embedded.memory import (
    buffers_mib,
    limits,
    machine_bytes,
    most_mib,
    shared_buffers,
    told,
)
from app.store.embedded.programs import find_programs

GIB = 1 << 30


@pytest.mark.parametrize(
    ("machine", "bounds", "expected"),
    [
        pytest.param(GIB // 2, [], 128, id="small"),
        pytest.param(2 * GIB, [], 256, id="an-eighth"),
        pytest.param(64 * GIB, [], 3072, id="large"),
        pytest.param(64 * GIB, ["max\n"], 3072, id="a-container-without-a-limit"),
        pytest.param(64 * GIB, [f"{2 * GIB}\n"], 256, id="a-container"),
        pytest.param(2 * GIB, ["9223372036854771712\n"], 256, id="no-limit-the-old-way"),
    ],
)
def test_an_eighth_of_what_there_is(
    machine: int, bounds: list[str], expected: int, tmp_path: Path
) -> None:
    files = [tmp_path / "absent"]
    for number, text in enumerate(bounds):
        files.append(tmp_path / str(number))
        files[-1].write_text(text)
    assert buffers_mib(machine, files) == expected


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        pytest.param("0::/\n", ["memory.max"], id="a-container"),
        pytest.param(
            "0::/system.slice/aval.service\n",
            ["system.slice/aval.service/memory.max", "system.slice/memory.max", "memory.max"],
            id="a-unit",
        ),
        pytest.param(
            "9:name=systemd:/\n4:hugetlb,memory:/docker/1a:b\n0::/\n",
            [
                "memory/docker/1a:b/memory.limit_in_bytes",
                "memory/docker/memory.limit_in_bytes",
                "memory/memory.limit_in_bytes",
                "memory.max",
            ],
            id="the-old-way",
        ),
        pytest.param("", [], id="another-system"),
    ],
)
def test_control_groups_are_looked_at_up_to_the_root(
    groups: str, files: list[str], tmp_path: Path
) -> None:
    assert list(limits(groups, tmp_path)) == [tmp_path / file for file in files]


def test_a_bound_of_a_group_above_counts(tmp_path: Path) -> None:
    unit = tmp_path / "system.slice" / "aval.service"
    unit.mkdir(parents=True)
    (unit / "memory.max").write_text("max\n")
    (unit.parent / "memory.max").write_text(f"{4 * GIB}\n")
    assert buffers_mib(64 * GIB, limits("0::/system.slice/aval.service\n", tmp_path)) == 512


@pytest.mark.parametrize(("mode", "expected"), [("0\n", 3072), ("2\n", 512), (None, 3072)])
def test_who_is_promised_no_more_than_there_is_asks_for_less(
    mode: str | None, expected: int, tmp_path: Path
) -> None:
    if mode is not None:
        (tmp_path / "overcommit").write_text(mode)
    most = most_mib(tmp_path / "overcommit")
    assert most == expected
    assert buffers_mib(64 * GIB, [], most) == expected


@pytest.mark.parametrize(
    ("disk", "free", "expected"),
    [
        pytest.param(GIB, GIB, 1024, id="small"),
        pytest.param(32 * GIB, 20 * GIB, 2048, id="a-sixteenth"),
        pytest.param(64 * GIB, 20 * GIB, 4096, id="just-large"),
        pytest.param(900 * GIB, 800 * GIB, 4096, id="large"),
        pytest.param(900 * GIB, 8 * GIB, 2048, id="nearly-full"),
        pytest.param(900 * GIB, GIB, 1024, id="full"),
    ],
)
def test_the_log_takes_a_sixteenth_of_the_disk(disk: int, free: int, expected: int) -> None:
    assert wal_mib(disk, free) == expected


def test_this_machine_has_memory() -> None:
    assert machine_bytes() > GIB // 4
    number, unit = int(shared_buffers()[:-2]), shared_buffers()[-2:]
    assert 128 <= number * {"MB": 1, "GB": 1024}[unit] <= 3072


@pytest.mark.parametrize(("mib", "text"), [(512, "512MB"), (2048, "2GB"), (3013, "3013MB")])
def test_a_size_is_written_as_the_server_shows_it(mib: int, text: str) -> None:
    assert told(mib) == text


def test_what_a_killed_start_still_writes_is_gone_in_the_end() -> None:
    """Its `initdb` lives on for a moment, here until another one is at work."""
    with tempfile.TemporaryDirectory(prefix="aval-test-") as folder, ThreadPoolExecutor(1) as pool:
        data = Path(folder) / "pg"
        making = pool.submit(cluster.make_cluster, find_programs(data), data, sync=False)
        while not (making.done() or list(data.parent.glob("pg.new-*/base"))):
            time.sleep(0.005)
        assert not making.done()
        (data.parent / "pg.new-late" / "base").mkdir(parents=True)
        making.result(30)
        assert [path.name for path in data.parent.iterdir()] == ["pg"]


def test_an_address_of_the_longest_length_stays_in_the_data_directory() -> None:
    room = 103 if sys.platform == "darwin" else 107
    longest = Path("/" + "x" * (room - len("//.s.PGSQL.5432")))
    assert cluster.socket_directory(longest) == longest
    one_more = longest.with_name(longest.name + "x")
    assert cluster.socket_directory(one_more).parent == Path(tempfile.gettempdir())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        pytest.param("LOG:  fine\n", "", id="no-complaint"),
        pytest.param("FATAL:  a\nFATAL:  b\nDETAIL:  c\n", "b; c", id="last-with-detail"),
        pytest.param("FATAL:  b\nDETAIL:  c\nFATAL:  d", "d", id="detail-of-an-earlier-one"),
    ],
)
def test_the_reason_is_picked_out(said: str, reason: str) -> None:
    assert cluster.complaint(said) == reason
