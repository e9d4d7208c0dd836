"""Financial statements over HTTP and from files, and the ratios that features make of them."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.cli.financial_rows import STATEMENT_COLUMNS
from app.cli.import_master import MasterImport, RowCounts
from app.cli.tables import open_table
from app.cli.tables_rejects import Reject
from app.store.database import Database
from app.usecases.financials import PutStatement
from app.usecases.portfolio import TabulateFeatures
from tests.erp import Erp, refused
from tests.server import Clock

PATH = "/v1/customers/C-1/financials"
YEAR: dict[str, Any] = {
    "period_end": "2025-12-31",
    "known_on": "2026-04-20",
    "currency": "CNY",
    "figures": {"net_profit": "120.50", "sales": "2410", "total_assets": "1205"},
    "ratios": {"current_ratio": "1.5"},
    "source": "annual report",
}


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1", "100.00")
    return erp


def put(erp: Erp, **changes: Any) -> httpx2.Response:  # noqa: ANN401 - any field
    return erp.client.put(PATH, json=YEAR | changes)


def due(database: Database) -> list[str]:
    """Take everybody off the list of due scores, and say who was on it."""
    with database.begin() as tx:
        found = tx.execute(text("DELETE FROM score_due RETURNING customer_id")).scalars()
        return sorted(set(found))


def test_a_statement_is_kept_once_and_corrected_by_another(erp: Erp, database: Database) -> None:
    due(database)
    first = put(erp)
    assert due(database) == ["C-1"]
    assert (put(erp).status_code, due(database)) == (200, [])
    assert first.status_code == 201
    told = first.json()
    assert {name: told[name] for name in YEAR} == YEAR
    assert put(erp, source="auditor").status_code == 201
    assert put(erp, period_end="2024-12-31", known_on="2025-04-20").status_code == 201
    page = erp.client.get(PATH, params={"limit": 1}).json()
    assert [one["source"] for one in page["items"]] == ["auditor"]
    rest = erp.client.get(PATH, params={"cursor": page["next_cursor"]}).json()
    assert [one["period_end"] for one in rest["items"]] == ["2024-12-31"]
    assert rest["next_cursor"] is None


def test_history_told_after_a_restatement_does_not_hold(erp: Erp, database: Database) -> None:
    restated = {"known_on": "2026-06-01", "ratios": {"current_ratio": "0.5"}}
    assert [put(erp, **restated).status_code, put(erp).status_code] == [201, 201]
    due(database)
    again = [put(erp), put(erp, **restated)]
    assert [one.status_code for one in again] == [200, 200]
    assert [one.json()["known_on"] for one in again] == ["2026-04-20", "2026-06-01"]
    assert due(database) == []
    (held,) = erp.client.get(PATH).json()["items"]
    assert (held["known_on"], held["ratios"]) == ("2026-06-01", {"current_ratio": "0.5"})
    for day, ratio in ((date(2026, 5, 31), 1.5), (date(2026, 6, 1), 0.5)):
        assert ratios(database, day, ["ratio_current_ratio"]) == [ratio]


def test_without_a_day_it_may_be_told_back(erp: Erp) -> None:
    today = {name: value for name, value in YEAR.items() if name != "known_on"}
    told = [today, today | {"source": "auditor"}, today]
    assert [erp.client.put(PATH, json=one).status_code for one in told] == [201, 201, 201]
    assert [one["source"] for one in erp.client.get(PATH).json()["items"]] == ["annual report"]


def test_without_a_day_it_is_known_since_it_was_first_told(erp: Erp, clock: Clock) -> None:
    told = {name: value for name, value in YEAR.items() if name != "known_on"}
    assert erp.client.put(PATH, json=told).json()["known_on"] == "2026-06-15"
    clock.advance(days=3)
    again = erp.client.put(PATH, json=told)
    assert (again.status_code, again.json()["known_on"]) == (200, "2026-06-15")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown-line": ({"figures": {"profit": "1"}}, "figures.profit"),
    "unknown-ratio": ({"ratios": {"quick": "1"}}, "ratios.quick"),
    "not-a-decimal": ({"figures": {"sales": "1e9"}}, "figures.sales"),
    "infinite": ({"ratios": {"current_ratio": "inf"}}, "ratios.current_ratio"),
    "sixteen-digits": ({"figures": {"sales": "1" * 16}}, "figures.sales"),
    "number": ({"figures": {"sales": 5}}, "figures.sales"),
    "nothing-told": ({"figures": {}, "ratios": {}}, "figures"),
    "known-before-the-year-ended": ({"known_on": "2025-12-30"}, "known_on"),
    "known-in-the-future": ({"known_on": "2026-06-17"}, "known_on"),
    "currency-of-nobody": ({"currency": "XYZ"}, "currency"),
    "unknown-field": ({"profit": "1"}, "profit"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_a_rule_changes_nothing(erp: Erp, name: str) -> None:
    changes, field = REFUSED[name]
    problem = put(erp, **changes)
    assert problem.status_code == 422, problem.text
    assert problem.json()["errors"][0]["field"] == field
    assert erp.client.get(PATH).json()["items"] == []


def test_nobody_and_a_foreign_cursor(erp: Erp) -> None:
    refused(erp.client.put("/v1/customers/X/financials", json=YEAR), 404, "customer_unknown")
    refused(erp.client.get("/v1/customers/X/financials"), 404, "customer_unknown")
    refused(erp.client.get(PATH, params={"cursor": "W10"}), 422, "invalid_field")


def ratios(database: Database, day: date, names: Sequence[str]) -> list[float | None]:
    (frame,) = TabulateFeatures(database)(day)
    return [frame[name].item() for name in names]


def test_features_know_a_statement_from_its_day_on(erp: Erp, database: Database) -> None:
    put(erp)
    put(erp, period_end="2024-12-31", known_on="2025-05-01", figures={"total_assets": "1000"})
    names = ("ratio_net_margin", "ratio_current_ratio", "assets_growth", "financials_age_days")
    before = ratios(database, date(2026, 4, 19), names)
    assert before == [None, 1.5, None, 474]
    put(erp, ratios={"net_margin": "0.9"}, known_on="2026-05-01")
    after = ratios(database, date(2026, 4, 20), names)
    assert after == [0.05, 1.5, pytest.approx(0.205), 110]
    assert ratios(database, date(2026, 5, 1), names)[:2] == [0.9, None]


@pytest.mark.parametrize(
    ("before", "now", "growth"),
    [
        pytest.param("CNY", "CNY", 0.205, id="the-same"),
        pytest.param(None, None, 0.205, id="neither-told"),
        pytest.param("CNY", "USD", None, id="another"),
        pytest.param(None, "CNY", None, id="one-not-told"),
    ],
)
def test_years_in_different_currencies_are_not_compared(
    erp: Erp, database: Database, before: str | None, now: str | None, growth: float | None
) -> None:
    earlier = {"figures": {"total_assets": "1000"}, "currency": before}
    put(erp, period_end="2024-12-31", known_on="2025-05-01", **earlier)
    put(erp, currency=now)
    names = ("assets_growth", "ratio_net_margin")
    assert ratios(database, date(2026, 4, 20), names) == [growth and pytest.approx(growth), 0.05]


def test_a_file_of_statements_is_taken_in_once(
    erp: Erp, database: Database, clock: Clock, tmp_path: Path
) -> None:
    file = tmp_path / "statements.csv"
    file.write_text(
        "客户编号,period_end,known_on,币种,sales,net_profit,current_ratio\n"
        "C-1,2025-12-31,2026-04-20,CNY,200,10,\n"
        "C-1,2024-12-31,2025-04-20,,,,1.2\n"
        "C-9,2025-12-31,,CNY,1,1,\n"
        "C-1,2023-12-31,2024-04-20,CNY,many,1,\n"
        "C-1,2022-12-31,2023-04-20,CNY,,,\n",
        encoding="utf-8",
    )

    def run() -> tuple[RowCounts, list[Reject]]:
        rejects: list[Reject] = []
        master = MasterImport(rejects.append, lambda _: None)
        master.put_statements(open_table(file, STATEMENT_COLUMNS), PutStatement(database, clock))
        return master.counts, rejects

    counts, rejects = run()
    assert (counts.rows, counts.results["new"]) == (5, 2)
    assert [(one.line, one.field) for one in rejects] == [
        (4, "customer_id"),
        (5, "figures.sales"),
        (6, "figures"),
    ]
    assert run()[0].results == {"known": 2}
    assert len(erp.client.get(PATH).json()["items"]) == 2
