"""Batches of facts cut off at the named points: sent again, they are there once."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.main import create_app
from app.settings import Settings
from app.store.checker import check_ledger
from app.store.database import Database
from tests.domain.facts_cases import delivery, invoice, of, order, pay, to
from tests.faults.points import Point, Wire
from tests.faults.test_points import POINTS, token_of
from tests.server import NO_TLS, Clock, ServiceThread

FACTS = [order(), delivery(), invoice("I", "40", of()), pay("P", "15", to("I", "15"))]
USED = {"authorized": "60.00", "exposure": "25.00"}
NOTHING = {"authorized": "0.00", "exposure": "0.00"}


def report(client: httpx2.Client) -> httpx2.Response:
    return client.post("/v1/ledger-events", json={"events": FACTS})


def account(client: httpx2.Client) -> dict[str, str]:
    told: dict[str, Any] = client.get("/v1/customers/anna/account").json()
    return {name: told[name]["amount"] for name in USED}


@pytest.mark.parametrize(("point", "happened"), POINTS)
def test_a_batch_is_there_whole_or_not_at_all(
    database: Database, tmp_path: Path, point: Point, *, happened: bool
) -> None:
    headers = {"Authorization": f"Bearer {token_of(database)}"}
    with Wire(database.url) as wire:
        app = create_app(Settings(state_dir=tmp_path, prepare="off"), wire.address, Clock())
        with (
            ServiceThread(app) as running,
            httpx2.Client(
                base_url=running.url, headers=headers, timeout=30, trust_env=False, verify=NO_TLS
            ) as client,
        ):
            assert client.put("/v1/customers/anna", json={"name": "Anna"}).is_success
            first = client.post("/v1/ledger-events", json={"events": [invoice("J", "0")]})
            assert first.is_success  # her account is there
            wire.arm(point, lambda: None)
            told = report(client)
            assert (told.status_code, wire.reached.is_set()) == (503, True), told.text
            assert account(client) == (USED if happened else NOTHING)
            again = report(client)
            words = {one["result"] for one in again.json()["results"]}
            assert words == {"duplicate" if happened else "applied"}
            assert account(client) == USED
    assert check_ledger(database.url).clean
