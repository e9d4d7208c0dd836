"""The feature table: recomputed by brute force, blind to what comes later, equal in any portion."""

import math
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from app.domain.feature_catalogue import CATALOGUE, FEATURE, NAMES
from app.domain.features import (
    FEATURES,
    AccountUse,
    InvoiceHistory,
    Payment,
    payment_features,
)
from app.domain.financials import RATIOS
from app.scoring.features import feature_frame
from app.scoring.features_bills import background_of, settle
from app.scoring.frames import OBSERVATIONS, FrameError, Ledger
from app.texts import TEXTS
from tests.scoring.brute_features import brute, was_known
from tests.scoring.feature_world import DAYS, Row, World, ask, day, make, rewrite

SEEDS = st.integers(0, 2**32 - 1)


def table(world: World, asked: list[Row], ledger: Ledger | None = None) -> pl.DataFrame:
    return feature_frame(ledger or world.ledger(), pl.DataFrame(asked, schema=OBSERVATIONS))


def differences(row: Row, expected: Row) -> dict[str, tuple[object, object]]:
    """Name what is not the same to nine digits, missing values included."""
    return {
        name: (row[name], expected[name])
        for name in NAMES
        if not math.isclose(*(-1e99 if one is None else one for one in (row[name], expected[name])))
    }


@pytest.mark.parametrize("seed", [3, 14, 159])
def test_sixty_rows_recomputed_by_brute_force(seed: int) -> None:
    world = make(seed, customers=9, invoices=25)
    asked = ask(world, seed, 60)
    found = table(world, asked)
    assert found.columns == list(NAMES)
    for row, question in zip(found.iter_rows(named=True), asked, strict=True):
        expected = dict.fromkeys(NAMES) | brute(world, question)
        assert differences(row, expected) == {}, question


def test_the_drawn_worlds_reach_every_feature() -> None:
    worlds = [make(seed, customers=9, invoices=25) for seed in (3, 14, 159)]
    found = pl.concat(table(world, ask(world, 1, 200)) for world in worlds)
    assert [name for name in NAMES if found[name].n_unique() < 2] == []


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, other=SEEDS, offset=st.integers(60, DAYS + 30))
def test_what_happens_later_changes_nothing_before(seed: int, other: int, offset: int) -> None:
    world, after = make(seed), day(offset)
    asked = [row for row in ask(world, other, 60) if row["as_of"] <= after]
    asked += [row | {"as_of": after} for row in ask(world, other, 5)]
    assert_frame_equal(
        table(world, asked), table(rewrite(world, after, other), asked), check_exact=True
    )


def test_rewriting_is_felt_afterwards() -> None:
    world, after = make(5), day(300)
    asked = [row | {"as_of": after + timedelta(days=60)} for row in ask(world, 5, 20)]
    assert not table(world, asked).equals(table(rewrite(world, after, 6), asked))


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_the_scorecards_features_are_the_same(seed: int) -> None:
    world = make(seed)
    asked = [
        row | {"currency": row["currency"] or "CNY", "used_minor": row["used_minor"] or 0}
        for row in ask(world, seed, 25)
    ]
    for row, question in zip(table(world, asked).iter_rows(named=True), asked, strict=True):
        on, name = question["as_of"], question["customer_id"]
        master = next((one for one in world.customers if one["customer_id"] == name), {})
        account = AccountUse(
            question["currency"],
            question["used_minor"],
            question["limit_minor"],
            master.get("since"),
            question["order_amount_minor"],
        )
        known = payment_features(_histories(world, name, on), account, on)
        same = {key: getattr(known, key) for key in FEATURES}
        if question["order_amount_minor"] is not None:
            del same["order_habit"]  # an order's habit is in the account's currency there, too
            assert row["order_habit"] == pytest.approx(known.order_habit)
        assert {key: row[key] for key in same} == pytest.approx(same), question


def _histories(world: World, name: str, on: date) -> list[InvoiceHistory]:
    return [
        InvoiceHistory(
            str(bill["invoice"]),
            bill["issue_date"],
            bill["due_date"],
            bill["amount_minor"],
            bill["currency"],
            tuple(
                Payment(row["paid_date"], row["amount_minor"])
                for row in world.payments
                if row["invoice"] == bill["invoice"]
            ),
            bill["disputed_on"],
        )
        for bill in world.invoices
        if bill["customer_id"] == name and was_known(bill, on)
    ]


def test_values_keep_within_the_catalogues_bounds() -> None:
    worlds = [make(seed, invoices=25) for seed in range(5)]
    found = pl.concat(table(world, ask(world, 2, 100)) for world in worlds)
    for one in CATALOGUE:
        values = found[one.name].drop_nulls().to_list()
        assert all(map(math.isfinite, values)), one.name
        assert one.lower is None or min(values, default=one.lower) >= one.lower, one.name
        assert one.upper is None or max(values, default=one.upper) <= one.upper, one.name


def test_rows_keep_their_order_and_do_not_know_each_other() -> None:
    world = make(8)
    asked = ask(world, 8, 40)
    whole = table(world, asked)
    for number in (0, 17, 39):
        assert_frame_equal(whole[number], table(world, [asked[number]]))
    assert_frame_equal(whole.reverse(), table(world, asked[::-1]))


def test_a_customer_needs_its_own_rows_and_the_rates_of_all() -> None:
    world = make(9)
    asked = [row for row in ask(world, 9, 60) if row["customer_id"] == "C0"]
    mine = [row for row in world.invoices if row["customer_id"] == "C0"]
    rates = background_of(settle(world.ledger()))
    alone = replace(replace(world, invoices=mine).ledger(), background=rates)
    assert_frame_equal(table(world, asked), table(world, asked, alone))


