"""The segments' lock at an activation: nobody slips in between, nobody comes into force before.

Each test fails where `lock_segments` is taken out of the use case that it names.
"""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.errors import CreditError
from app.domain.segments import Segment
from app.store import rules_force, segments
from app.store.database import Database
from app.usecases.rules import RuleSets
from app.usecases.rules_life import Wish
from tests.usecases.counter import NOW, Counter
from tests.usecases.test_rules_race import APPROVER, approved, keyed, shown
from tests.usecases.town import wait_for_a_waiter

LATER = NOW + timedelta(seconds=5)


class Meanwhile:
    """Does something in a thread, while the test holds a lock."""

    def __init__(self, act: Callable[[], object]) -> None:
        """Begin at once."""
        self.refusal: CreditError | None = None
        self._act = act
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._act()
        except CreditError as refusal:
            self.refusal = refusal

    def end(self) -> None:
        """Wait for its end."""
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def counter(database: Database) -> Counter:
    return Counter.open(database)


def test_a_segment_made_meanwhile_is_judged_by_the_new_default(counter: Counter) -> None:
    held = approved(counter)
    with counter.database.begin() as tx:
        segments.create(tx, Segment("east", "east"))
        activating = Meanwhile(
            lambda: held.activate(keyed(APPROVER, "a"), 2, (Wish(), None), shown)
        )
        wait_for_a_waiter(counter.database)
    activating.end()
    with counter.database.read() as tx:
        assert {one.segment_id: one.version for one in rules_force.in_force(tx, NOW)} == {
            "main": 2,
            "east": 2,
        }


def test_who_waited_comes_into_force_when_the_wait_is_over(counter: Counter) -> None:
    approved(counter)
    clock = [NOW]
    held = RuleSets.over(counter.database, lambda: clock[0])
    with counter.database.begin() as tx:
        rules_force.lock_segments(tx)
        activating = Meanwhile(
            lambda: held.activate(keyed(APPROVER, "a"), 2, (Wish(), None), shown)
        )
        wait_for_a_waiter(counter.database)
        clock[0] = LATER
    activating.end()
    with counter.database.read() as tx:
        query = text("SELECT effective_at FROM rule_set_activation")
        assert tx.execute(query).scalar_one() == LATER


def test_who_waited_finds_that_a_segment_follows_already(counter: Counter) -> None:
    held = approved(counter)
    held.activate(keyed(APPROVER, "a"), 2, (Wish("main"), None), shown)
    with counter.database.begin() as tx:
        rules_force.lock_segments(tx)
        rules_force.follow_default(tx, "main")
        following = Meanwhile(lambda: held.follow(keyed(APPROVER, "f"), "main", None, shown))
        wait_for_a_waiter(counter.database)
    following.end()
    assert following.refusal is not None
    assert following.refusal.code == "rule_set_state"
    with counter.database.read() as tx:
        query = text("SELECT count(*) FROM rule_set_activation WHERE follows")
        assert tx.execute(query).scalar_one() == 0
