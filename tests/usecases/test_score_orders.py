"""The PD of an order: its own size and terms, in time or missing, and only where a policy asks."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import httpx2
import orjson
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.domain.decisions import Question
from app.domain.manifests import ModelFeature, grade
from app.domain.models import Alias, Prediction
from app.domain.money import Money
from app.domain.rules_standard import STANDARD
from app.domain.scorecard import Bin, Characteristic, Scorecard, default_probability
from app.domain.scores import ModelVersion
from app.domain.snapshots import question_from_json, question_to_json
from app.scoring.loadable import Loadable
from app.scoring.observing import FeatureProcess
from app.scoring.process import ScoringProcess
from app.scoring.process_pipe import ProcessLimits
from app.store.database import Database
from app.usecases.asks import Ask, canonical
from app.usecases.score_models import RateByModel
from app.usecases.score_orders import OrderPds
from tests.erp import Erp
from tests.scoring.packages import sample
from tests.server import Clock
from tests.usecases.test_score_models import counted, loadable, stand
from tests.usecases.town import ADMIN, Town

ROW = {
    "id": "order-pd",
    "zh": "订单违约概率",
    "en": "Probability of default of the order",
    "owner": "credit management",
    "when": "order_pd_ppm > 100000",
    "outcome": "HOLD",
    "reason": "SCORE_CLASS",
    "observed": "order_pd_ppm",
    "action": "ASK_RELEASE",
}


@pytest.fixture(scope="module")
def observer() -> Iterator[FeatureProcess]:
    made = FeatureProcess(60.0)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def process() -> Iterator[ScoringProcess]:
    made = ScoringProcess(ProcessLimits(answer_s=20.0))
    made.start()
    yield made
    made.stop()


def question(
    customer_id: str = "C-1",
    minor: int = 1_000,
    **fields: Any,  # noqa: ANN401 - any field
) -> Question:
    currency = fields.pop("currency", "CNY")
    return Question(customer_id, "main", "ORDER", "SO-1", Money(minor, currency), **fields)


def buy(town: Town) -> None:
    """Let C-1 have bought for 100.00 a month and paid a little late."""
    town.put("C-1", aliases=("CRM-1",))
    for number in range(8):
        name, issued = f"I-{number}", date(2025, 10, 1) + timedelta(days=30 * number)
        due = issued + timedelta(days=14)
        days = {"issue_date": str(issued), "due_date": str(due)}
        town.fact("invoice", "C-1", invoice_id=name, amount=10_000, **days)
        parts = [{"invoice_id": name, "amount": 10_000}]
        paid = {"payment_id": name, "paid_date": str(due + timedelta(days=3))}
        town.fact("payment", "C-1", amount=10_000, allocations=parts, **paid)


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    town = Town.found(database, clock)
    buy(town)
    return town


def by_order() -> Loadable:
    """Make a card that looks at nothing but size, habit and terms of the order."""
    manifest = loadable(0.5).manifest
    worth = {
        "order_amount_minor": (500_000.0, -200),
        "order_habit": (50.0, -100),
        "order_terms_days": (45.0, -60),
    }
    card = Scorecard(
        name=manifest.name,
        version=manifest.version,
        horizon_days=manifest.horizon_days,
        late_days=manifest.late_days,
        minimum_history=manifest.minimum_history,
        start_points=900,
        scaling=manifest.scaling,
        classes=manifest.classes,
        lights=manifest.lights,
        characteristics=tuple(
            Characteristic(name, "X", (Bin(None, at, 0), Bin(at, None, points)), -1)
            for name, (at, points) in worth.items()
        ),
    )
    features = tuple(ModelFeature(name) for name in worth)
    return Loadable(replace(manifest, features=features, golden=()), card=card)


def test_an_order_has_its_own_probability(
    town: Town, process: ScoringProcess, observer: FeatureProcess
) -> None:
    stand(town, process, Alias.CHAMPION, by_order())
    counted(town)
    town.put("C-1", payment_terms_days=60)
    asked = [
        question(minor=10_000),
        question(minor=900_000),
        question("CRM-1", minor=10_000),
        question(minor=10_000, payment_terms_days=30),
        question("C-9"),
        question(currency="USD"),
    ]
    with town.database.read() as tx:
        found = RateByModel(process, observer).orders(tx, asked, town.clock())
    scaling = loadable(0.5).manifest.scaling
    points = (840, 540, 840, 900)  # terms agreed; size, habit and terms; by alias; terms asked for
    told = [one and one.grade.probability for one in found]
    assert told[:4] == [default_probability(one, scaling) for one in points]
    assert found[4:] == [None, None]


# Questions while somebody waits


@dataclass(frozen=True, slots=True)
class Slow(RateByModel):
    """Takes longer than anybody waits."""

    def orders(self, *_: object) -> list[Prediction | None]:
        time.sleep(0.3)
        made = sample().manifest
        return [Prediction(ModelVersion(made.name, 4), grade(0.5, made), 0.0, 0.0, ())]


def filled(pds: OrderPds, asks: Sequence[Ask]) -> list[Ask]:
    return asyncio.run(pds.fill(asks))


def ask() -> Ask:
    one = question()
    return Ask("AUTHORIZATION", ADMIN, one, "d", "key", b"fingerprint", asked=canonical(one))


def test_what_is_not_known_in_time_is_missing_and_the_question_stays(
    town: Town, process: ScoringProcess, observer: FeatureProcess
) -> None:
    slow = OrderPds(town.database, Slow(process, observer), deadline_s=0.05)
    assert filled(slow, [ask()]) == [ask()]
    nobody = RateByModel(process, observer, name="nobody")
    assert filled(OrderPds(town.database, nobody), [ask()]) == [ask()]


def test_a_flood_of_what_waits_for_locks_leaves_no_order_without(
    town: Town, process: ScoringProcess, observer: FeatureProcess
) -> None:
    """Releases wait in the threads that all share; the order would be held for want of its PD."""
    over, pds = threading.Event(), OrderPds(town.database, Slow(process, observer), deadline_s=20)

    async def fill() -> list[Ask]:
        flood = [asyncio.to_thread(over.wait, 60) for _ in range(100)]
        waiting = asyncio.gather(*flood)
        await asyncio.sleep(0)
        found = await pds.fill([ask()])
        over.set()
        await waiting
        return found

    (after,) = asyncio.run(fill())
    assert after.question.order_pd_ppm == 500_000


def test_the_fingerprint_of_a_key_stays_that_of_what_was_sent(
    town: Town, process: ScoringProcess, observer: FeatureProcess
) -> None:
    patient = OrderPds(town.database, Slow(process, observer), deadline_s=20)
    (after,) = filled(patient, [ask()])
    named = (sample().manifest.name, 4)
    assert after.question == replace(question(), order_pd_ppm=500_000, order_pd_model=named)
    assert (after.key, after.hash) == ("key", b"fingerprint")
    assert question_from_json(orjson.loads(after.question_json)) == after.question
    assert "order_pd_ppm" not in question_to_json(question())


# Over HTTP, by a policy in force


def in_force(database: Database) -> None:
    data = orjson.dumps({**STANDARD, "rows": [*STANDARD["rows"], ROW]}).decode()
    with database.begin() as tx:
        insert = "INSERT INTO rule_set (version, data) VALUES (77, CAST(:data AS jsonb))"
        tx.execute(text(insert), {"data": data})
        tx.execute(text("UPDATE segment SET rule_set_version = 77"))


def test_a_policy_holds_what_is_likely_to_be_paid_late(
    client: httpx2.Client, app: FastAPI, database: Database, clock: Clock
) -> None:
    erp = Erp(client)
    desk = app.state.desk
    erp.customer("C-1", "900000.00")
    assert erp.ask("SO-1", "10.00")["outcome"] == "APPROVE"
    assert not desk.lanes.pds.wanted
    in_force(database)
    desk.lanes.pds.look()
    assert desk.lanes.pds.wanted
    missing = erp.ask("SO-2", "10.00")
    assert (missing["outcome"], missing["reasons"][0]["code"]) == ("HOLD", "MISSING_INPUT")
    desk.lanes.pds.deadline_s = 30.0
    town = Town(database, clock, desk.parties, desk.facts.apply)
    counted_now(database)
    stand(town, desk.models.scorer, Alias.CHAMPION, loadable(0.09))
    assert erp.ask("SO-3", "10.00")["outcome"] == "APPROVE"
    stand(town, desk.models.scorer, Alias.CHAMPION, loadable(0.11))
    told = erp.ask("SO-4", "10.00")
    assert (told["outcome"], told["reasons"][0]["code"]) == ("HOLD", "SCORE_CLASS")
    assert told["reasons"][0]["observed"] == "110000"
    with database.read() as tx:
        query = "SELECT version FROM model_version WHERE state = 'CHAMPION'"
        champion = tx.execute(text(query)).scalar_one()
    asked = client.get(f"/v1/decisions/{told['decision_id']}").json()["snapshot"]["question"]
    assert asked["order_pd_model"] == [sample().manifest.name, champion]
    again = client.post(f"/v1/decisions/{told['decision_id']}/replay")
    assert again.json()["same"] is True


def counted_now(database: Database) -> None:
    """Count as of yesterday by the database's own clock, which orders are asked by."""
    with database.begin() as tx:
        tx.execute(
            text("INSERT INTO background_rate (day, known, late, known_30, late_30)"
                 " VALUES (current_date - 1, 10, 1, 10, 1)")
        )  # fmt: skip


class OddOrderPds(OrderPds):
    """Meets what nobody foresaw at its second look, and goes on."""

    looks = 0
    seen = threading.Event()

    def look(self) -> None:
        self.looks += 1
        if self.looks == 2:
            raise LookupError
        if self.looks > 2:
            self.seen.set()


def test_what_nobody_foresaw_does_not_end_the_watch(
    database: Database, process: ScoringProcess, observer: FeatureProcess
) -> None:
    """Else each order of a policy that comes to read it would be held, its PD being missing."""
    pds = OddOrderPds(database, RateByModel(process, observer), every_s=0.01)

    async def see() -> None:
        await pds.start()
        assert await asyncio.to_thread(pds.seen.wait, 20)
        await pds.stop()

    asyncio.run(see())
