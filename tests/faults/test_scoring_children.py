"""The processes that compute features and predictions are killed while a service waits for them.

Whoever asks gets its score or is told to try again, the process comes back, nothing is half stored.
"""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import RowMapping, text

from app.api.desk import Desk
from app.domain.models import Alias
from app.main import create_app
from app.scoring.observing import FeatureProcess
from app.settings import Settings
from app.store.database import Database
from app.texts import TEXTS
from app.usecases.keys import CreateKey
from app.usecases.queues import FairQueue
from app.usecases.score_models import RateByModel
from tests.conftest import Server
from tests.server import NO_TLS, Clock, ServiceThread
from tests.usecases.test_score_models import loadable, stand
from tests.usecases.town import Town
from tests.waits import wait_for

PATIENCE_S = 100.0
WAITING = 6


@dataclass(frozen=True)
class Service:
    """A service whose champion scores, and customers that nobody has scored yet."""

    client: httpx2.Client
    desk: Desk
    town: Town

    @property
    def rater(self) -> RateByModel:
        """Give the one who scores in the service."""
        found = self.desk.scores.score_customers.rater
        assert isinstance(found, RateByModel)
        return found

    @property
    def observer(self) -> FeatureProcess:
        """Give who computes features for the service."""
        found = self.rater.observer
        assert isinstance(found, FeatureProcess)
        return found

    def pid(self, child: str) -> int | None:
        """Name a process of the service's."""
        if child == "predictions":
            return self.desk.models.scorer.pid
        return self.observer.pid

    @property
    def waiting(self) -> FairQueue[Any]:
        """Give those who wait to be scored."""
        together = self.desk.scores.score_customer.together
        return together._queue  # noqa: SLF001 - who waits shows nowhere else

    def is_asked(self, child: str) -> bool:
        """Tell whether somebody waits for a process's answer, or is about to ask it."""
        if child == "predictions":
            return bool(REGISTRY.get_sample_value("aval_scoring_queue"))
        return self.observer._turn.locked()  # noqa: SLF001 - whose turn it is shows nowhere else

    def be_patient(self) -> None:
        """Let a slow machine take its time: nobody is refused because a process starts slowly."""
        self.desk.scores.score_customer.together.patience_s = PATIENCE_S
        self.observer.answer_s = PATIENCE_S

    def score(self, customer_id: str) -> httpx2.Response:
        """Ask for a score now."""
        return self.client.post(f"/v1/customers/{customer_id}/score", json={})

    def newcomers(self, name: str) -> list[str]:
        """Put customers who owe something, the first of them to be asked for alone."""
        ids = [f"{name}-{number}" for number in range(WAITING + 1)]
        for customer_id in ids:
            self.town.put(customer_id)
            for number in range(4):
                self.town.invoice(customer_id, 1_000 * (number + 1), due="2026-05-01")
        return ids


