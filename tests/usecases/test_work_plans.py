"""What `aval work` looks for it finds by index among 30,000 orders, with what ANALYZE samples."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import psycopg
import pytest

from app.store.database import Database
from app.usecases.expiry import ExpireAuthorizations
from app.usecases.facts_requeue import RequeueFacts
from app.usecases.horizons import CountOrders
from app.usecases.limits_due import SettleLimits
from app.usecases.portions import Cursor, Portion
from app.usecases.recommendation import RecommendLimit
from app.usecases.revaluation import RevaluePositions
from tests.usecases.counter import NOW, TODAY, Counter
from tests.usecases.plans import ENTRIES, counts, grow, many, sample
from tests.usecases.town import ADMIN

Pass = Callable[[Cursor | None], Portion]
PASSES: Final[dict[str, Callable[[Database], Pass]]] = {
    "expire": lambda database: ExpireAuthorizations(database, 100, lambda _: NOW),
    "count": lambda database: CountOrders(database, 100, lambda _: NOW),
    "settle": lambda database: SettleLimits(database, 100, lambda _: NOW),
    "revalue": lambda database: RevaluePositions(database, 100, lambda _: NOW),
    "requeue": lambda database: RequeueFacts(database, 100, lambda _: NOW),
    "adjust": lambda database: lambda _: recommended(database),
}
DUE: Final = """
UPDATE credit_order SET expires_at = '2026-11-01' WHERE order_id IN ('go500', 'go29000');
UPDATE credit_order SET reserved_minor = 0, counts_from = '2026-11-24'
WHERE order_id IN ('go600', 'go28000');
UPDATE account SET limit_changes_on = '2027-01-01';
UPDATE account SET limit_changes_on = '2026-11-24' WHERE customer_id IN ('g7', 'g400');
INSERT INTO quarantine (source, event_id, segment_id, customer_ref, content, payload, code, detail,
    cause)
SELECT 'erp', 'q' || n, 'main', 'x' || n % 500, '', '{"version": 1}', 'customer_unknown', '',
    CASE WHEN n % 2 = 0 THEN 'rate:CNY:EUR' ELSE 'customer:x' || n % 500 END
FROM generate_series(1, 30000) AS n
"""


def recommended(database: Database) -> Portion:
    """Work out the limit of one account, as the loop does for each."""
    view = RecommendLimit(database, lambda: NOW)(ADMIN, "g500", "main")
    return Portion(int(view.current is not None))


@pytest.fixture
def database(database: Database) -> Database:
    """Grow a ledger in which one account has a foreign position, and four orders are due."""
    desk = Counter.open(database)
    desk.add("C-1", 800_00)
    desk.rate("USD", "CNY", "7", TODAY - timedelta(days=1))
    desk.told(desk.order(desk.question("SO-1", "100.00", currency="USD")))
    desk.rate("USD", "CNY", "7.1")
    database.close()
    grow(database.url)
    with psycopg.connect(database.url, autocommit=True) as connection:
        for statement in DUE.split(";"):
            connection.execute(statement.encode())
    sample(database.url)
    return database


def test_the_loops_read_what_is_due_and_little_else(database: Database) -> None:
    before, entries = counts(database.url), counts(database.url, ENTRIES)
    done = {}
    for name, make in PASSES.items():
        one = make(database)
        portion = one(None)
        done[name] = portion.items
        while portion.after is not None:
            portion = one(portion.after)
            done[name] += portion.items
    database.close()
    assert done == {"expire": 2, "count": 2, "settle": 2, "revalue": 1, "requeue": 0, "adjust": 1}
    assert {name: n for name, n in counts(database.url).items() if n > before[name]} == {}
    assert many(entries, counts(database.url, ENTRIES)) == {}
