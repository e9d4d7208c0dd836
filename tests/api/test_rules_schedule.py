"""What is scheduled for one segment does not take it from the default before its day."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from app.store.checker import check_ledger
from tests.api.test_rules import Person, approved, approver, person, writer
from tests.erp import Erp, refused
from tests.server import Clock

__all__ = ["approver", "person", "writer"]  # fixtures

MAIN = {"segment": "main"}


def on(day: int) -> dict[str, str]:
    return {"effective_at": f"2026-06-{day:02d}T04:00:00Z"}


@pytest.fixture
def versions(writer: Person, approver: Person) -> list[int]:
    """Approve three versions; the clock stands at 15 June, 04:00 UTC."""
    return [approved(writer, approver, name=str(place)) for place in range(3)]


def activate(approver: Person, version: int, *wishes: dict[str, str]) -> httpx2.Response:
    body: dict[str, str] = {}
    for wish in wishes:
        body |= wish
    return approver.post(f"/{version}/activate", body)


def told(writer: Person) -> Any:  # noqa: ANN401 - JSON
    return writer.get("/active").json()["version"]


@pytest.fixture
def exact(database_url: str) -> Callable[[], bool]:
    """Let the checker look at what is in force."""
    return lambda: check_ledger(database_url).clean


def test_the_checker_knows_why_each_version_is_in_force(
    approver: Person, versions: list[int], clock: Clock, exact: Callable[[], bool]
) -> None:
    own, default, later = versions
    assert exact()
    assert activate(approver, own, MAIN, on(17)).status_code == 200
    assert exact()  # it waits
    clock.advance(days=3)
    assert exact()  # it is in force, and nothing has taken note
    assert activate(approver, default, on(19)).status_code == 200
    assert exact()
    clock.advance(days=3)
    assert activate(approver, later, MAIN, on(29)).status_code == 200
    assert exact()
    follows = approver.post("/follow-default", {"segment": "main"})
    assert (follows.status_code, follows.json()["version"], exact()) == (200, default, True)


def test_until_its_day_a_segment_follows_the_default(
    client: httpx2.Client, writer: Person, approver: Person, versions: list[int], clock: Clock
) -> None:
    own, urgent, later = versions
    erp = Erp(client)
    erp.customer("C-1", "1000.00")
    assert activate(approver, own, MAIN, on(20)).status_code == 200
    answer = activate(approver, urgent).json()
    assert answer["active_in"] == ["main"]
    assert erp.ask("SO-1", "1.00")["rule_set_version"] == urgent
    waits = writer.get(f"/{own}").json()["next_in"]
    assert waits == [{"segment": "main", "at": "2026-06-20T04:00:00Z"}]
    clock.advance(days=5)
    assert erp.ask("SO-2", "1.00")["rule_set_version"] == own
    assert activate(approver, later).json()["active_in"] == []
    assert (told(writer), erp.ask("SO-3", "1.00")["rule_set_version"]) == (own, own)


def test_one_that_comes_after_its_own_leaves_a_segment_alone(
    writer: Person, approver: Person, versions: list[int], clock: Clock
) -> None:
    own, default, _ = versions
    activate(approver, own, MAIN, on(17))
    assert activate(approver, default, on(20)).status_code == 200
    clock.advance(days=10)
    assert told(writer) == own


@pytest.mark.parametrize("day", [18, 20], ids=["before", "on-the-day"])
def test_two_that_cross_are_refused(
    writer: Person, approver: Person, versions: list[int], clock: Clock, day: int
) -> None:
    """One of them would never come, and the older policy stay: who schedules is to know."""
    own, default, _ = versions
    activate(approver, own, MAIN, on(20))
    refused(activate(approver, default, on(day)), 409, "rule_set_state")
    assert approver.post("/follow-default", MAIN).status_code == 200
    assert activate(approver, default, on(day)).status_code == 200
    refused(activate(approver, own, MAIN, on(20)), 409, "rule_set_state")
    clock.advance(days=day - 15)
    assert told(writer) == default
    assert activate(approver, own, MAIN, on(25)).status_code == 200


def test_what_came_to_a_segment_is_its_own(
    writer: Person, approver: Person, versions: list[int], clock: Clock
) -> None:
    """The default is nothing to it any more, nor what waits for the default."""
    own, default, next_one = versions
    activate(approver, own, MAIN, on(17))
    clock.advance(days=3)
    assert activate(approver, default, on(20)).status_code == 200
    assert activate(approver, next_one, MAIN, on(25)).status_code == 200
    clock.advance(days=5)
    assert told(writer) == own
    clock.advance(days=5)
    assert told(writer) == next_one


def test_what_came_to_a_segment_can_be_left_again(
    writer: Person, approver: Person, versions: list[int], clock: Clock
) -> None:
    """Nobody has changed anything since its day."""
    activate(approver, versions[0], MAIN, on(17))
    clock.advance(days=3)
    assert told(writer) == versions[0]
    assert approver.post("/follow-default", MAIN).status_code == 200
    assert told(writer) == 1


def test_what_is_in_force_at_once_leaves_what_waits(
    writer: Person, approver: Person, versions: list[int], clock: Clock
) -> None:
    own, now, _ = versions
    activate(approver, own, MAIN, on(20))
    activate(approver, now, MAIN)
    assert told(writer) == now
    clock.advance(days=5)
    assert told(writer) == own


def test_who_follows_and_waits_for_nothing_follows_already(
    approver: Person, versions: list[int]
) -> None:
    activate(approver, versions[0], on(20))
    refused(approver.post("/follow-default", MAIN), 409, "rule_set_state")
