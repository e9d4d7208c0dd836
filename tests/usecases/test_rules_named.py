"""A rule that names a customer goes on reaching it: no merge takes its id away unseen."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from app.domain.errors import MergeConflictError
from app.domain.errors_rules import RuleSetRefusedError
from app.store import customers, rules_force, segments
from app.store.database import Database
from app.store.rules_force import Activation
from app.usecases.rules import RuleSets
from app.usecases.rules_life import Wish
from tests.server import Clock
from tests.usecases.test_groups import merge
from tests.usecases.test_rules_race import APPROVER, ROW, RULE_SET, WRITER, keyed, shown
from tests.usecases.town import Town, wait_for_a_waiter


@dataclass
class Policy:
    """Versions that name customers, from draft to force."""

    town: Town
    sets: RuleSets = field(init=False)

    def __post_init__(self) -> None:
        """Put the use cases together."""
        self.sets = RuleSets.over(self.town.database, self.town.clock)

    def approve(self, version: int, more: dict[str, Any]) -> None:
        data = {**RULE_SET, "rows": [ROW, {**ROW, "id": "named", **more}]}
        self.sets.draft(keyed(WRITER, f"draft-{version}"), data, None, shown)
        self.sets.decide(keyed(WRITER, f"propose-{version}"), version, ("propose", None), shown)
        self.sets.decide(keyed(APPROVER, f"approve-{version}"), version, ("approve", None), shown)

    def activate(self, version: int, wish: Wish = Wish()) -> None:  # noqa: B008 - frozen
        key = keyed(APPROVER, f"activate-{version}-{wish.segment_id}")
        self.sets.activate(key, version, (wish, None), shown)

    def in_force(self) -> set[int]:
        with self.town.database.read() as tx:
            return {one.version for one in rules_force.in_force(tx, self.town.clock())}


@pytest.fixture
def policy(database: Database, clock: Clock) -> Policy:
    town = Town.found(database, clock)
    for name in ("S", "T"):
        town.put(name)
    return Policy(town)


NAMING = [
    pytest.param({"scope": {"customers": ["S"]}}, id="customers"),
    pytest.param({"scope": {"groups": ["S"]}}, id="groups"),
    pytest.param({"except": {"customers": ["S"]}}, id="excepted"),
]


@pytest.mark.parametrize("more", NAMING)
def test_who_is_named_is_not_merged_away(policy: Policy, more: dict[str, Any]) -> None:
    policy.approve(2, more)
    policy.activate(2)
    with pytest.raises(MergeConflictError, match="'named' of version 2 names 'S'"):
        merge(policy.town, "S", "T")
    policy.approve(3, {"scope": {"customers": ["T"]}})
    policy.activate(3)
    merge(policy.town, "S", "T")


def test_nor_is_who_will_be_named(policy: Policy) -> None:
    policy.approve(2, {"scope": {"customers": ["S"]}})
    later = policy.town.clock() + timedelta(days=1)
    policy.activate(2, Wish(effective_at=later))
    with pytest.raises(MergeConflictError, match="version 2"):
        merge(policy.town, "S", "T")


@pytest.mark.parametrize("more", NAMING)
def test_what_names_another_id_does_not_come_into_force(
    policy: Policy, more: dict[str, Any]
) -> None:
    policy.approve(2, more)
    merge(policy.town, "S", "T")
    with pytest.raises(RuleSetRefusedError) as refusal:
        policy.activate(2)
    assert refusal.value.faults == (("rows[1]", "'S' is another id of 'T': name that one"),)
    assert policy.in_force() == {1}


def test_nor_by_following_the_default(policy: Policy) -> None:
    """Nobody followed it when the id was merged away."""
    policy.approve(2, {"scope": {"customers": ["S"]}})
    policy.activate(1, Wish("main"))
    policy.activate(2)
    merge(policy.town, "S", "T")
    with pytest.raises(RuleSetRefusedError):
        policy.sets.follow(keyed(APPROVER, "follow"), "main", None, shown)


def test_a_merge_meanwhile_is_seen(policy: Policy) -> None:
    policy.approve(2, {"scope": {"customers": ["S"]}})
    with ThreadPoolExecutor(1) as pool:
        with policy.town.database.begin() as tx:
            segments.lock_all(tx)
            customers.hand_over_refs(tx, "S", "T")
            activating = pool.submit(policy.activate, 2)
            wait_for_a_waiter(policy.town.database)
        with pytest.raises(RuleSetRefusedError):
            activating.result(10)
    assert policy.in_force() == {1}


def test_an_activation_meanwhile_is_seen(policy: Policy) -> None:
    policy.approve(2, {"scope": {"customers": ["S"]}})
    at = policy.town.clock()
    with ThreadPoolExecutor(1) as pool:
        with policy.town.database.begin() as tx:
            rules_force.lock_segments(tx)
            rules_force.activate(tx, Activation(2, None, at, "approver", None, at))
            merging = pool.submit(merge, policy.town, "S", "T")
            wait_for_a_waiter(policy.town.database)
        with pytest.raises(MergeConflictError):
            merging.result(10)
