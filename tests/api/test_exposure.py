"""A figure's documents over HTTP: pages, what is answered, and what is refused."""

import httpx2
import pytest

from tests.erp import Erp, money, refused

PATH = "/v1/customers/C-1/account/documents"
STRANGE = "SO\u3000\U0001f980"
"""An order id that is printable to the contract, though not to Python."""


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1", "1000.00")
    for order_id, amount in (("SO-1", "1.00"), (STRANGE, "2.00"), ("SO-3", "3.00")):
        assert erp.ask(order_id, amount)["outcome"] == "APPROVE"
    return erp


def test_pages_of_a_figure(erp: Erp) -> None:
    query = {"category": "AUTHORIZED", "limit": "1"}
    told = erp.client.get(PATH, params=query).json()
    found = told["items"]
    while told["next_cursor"] is not None:
        told = erp.client.get(PATH, params={**query, "cursor": told["next_cursor"]}).json()
        assert (told["totals"], len(told["items"])) == ([money("6.00")], 1)
        found += told["items"]
    assert sorted(one["id"] for one in found) == sorted(["SO-1", "SO-3", STRANGE])
    strange = next(one for one in found if one["id"] == STRANGE)
    expires_at = strange.pop("expires_at")
    assert expires_at.endswith("Z")
    assert strange == {
        "type": "order",
        "id": STRANGE,
        "order_id": STRANGE,
        "note_id": None,
        "customer_id": "C-1",
        "amount": money("2.00"),
        "late_interest": None,
        "worth": money("2.00"),
        "due_date": None,
    }
    account = erp.account()
    assert account["authorized"] == money("6.00")
    assert (told["seq"], told["segment"], told["category"]) == (
        account["seq"],
        "main",
        "AUTHORIZED",
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        pytest.param({}, "category", id="no-category"),
        pytest.param({"category": "EVERYTHING"}, "category", id="unknown-category"),
        pytest.param({"category": "OPEN_ITEM", "limit": 501}, "limit", id="too-many"),
        pytest.param({"category": "OPEN_ITEM", "cursor": "x"}, "cursor", id="no-cursor"),
        pytest.param(
            {"category": "OPEN_ITEM", "cursor": "WzEsMCwiIiwiMDAiLCIiXQ"}, "cursor", id="nul"
        ),
        pytest.param(
            {"category": "OPEN_ITEM", "cursor": "WzEsMCwieCIsIjQxIiwiIl0"}, "cursor", id="no-date"
        ),
    ],
)
def test_bad_input(erp: Erp, query: dict[str, str], field: str) -> None:
    refused(erp.client.get(PATH, params=query), 422, "invalid_field", field)


def test_nobody_and_nowhere(erp: Erp) -> None:
    query = {"category": "OPEN_ITEM"}
    nobody = erp.client.get(PATH.replace("C-1", "NOBODY"), params=query)
    refused(nobody, 404, "customer_unknown")
    refused(erp.client.get(PATH, params={**query, "segment": "moon"}), 404, "segment_unknown")
