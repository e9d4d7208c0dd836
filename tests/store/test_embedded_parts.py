"""What the embedded server's parts work out by themselves: memory, addresses, reasons."""

import sys
import tempfile
from pathlib import Path

import pytest

from app.store.embedded import cluster
from app.store.embedded.disk import wal_mib
from app.store.embedded.memory import buffers_mib, machine_bytes

GIB = 1 << 30


@pytest.mark.parametrize(
    ("machine", "told", "expected"),
    [
        pytest.param(GIB // 2, [], 128, id="small"),
        pytest.param(2 * GIB, [], 256, id="an-eighth"),
        pytest.param(64 * GIB, [], 512, id="large"),
        pytest.param(64 * GIB, ["max\n"], 512, id="a-container-without-a-limit"),
        pytest.param(64 * GIB, [f"{2 * GIB}\n"], 256, id="a-container"),
        pytest.param(2 * GIB, ["9223372036854771712\n"], 256, id="no-limit-the-old-way"),
    ],
)
def test_an_eighth_of_what_there_is(
    machine: int, told: list[str], expected: int, tmp_path: Path
) -> None:
    limits = [tmp_path / "absent"]
    for number, text in enumerate(told):
        limits.append(tmp_path / str(number))
        limits[-1].write_text(text)
    assert buffers_mib(machine, *limits) == expected


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
