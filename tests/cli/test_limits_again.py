"""A limit that a file sets again: known while what came of it counts, and anew after that."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from tests.cli.conftest import Commands
from tests.erp import Erp, money
from tests.server import Clock

LIMITS = "/v1/customers/C-1/limits"


@dataclass(frozen=True)
class Desk:
    """A customer of one limit, and files that set others."""

    erp: Erp
    aval: Commands
    folder: Path
    clock: Clock

    def set(self, amount: str, *options: str, **more: str) -> str:
        """Import a file of one row, and give the summing up."""
        file = self.folder / "limits.csv"
        columns = ",".join(("customer_id,limit,currency", *more))
        file.write_text(f"{columns}\n{','.join(('C-1', amount, 'CNY', *more.values()))}\n")
        ran = self.aval("import", "limits", str(file), *options)
        assert ran.code == 0, ran.err
        return next(line for line in ran.out.splitlines() if line.startswith("1 rows"))

    def ids(self, status: str) -> list[str]:
        """Give the limits of a status, the newest first."""
        items = self.erp.client.get(LIMITS).json()["items"]
        return [one["limit_id"] for one in items if one["status"] == status]

    def day(self, days: int) -> str:
        return (self.clock.at.date() + timedelta(days=days)).isoformat()


@pytest.fixture
def desk(client: httpx2.Client, run_aval: Commands, tmp_path: Path, clock: Clock) -> Desk:
    clock.at = datetime.now(UTC)  # as commands have it
    erp = Erp(client)
    erp.customer("C-1", None)
    return Desk(erp, run_aval, tmp_path, clock)


def test_a_cut_back_to_what_was_is_no_repeat(desk: Desk) -> None:
    told = [desk.set(amount) for amount in ("500.00", "800.00")]
    tried = desk.set("500.00", "--dry-run")
    told += [desk.set("500.00"), desk.set("500.00"), desk.set("500.00", "--dry-run")]
    assert tried == "1 rows, 0 rejected, 1 approved; nothing was saved"
    assert [line.split(" ", 5)[-1] for line in told] == [
        "approved",
        "approved",
        "approved",
        "duplicate",
        "duplicate; nothing was saved",
    ]
    assert desk.erp.account()["effective_limit"] == money("500.00")
    assert len(desk.ids("APPROVED")) == 3
    assert desk.set("800.00").endswith("1 approved")
    assert desk.set("500.00").endswith("1 approved")
    assert desk.erp.account()["effective_limit"] == money("500.00")


def test_what_waits_or_is_to_hold_or_is_over_is_known(desk: Desk) -> None:
    dates = [
        {"valid_from": desk.day(30)},
        {"kind": "temporary", "valid_from": desk.day(-9), "valid_to": desk.day(-2)},
        {"kind": "temporary", "valid_from": desk.day(-9), "valid_to": desk.day(9)},
    ]
    for more in dates:
        assert desk.set("500.00", **more).endswith("1 approved"), more
    for more in dates:
        assert desk.set("500.00", **more).endswith("1 duplicate"), more
    four_eyes = {"name": "main", "four_eyes": True}
    assert desk.erp.client.put("/v1/segments/main", json=four_eyes).status_code == 200
    assert desk.set("700.00").endswith("1 proposed")
    assert desk.set("700.00").endswith("1 duplicate")
    assert len(desk.ids("PROPOSED")) == 1


@pytest.mark.parametrize("days", [0, 5])
def test_what_another_one_took_the_place_of_is_set_anew(desk: Desk, days: int) -> None:
    """The other one holds at once, or begins before the first one would have."""
    first = {"valid_from": desk.day(9)} if days else {}
    assert desk.set("500.00", **first).endswith("1 approved")
    other = {"kind": "base", "limit": money("1.00"), "valid_from": desk.day(days)}
    assert desk.erp.post(LIMITS, other).status_code == 201
    assert desk.set("500.00", **first).endswith("1 approved")


def test_the_limit_of_a_merged_customer_is_set_for_who_goes_on(desk: Desk) -> None:
    assert desk.set("500.00").endswith("1 approved")
    desk.erp.customer("C-2", "1.00")
    assert desk.erp.post("/v1/customers/C-1/merge", {"into": "C-2"}).status_code == 200
    assert desk.set("500.00").endswith("1 approved")
    assert desk.set("500.00").endswith("1 duplicate")
    assert desk.erp.account("C-2")["effective_limit"] == money("500.00")


@pytest.mark.parametrize("action", ["end", "reject"])
def test_what_a_person_undid_is_set_anew_each_time(desk: Desk, action: str) -> None:
    status = "APPROVED" if action == "end" else "PROPOSED"
    if action == "reject":
        body = {"name": "main", "four_eyes": True}
        assert desk.erp.client.put("/v1/segments/main", json=body).status_code == 200
    for _ in range(3):
        assert desk.set("500.00").endswith(f"1 {status.lower()}")
        (limit_id,) = desk.ids(status)
        answer = desk.erp.post(f"{LIMITS}/{limit_id}/{action}")
        assert answer.status_code == 200, answer.text


def test_rejects_of_limits_are_mended_and_imported_again(desk: Desk) -> None:
    """Their own column `reason` stays theirs, however often the file goes round."""
    file = desk.folder / "limits.csv"
    file.write_text("customer_id,limit,currency,reason\nC-1,-5,CNY,annual review\n")
    head = row = ""
    for _ in range(2):
        ran = desk.aval("import", "limits", str(file))
        assert (ran.code, "not used" in ran.err) == (1, False), ran.err
        file = file.with_name(f"{file.name}.rejects.csv")
        head, row = file.read_text(encoding="utf-8-sig").splitlines()
        assert head == "reject_line,reject_field,reject_reason,customer_id,limit,currency,reason"
    mended = row.replace("'-5", "5")
    file.write_text(f"{head}\n{mended}\n")
    assert desk.aval("import", "limits", str(file)).code == 0
    assert desk.erp.client.get(LIMITS).json()["items"][0]["reason"] == "annual review"
