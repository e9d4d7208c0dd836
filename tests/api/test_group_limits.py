"""A group whose limit is gone grants nothing; only one that never had any is passed by."""

from datetime import UTC, datetime

import httpx2
import pytest

from app.store.checker import check_ledger
from app.store.database import Database
from tests.erp import Erp, money
from tests.server import Clock


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    """Give an ERP whose customer C-1 has no bound but its group's."""
    erp = Erp(client)
    erp.customer("G", None)
    erp.customer("C-1", None, parent_id="G")
    limit(erp, "C-1", unlimited=True)
    assert erp.ask("SO-0", "150.00")["outcome"] == "APPROVE"
    return erp


def limit(erp: Erp, customer_id: str = "G", kind: str = "base", **fields: object) -> str:
    answer = erp.post(f"/v1/customers/{customer_id}/limits", {"kind": kind, **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["limit_id"])


def end(erp: Erp, limit_id: str) -> None:
    answer = erp.post(f"/v1/customers/G/limits/{limit_id}/end")
    assert answer.status_code == 200, answer.text


def is_held(erp: Erp, database: Database, order_id: str) -> None:
    told = erp.ask(order_id, "1.00")
    assert (told["outcome"], told["binding_customer_id"]) == ("HOLD", "G")
    assert told["effective_limit"] is None
    assert [reason["code"] for reason in told["reasons"]] == ["NO_LIMIT"]
    report = check_ledger(database.url)
    assert report.clean, report.difference


JUNE = {"valid_from": "2026-06-15", "valid_to": "2026-06-30"}


def test_a_null_limit_withholds_credit_from_the_group(erp: Erp, database: Database) -> None:
    null = limit(erp, limit=None)
    is_held(erp, database, "SO-1")
    end(erp, null)
    is_held(erp, database, "SO-2")
    limit(erp, unlimited=True)
    assert erp.ask("SO-3", "1.00")["outcome"] == "APPROVE"
    null = limit(erp, kind="temporary", limit=None, **JUNE)
    is_held(erp, database, "SO-4")
    end(erp, null)
    assert erp.ask("SO-4", "1.00")["outcome"] == "APPROVE"


def test_the_end_of_its_only_limit_withholds_credit(erp: Erp, database: Database) -> None:
    end(erp, limit(erp, limit=money("1000.00")))
    is_held(erp, database, "SO-1")


def test_a_temporary_limit_that_lapses_withholds_credit(
    erp: Erp, database: Database, clock: Clock
) -> None:
    limit(erp, kind="temporary", limit=money("1000.00"), **JUNE)
    assert erp.ask("SO-1", "1.00")["outcome"] == "APPROVE"
    clock.at = datetime(2026, 7, 1, tzinfo=UTC)
    is_held(erp, database, "SO-2")
