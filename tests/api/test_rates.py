"""A rate that is far from the one before is taken only from who says that it is meant."""

from typing import Any

import httpx2
import pytest

from tests.erp import Erp, refused

RATE: dict[str, Any] = {
    "base": "USD",
    "quote": "CNY",
    "rate": "7.20",
    "rate_date": "2026-06-14",
    "source": "PBOC",
}


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    """Serve one rate."""
    erp = Erp(client)
    assert erp.post("/v1/fx-rates", RATE).status_code == 201
    return erp


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        pytest.param({"rate": "7.21"}, True, id="next-day"),
        pytest.param({"rate": "36"}, True, id="five-times"),
        pytest.param({"rate": "36.000000000000000001"}, False, id="more-than-five-times"),
        pytest.param({"rate": "1.44"}, True, id="a-fifth"),
        pytest.param({"rate": "1.439999999999999999"}, False, id="less-than-a-fifth"),
        pytest.param({"rate": "0.72"}, False, id="point-misplaced"),
        pytest.param({"base": "CNY", "quote": "USD"}, False, id="exchanged"),
        pytest.param({"base": "CNY", "quote": "USD", "rate": "0.139"}, True, id="inverse"),
        pytest.param({"base": "EUR", "rate": "0.72"}, True, id="other-pair"),
        pytest.param({"rate": "0.72", "rate_date": "2026-06-21"}, False, id="a-week-later"),
        pytest.param({"rate": "0.72", "rate_date": "2026-06-22"}, False, id="later-than-fresh"),
        pytest.param({"rate": "0.72", "rate_date": "2026-06-13"}, False, id="before-it"),
        pytest.param({"rate": "0.72", "rate_date": "1999-06-13"}, False, id="long-before-it"),
        pytest.param({"rate": "0.72", "confirmed": True}, True, id="meant"),
    ],
)
def test_a_rate_is_compared_with_the_newest_of_its_pair(
    erp: Erp, fields: dict[str, Any], taken: bool
) -> None:
    answer = erp.post("/v1/fx-rates", {**RATE, "rate_date": "2026-06-15", **fields})
    if taken:
        assert answer.status_code == 201, answer.text
    else:
        refused(answer, 409, "rate_implausible", "rate")
    assert len(erp.client.get("/v1/fx-rates").json()["items"]) == 1 + taken


def test_what_was_refused_is_taken_under_its_key_once_it_is_confirmed(erp: Erp) -> None:
    odd = {**RATE, "rate": "720"}
    refused(erp.post("/v1/fx-rates", odd, "K-1"), 409, "rate_implausible", "rate")
    meant = {**odd, "confirmed": True}
    assert erp.post("/v1/fx-rates", meant, "K-1").status_code == 201
    back = erp.post("/v1/fx-rates", RATE, "K-2")
    refused(back, 409, "rate_implausible", "rate")
    assert "720" in back.json()["detail"]
    (newest, *_) = erp.client.get("/v1/changes", params={"kind": "FX_RATE"}).json()["items"]
    assert (newest["after"]["rate"], newest["after"]["confirmed"]) == ("720", True)
