"""Random asks over lanes of several processes: whatever comes, the books are exact."""

import random

import pytest

from app.domain.errors import CreditError
from app.store.database import Database
from app.usecases.asks import Answer, Ask
from tests.usecases.counter import Counter

PAYERS = ("C-1", "C-2", "C-3", "G")
RESERVED = """
SELECT a.account_id, coalesce(sum(o.reserved_minor), 0)::bigint AS orders
FROM account a LEFT JOIN account p ON a.account_id = any(p.path)
LEFT JOIN credit_order o ON o.account_id = p.account_id AND o.currency = :currency
GROUP BY a.account_id
"""


@pytest.fixture
def desk(database: Database) -> Counter:
    desk = Counter.open(database)
    desk.add("G", 300_00)
    desk.add("C-1", 200_00, parent="G")
    desk.add("C-2", unlimited=True, parent="G")
    desk.add("C-3", 150_00)
    desk.rate("USD", "CNY", "7.0713")
    return desk


def draw(desk: Counter, dice: random.Random) -> Ask:
    question = desk.question(
        f"SO-{dice.randrange(15)}",
        f"{dice.randrange(1, 9000) / 100:.2f}",
        customer_id=dice.choice(PAYERS),
        currency=dice.choice(("CNY", "CNY", "USD")),
        version=dice.choice((None, dice.randrange(4))),
    )
    if dice.random() < 0.2:
        return desk.check(question)
    return desk.order(question, dice.choice((None, f"K-{dice.randrange(20)}")))


def _again(desk: Counter, asks: list[Ask]) -> list[tuple[Ask, Answer | CreditError]]:
    return list(zip(asks, desk.answers(asks), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_the_books_are_exact(desk: Counter, seed: int) -> None:
    dice = random.Random(seed)
    asks = [draw(desk, dice) for _ in range(80)]
    told = desk.answers(asks, lanes=3)
    keyed = [ask for ask in asks if ask.key is not None]
    sent = {one.decision_id: found for one, found in zip(asks, told, strict=True)}
    stored: dict[str, set[bytes]] = {}
    for ask, one in [*((ask, sent[ask.decision_id]) for ask in keyed), *_again(desk, keyed)]:
        if isinstance(one, Answer) and ask.key is not None:
            stored.setdefault(ask.key, set()).add(one.body)
    assert {len(bodies) for bodies in stored.values()} <= {1}
    for currency in ("CNY", "USD"):
        sums = {row["account_id"]: row["orders"] for row in desk.rows(RESERVED, currency=currency)}
        for customer_id in PAYERS:
            held = desk.account(customer_id)
            assert held.position(currency).authorized == sums[held.account_id]
            assert held.unlimited or held.use.total <= (held.limit_minor or 0)
            assert held.forced == 0
    desk.exact()
