"""Giving an authorization back takes off just what was reserved, on every account of the path."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.accounts import Account, Use, force
from app.domain.authorizations import ended, freed
from app.domain.errors import NotFoundError
from app.domain.ids import need_id
from app.domain.money import Rate
from app.domain.orders import Order, State

RATE = Rate("KRW", "CNY", Decimal("0.0052"), "2026-06-15", "test")
ID = "019332b4-6c00-7000-8000-000000000003"

amounts = st.integers(0, 10**12)


@given(
    currency=st.sampled_from(["CNY", "KRW"]),
    others=amounts,
    reserved=st.integers(1, 10**12),
    limit=st.none() | amounts,
)
def test_giving_back_undoes_reserving(
    currency: str, others: int, reserved: int, limit: int | None
) -> None:
    rate = None if currency == "CNY" else RATE
    bare = Account(1, "C-1", "main", (1, 2), "CNY", limit_minor=limit)
    before = force(bare, currency, Use(authorized=others), rate) if others else bare
    after = force(before, currency, Use(authorized=reserved), rate)
    order = Order("main", "SO-1", 1, currency, state="LIVE", authorized=reserved, reserved=reserved)
    (own, group) = freed(order, [after, replace(after, account_id=2)])
    assert (own.kind, own.ref, group.account.account_id) == ("FREE", "order:SO-1", 2)
    for entry in (own, group):
        left = entry.account
        assert (left.use, dict(left.foreign)) == (before.use, dict(before.foreign))
        assert left.forced == left.excess <= after.forced
        assert left.seq == after.seq + 1


@pytest.mark.parametrize("state", ["NONE", "RELEASED", "EXPIRED"])
def test_what_is_not_live_keeps_its_state(state: State) -> None:
    order = replace(Order("main", "SO-1", 1, "CNY"), state=state)
    assert ended(order) == order
    assert freed(order, []) == []


@pytest.mark.parametrize("text", [ID.upper(), f"{{{ID}}}", ID.replace("-", ""), f"{ID} ", "", "x"])
def test_an_id_written_otherwise_names_nothing(text: str) -> None:
    assert need_id(ID, "thing") == ID
    with pytest.raises(NotFoundError):
        need_id(text, "thing")
