"""A lane that is full says so over HTTP, and loses nothing of what it took."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings
from app.store.checker import check_ledger
from app.usecases.lane_sets import Lanes
from tests.api.conftest import Speak
from tests.erp import Erp, money, refused
from tests.gates import Gate, gate_of
from tests.waits import wait_for


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Take one lane with room for two, which decides one order at a time."""
    return Settings(state_dir=tmp_path, lanes=1, lane_batch=1, lane_queue=2)


@pytest.fixture
def lanes(app: FastAPI) -> Lanes:
    lanes: Lanes = app.state.desk.lanes
    return lanes


@pytest.fixture
def gate(database_url: str) -> Iterator[Gate]:
    with gate_of(database_url) as gate:
        yield gate


def ask(of: Erp, number: int) -> httpx2.Response:
    body = {"customer_id": "C-1", "segment": "main", "check_point": "ORDER"}
    order = {"order": {"id": f"SO-{number}"}, "amount": money("10.00")}
    return of.post("/v1/authorizations", body | order, key=f"key-{number}")


def test_who_finds_no_room_is_told_when_to_come_again(
    client: httpx2.Client, speak: Speak, lanes: Lanes, gate: Gate, database_url: str
) -> None:
    """Who has none among those that wait takes the newest one's place; the same key tells later."""
    erp, phone = Erp(client), speak("admin", segments=("main",))
    erp.customer("C-1")
    lane, asking = lanes.authorizations[0], list[Future[httpx2.Response]]()
    gate.close()
    with ThreadPoolExecutor(5) as pool:
        asking.append(pool.submit(ask, erp, 0))
        gate.wait()
        asking.append(pool.submit(ask, erp, 1))  # begins behind the COMMIT of the first
        for number in (2, 3):
            asking.append(pool.submit(ask, erp, number))
            wait_for(lambda: lane.depth == len(asking) - 2)
        full = ask(erp, 4)
        asking.append(pool.submit(ask, phone, 5))
        gave_way = asking.pop(3).result(5)
        assert [one.done() for one in asking] == [False] * 4
        gate.open()
        told = [one.result(20) for one in asking]
    for one in (full, gave_way):
        refused(one, 503, "busy")
        assert one.headers["Retry-After"] == "1"
        assert one.json()["detail"] == "too many questions wait; try again in a moment"
    assert [one.status_code for one in told] == [201] * 4
    assert erp.authorized() == "40.00"
    assert [ask(erp, number).status_code for number in (0, 1, 2, 3, 4)] == [201] * 5
    assert erp.authorized() == "60.00"
    report = check_ledger(database_url)
    assert report.clean, report.difference


@pytest.mark.parametrize(("large", "room"), [(0, 8192), (1, 2)])
def test_a_lane_that_takes_large_requests_has_room_for_them(
    tmp_path: Path, database_url: str, large: int, room: int
) -> None:
    settings = Settings(state_dir=tmp_path, lane_queue=2, large_lanes=large)
    lanes: Lanes = create_app(settings, database_url).state.desk.lanes
    assert [one.sizes.queue for one in lanes.authorizations] == [room] * len(lanes.authorizations)
    assert [one.sizes.queue for one in lanes.large] == [8192] * large
    assert lanes.checks.sizes.queue == 2
