"""A rule set comes into force while orders are asked: each decision names one version, and only it.

Version 2 warns at every order, version 1 at none, so that an answer tells what judged it.
"""

import asyncio
import threading
import time
from datetime import timedelta
from typing import Any

import orjson
import pytest

from app.domain.callers import Caller
from app.store.database import Database
from app.usecases.asks import Answer
from app.usecases.keyed import Keyed
from app.usecases.rules import RuleSets
from app.usecases.rules_life import Wish
from app.usecases.rules_views import RuleSetView
from tests.usecases.counter import Counter

WRITER = Caller("writer", frozenset({"admin"}))
APPROVER = Caller("approver", frozenset({"admin"}))
ROW: dict[str, Any] = {
    "id": "all",
    "zh": "全部",
    "en": "all",
    "when": "order_amount_minor > 0",
    "outcome": "WARN",
    "reason": "SEEN",
}
RULE_SET: dict[str, Any] = {
    "format": 2,
    "name": "second",
    "texts": {"SEEN": {"zh": "已看", "en": "seen"}},
    "rows": [ROW],
}
WAVES = 30
A_WAVE = 40


def shown(_: RuleSetView) -> Answer:
    return Answer(200, b"{}")


def keyed(caller: Caller, key: str) -> Keyed:
    return Keyed(caller, key, key.encode())


@pytest.fixture
def counter(database: Database) -> Counter:
    counter = Counter.open(database)
    for place in range(8):
        counter.add(f"C-{place}", 10**12)
    return counter


def approved(counter: Counter) -> RuleSets:
    rules = RuleSets.over(counter.database, lambda: counter.at)
    rules.draft(keyed(WRITER, "draft"), RULE_SET, None, shown)
    rules.decide(keyed(WRITER, "propose"), 2, ("propose", None), shown)
    rules.decide(keyed(APPROVER, "approve"), 2, ("approve", None), shown)
    return rules


def test_every_decision_names_the_one_version_that_judged_it(counter: Counter) -> None:
    rules, line, done = approved(counter), threading.Barrier(2), threading.Event()

    def activate() -> None:
        line.wait()
        rules.activate(keyed(APPROVER, "activate"), 2, (Wish(), None), shown)
        done.set()

    thread = threading.Thread(target=activate)
    thread.start()
    began = time.perf_counter()
    answers, after = asyncio.run(_load(counter, line, done))
    seconds = time.perf_counter() - began
    thread.join()
    told = [
        (one["rule_set_version"], "SEEN" in [row["code"] for row in one["warnings"]])
        for one in answers
    ]
    assert set(told) == {(1, False), (2, True)}, f"{len(told) / seconds:.0f} a second"
    assert {one["rule_set_version"] for one in after} == {2}
    counter.exact()


async def _load(
    counter: Counter, line: threading.Barrier, done: threading.Event
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Ask wave by wave from two processes' worth of lanes; `after` are asks after the answer."""
    desks = [counter.lanes(), counter.lanes()]
    for desk in desks:
        await desk.start()
    found: list[dict[str, Any]] = []
    after: list[dict[str, Any]] = []
    for wave in range(WAVES):
        if wave == WAVES // 3:
            line.wait()
        over = done.is_set()
        asks = [
            counter.order(counter.question(f"SO-{wave}-{place}", customer_id=f"C-{place % 8}"))
            for place in range(A_WAVE)
        ]
        asking = [desks[place % 2].ask(ask) for place, ask in enumerate(asks)]
        answers = [orjson.loads(one.body) for one in await asyncio.gather(*asking)]
        (after if over else found).extend(answers)
    for desk in desks:
        await desk.stop()
    return found + after, after


def test_what_is_scheduled_comes_by_the_clock_of_the_question(counter: Counter) -> None:
    rules = approved(counter)
    at = counter.at + timedelta(seconds=1)
    rules.activate(keyed(APPROVER, "activate"), 2, (Wish(effective_at=at), None), shown)
    versions = []
    for step in (0, 999_999, 1_000_000):
        now = counter.at + timedelta(microseconds=step)
        asking = Counter(counter.database, at=now)
        told = asking.told(asking.check(asking.question(f"SO-{step}")))
        versions.append(told["rule_set_version"])
    assert versions == [1, 1, 2]