def test_who_has_no_currency_takes_that_of_the_newest_invoice_as_it_was_known() -> None:
    told = [(0, "CNY", 100, None, day(50)), (1, "USD", 300, day(50), None)]
    invoices = pl.DataFrame(
        [
            {
                "customer_id": "C",
                "invoice": number,
                "issue_date": day(0),
                "due_date": day(30),
                "amount_minor": minor,
                "currency": currency,
                "known_on": known_on,
                "gone_on": gone_on,
            }
            for number, currency, minor, known_on, gone_on in told
        ],
        infer_schema_length=None,
    )
    asked = pl.DataFrame({"customer_id": ["C"] * 3, "as_of": [day(49), day(50), day(60)]})
    found = feature_frame(Ledger.of({"invoices": invoices}), asked)
    assert found["open_amount_minor"].to_list() == [100, 300, 300]
    assert found["invoices_known"].to_list() == [1, 1, 1]


@pytest.mark.parametrize(("told_on", "limit"), [(21, 400), (20, None)])
def test_a_limit_that_was_over_when_it_was_told_replaced_none(
    told_on: int, limit: int | None
) -> None:
    bill = {"customer_id": "C", "invoice": 0, "amount_minor": 100, "currency": "CNY"}
    dates = {"issue_date": day(0), "due_date": day(30)}
    base = {"customer_id": "C", "kind": "base", "ended_on": None}
    rows: list[Row] = [
        {"known_on": day(0), "valid_from": day(0), "valid_to": None, "limit_minor": 400},
        {
            "known_on": day(told_on),
            "valid_from": day(10),
            "valid_to": day(20),
            "limit_minor": 200,
        },
    ]
    limits = pl.DataFrame(
        [{**base, **row, "order": order} for order, row in enumerate(rows)],
        infer_schema_length=None,
    )
    ledger = Ledger.of({"invoices": pl.DataFrame([{**bill, **dates}]), "limits": limits})
    asked = pl.DataFrame({"customer_id": ["C"], "as_of": [day(25)]})
    found = feature_frame(ledger, asked)["utilization"].to_list()
    assert found == [None if limit is None else 100 / limit]


@pytest.mark.parametrize("days_later", [0, 20, -20])
def test_a_statement_told_again_replaces_the_one_before_from_its_own_day(days_later: int) -> None:
    """Were only days compared, a correction of the same day would hold or not by chance."""
    asked = [(f"C{number}", day(on)) for number in range(500) for on in (29, 30, 60)]
    told = [(f"C{number}", day(30), 1.0) for number in range(500)]
    told += [(name, known + timedelta(days=days_later), 2.0) for name, known, _ in told]
    known = pl.DataFrame(told, ["customer_id", "known_on", "net_profit"], orient="row")
    statements = known.with_columns(period_end=day(0), total_assets=pl.lit(10.0))
    found = feature_frame(
        Ledger.of({"financials": statements}),
        pl.DataFrame(asked, ["customer_id", "as_of"], orient="row"),
    )
    first = 0.2 if days_later < 0 else None
    second = 0.2 if days_later == 0 else 0.1
    last = 0.1 if days_later < 0 else 0.2
    assert found["ratio_net_profit_to_assets"].to_list() == [first, second, last] * 500


@pytest.mark.parametrize("pairs_at_once", [5, 100])
def test_portions_make_no_difference(pairs_at_once: int) -> None:
    world = make(10)
    asked = pl.DataFrame(ask(world, 10, 60), schema=OBSERVATIONS)
    whole = feature_frame(world.ledger(), asked)
    parts = feature_frame(world.ledger(), asked, pairs_at_once=pairs_at_once)
    assert_frame_equal(whole, parts, check_exact=True)


def test_nobody_asked_and_nothing_known() -> None:
    empty = Ledger.of({})
    assert feature_frame(empty, pl.DataFrame(schema=OBSERVATIONS)).shape == (0, len(NAMES))
    row = feature_frame(empty, pl.DataFrame({"customer_id": ["C"], "as_of": [day(0)]})).row(
        0, named=True
    )
    assert {name for name, value in row.items() if value == 0} == {
        "invoices_closed",
        "invoices_known",
        "open_amount_minor",
        "open_count",
        "overdue_amount_minor",
        "overdue_count",
        "overdue_days",
        "overdue_mean_days",
        "invoices_90d",
    }
    assert {value for value in row.values() if value != 0} == {None}


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        ({"invoices": pl.DataFrame({"customer_id": ["C"]})}, "invoices: column invoice is missing"),
        ({"payments": pl.DataFrame({"invoice": ["x"]})}, "payments: column paid_date is missing"),
        (
            {
                "payments": pl.DataFrame(
                    {"invoice": ["x"], "paid_date": [day(0)], "amount_minor": [1]}
                )
            },
            "payments: conversion from",
        ),
    ],
    ids=["column-missing", "column-missing-in-payments", "no-number"],
)
def test_frames_are_held_to_their_schema(frames: dict[str, pl.DataFrame], said: str) -> None:
    with pytest.raises(FrameError, match=said):
        Ledger.of(frames)


def test_every_feature_is_declared_once_and_its_reason_can_be_told() -> None:
    assert len(FEATURE) == len(CATALOGUE)
    assert set(FEATURES) <= set(NAMES)
    assert {one.monotone for one in CATALOGUE} == {-1, 0, 1}
    assert {one.reason for one in CATALOGUE if one.reason} <= set(TEXTS)
    assert [one.attribute for one in RATIOS] == list(range(1, 65))


def test_the_documentation_names_every_feature() -> None:
    page = (Path(__file__).parents[2] / "docs" / "features.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name.removeprefix('ratio_')}`" not in page] == []