@pytest.fixture(scope="module")
def service(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    name, clock = "aval_test_children", Clock()
    url = server.create(name, server.template)
    settings = Settings(state_dir=tmp_path_factory.mktemp("state"), model_answer_s=60)
    app = create_app(settings, url, clock)
    desk: Desk = app.state.desk
    with ServiceThread(app) as running:
        database = desk.scores.what_if.database
        token = CreateKey(database, lambda: datetime.now(UTC))("tests", ["admin"])
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(
            base_url=running.url,
            headers=headers,
            timeout=PATIENCE_S,
            trust_env=False,
            verify=NO_TLS,
        ) as client:
            town = Town.found(database, clock)
            counted(database, clock() - timedelta(days=1))
            stand(town, desk.models.scorer, Alias.CHAMPION, loadable(None))
            made = Service(client, desk, town)
            made.be_patient()
            assert made.score(made.newcomers("first")[0]).status_code == 200  # both are up
            yield made
    server.drop(name)


def counted(database: Database, day: datetime) -> None:
    with database.begin() as tx:
        query = "INSERT INTO background_rate (day, known, late, known_30, late_30)"
        tx.execute(text(f"{query} VALUES (:day, 10, 1, 10, 1)"), {"day": day.date()})


def batches() -> float:
    return REGISTRY.get_sample_value("aval_score_batch_size_count") or 0


def sleeps(pid: int) -> bool:
    """Tell whether a process was stopped, by the state in /proc."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("T")


STORED = """
SELECT c.customer_id,
    (SELECT count(*) FROM score s WHERE s.customer_id = c.customer_id) AS kept,
    (SELECT s.data FROM customer_score h JOIN score s ON s.score_id = h.score_id
     WHERE h.customer_id = c.customer_id) AS held,
    (SELECT i.data -> 'score' FROM account a JOIN account_input i
     ON i.account_id = a.account_id AND i.version = a.input_version
     WHERE a.customer_id = c.customer_id) AS told,
    EXISTS (SELECT FROM score_due d WHERE d.customer_id = c.customer_id) AS due
FROM customer c WHERE c.customer_id = any(:ids)
"""


def is_whole(row: RowMapping) -> bool:
    """Tell whether a customer is scored everywhere and not due, or nowhere and due."""
    held, told = row["held"], row["told"]
    if held is None:
        return (row["kept"], told, row["due"]) == (0, None, True)
    assert isinstance(held, dict)
    same = {name: value for name, value in held.items() if name != "features"}
    return (row["kept"], told, row["due"]) == (1, same, False)


def stored(service: Service, ids: list[str]) -> dict[str, bool]:
    """Say who is scored; nobody is by half."""
    with service.town.database.read() as tx:
        rows = tx.execute(text(STORED), {"ids": ids}).mappings().all()
    assert [row["customer_id"] for row in rows if not is_whole(row)] == []
    return {row["customer_id"]: row["held"] is not None for row in rows}


@pytest.mark.parametrize("child", ["features", "predictions"])
def test_a_kill_amid_a_batch_costs_a_retry_and_nothing_else(service: Service, child: str) -> None:
    ids = service.newcomers(child)
    victim = service.pid(child)
    assert victim is not None
    os.kill(victim, signal.SIGSTOP)  # so that everybody waits when it dies
    wait_for(lambda: sleeps(victim))
    begun = batches()
    with ThreadPoolExecutor(len(ids)) as pool:
        try:
            asked = {ids[0]: pool.submit(service.score, ids[0])}
            wait_for(lambda: batches() > begun)  # the first is being scored: the others wait for it
            asked |= {one: pool.submit(service.score, one) for one in ids[1:]}
            wait_for(lambda: len(service.waiting) == WAITING and service.is_asked(child))
        finally:
            os.kill(victim, signal.SIGKILL)
        answers = {one: future.result(PATIENCE_S) for one, future in asked.items()}
    for one, answer in answers.items():
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["code"]) == (503, "busy"), one
            assert int(answer.headers["Retry-After"]) > 0
    scored = {one: answer.status_code == 200 for one, answer in answers.items()}
    assert all(scored[one] for one in ids[1:])  # they were not with it when it died
    assert stored(service, ids) == scored
    assert service.pid(child) not in {None, victim}
    for one in ids:
        again = service.score(one)
        assert (again.status_code, again.json()["source"]) == (200, "model")
    assert all(stored(service, ids).values())


def test_whose_features_cannot_be_computed_is_told_to_try_again(service: Service) -> None:
    first, *others = service.newcomers("spoilt")
    assert service.score(first).status_code == 200
    with service.town.database.begin() as tx:  # a day that no feature knows
        query = "INSERT INTO registry_signal (customer_id, registry, known_on, kind)"
        tx.execute(text(f"{query} VALUES (:id, 'tests', 'infinity', 'LITIGATION')"), {"id": first})
    before = service.pid("features")
    with ThreadPoolExecutor(WAITING + 1) as pool:
        asked = {one: pool.submit(service.score, one) for one in (first, *others)}
        codes = {one: future.result(PATIENCE_S).status_code for one, future in asked.items()}
    assert codes == {first: 503, **dict.fromkeys(others, 200)}
    place, zh = f"/v1/customers/{first}/score", {"Accept-Language": "zh"}
    for answer in (
        service.client.post(place, json={}, headers=zh),
        service.client.post(f"{place}/what-if", json={"changes": {}}, headers=zh),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert answer.json()["title"] == TEXTS["busy"].zh
        assert answer.json()["detail"].startswith("features cannot be computed: ")
        assert int(answer.headers["Retry-After"]) > 0
    assert service.pid("features") == before
    until_then = (service.town.clock() + timedelta(days=9)).isoformat()
    said = {"risk_class": "C", "reason": "seen", "expires_at": until_then}
    assert service.client.post(f"{place}/overrides", json=said).status_code == 201
    told = service.client.get(place).json()
    assert (told["source"], told["risk_class"], told["stale"]) == ("override", "C", True)
