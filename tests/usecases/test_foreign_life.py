"""The life of an order in another currency, over a change of its rate: exact at every step."""

from datetime import UTC, datetime
from itertools import count

import httpx2
import pytest

from app.cli.replay import replay
from app.settings import Settings
from app.store.checker import check_ledger
from app.store.database import Database
from app.usecases.portions import Portion
from app.usecases.revaluation import RevaluePositions
from tests.erp import Erp, money
from tests.server import Clock

CATEGORIES = ("OPEN_DELIVERY", "OPEN_ITEM", "PREPAYMENT")


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    """Give an ERP with a customer in CNY, and a rate of the day: 1 USD is 7 CNY."""
    erp = Erp(client)
    erp.customer("C-1", "700.00")
    rate(erp, "7", "2026-06-15")
    return erp


def rate(erp: Erp, value: str, day: str) -> None:
    told = {"base": "USD", "quote": "CNY", "rate": value, "rate_date": day, "source": "bank"}
    assert erp.post("/v1/fx-rates", told).status_code == 201


NUMBERS = count()


def tell(erp: Erp, kind: str, **fields: object) -> None:
    head = {"source": "erp", "event_id": f"e{next(NUMBERS)}", "version": 1, "customer_id": "C-1"}
    when = {"segment": "main", "occurred_at": "2026-06-16T04:00:00Z"}
    event = {**head, **when, "type": kind, **fields}
    answer = erp.post("/v1/ledger-events", {"events": [event]})
    assert [one["result"] for one in answer.json()["results"]] == ["applied"], answer.text


def figures(erp: Erp) -> tuple[str, ...]:
    told = erp.account()
    by_category = [told["exposure_by_category"][name] for name in CATEGORIES]
    return tuple(one["amount"] for one in (told["authorized"], *by_category, told["forced"]))


def test_an_order_in_dollars_is_freed_exactly_over_a_change_of_rate(
    erp: Erp, database: Database, clock: Clock
) -> None:
    """A third of it leaves at a new rate that has four digits; then the rest is given up."""
    assert erp.ask("SO-1", "100.00", currency="USD")["outcome"] == "APPROVE"
    assert figures(erp) == ("700.00", "0.00", "0.00", "0.00", "0.00")
    clock.advance(days=1)
    rate(erp, "7.1234", "2026-06-16")
    assert RevaluePositions(database, 9, lambda _: clock())() == Portion(1)
    assert figures(erp) == ("712.34", "0.00", "0.00", "0.00", "12.34")
    third = money("33.33", "USD")
    tell(erp, "delivery", delivery_id="D", order_id="SO-1", amount=third)
    # 33.33 and 66.67 dollars are 237.4229… and 474.9170… CNY, each rounded up
    assert figures(erp) == ("474.92", "237.43", "0.00", "0.00", "12.35")
    body = {"customer_id": "C-1", "order_id": "SO-1"}
    assert erp.post("/v1/authorizations/release", body).status_code == 200
    assert figures(erp) == ("0.00", "237.43", "0.00", "0.00", "0.00")
    line = {"order_id": "SO-1", "delivery_id": "D", "amount": third, "final": True}
    days = {"issue_date": "2026-06-16", "due_date": "2026-07-16"}
    tell(erp, "invoice", invoice_id="I", amount=third, lines=[line], **days)
    assert figures(erp) == ("0.00", "0.00", "237.43", "0.00", "0.00")
    to = [{"invoice_id": "I", "amount": third}]
    paid = {"payment_id": "P", "amount": third, "paid_date": "2026-06-16", "allocations": to}
    tell(erp, "payment", **paid, status="FINAL")
    assert figures(erp) == ("0.00", "0.00", "0.00", "0.00", "0.00")
    report = check_ledger(database.url)
    assert report.clean, report.difference
    replay(Settings(database_url=database.url), datetime(2026, 1, 1, tzinfo=UTC))
