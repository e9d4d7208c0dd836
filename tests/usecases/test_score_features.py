"""What a model is served is what it learned from and what the table says, with an order open."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest

from app.domain.decisions import Question
from app.domain.features import FEATURES
from app.domain.models import Alias
from app.domain.money import Money
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.scoring.observing import Copies
from app.scoring.process import ScoringProcess
from app.scoring.process_pipe import ProcessLimits
from app.scoring.scorecard_file import standard_scorecard
from app.scoring.training_rows import Target, observe
from app.store import scores
from app.store.database import Database
from app.usecases.portfolio import TabulateFeatures, read_ledger
from app.usecases.portfolio_scores import FeaturesHere
from app.usecases.score_models import RateByModel
from app.usecases.score_raters import RateByCard
from app.usecases.seeds import SeedDatabase
from app.usecases.segments import SegmentChange
from tests.server import Clock
from tests.usecases.test_score_models import counted, loadable, stand
from tests.usecases.town import ADMIN, Town

Row = Mapping[str, float | None]

LIMIT, OPEN, ORDERED = 50_000, 5_000, 35_000


@dataclass(frozen=True)
class Overheard:
    """Computes features, and keeps what it was given and what it said."""

    rates: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    here: FeaturesHere = field(default_factory=FeaturesHere)

    def __call__(
        self, copies: Copies, asks: Sequence[Mapping[str, object]]
    ) -> list[dict[str, float | None]]:
        self.rates.extend(str(one["day"]) for one in copies.background)
        found = self.here(copies, asks)
        self.rows.extend(found)
        return found

    def stop(self) -> None:
        self.here.stop()


@pytest.fixture(scope="module")
def process() -> Iterator[ScoringProcess]:
    made = ScoringProcess(ProcessLimits(answer_s=20.0))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def town(database: Database, clock: Clock, process: ScoringProcess) -> Town:
    """Let C-1 have paid six invoices late and owe one more, with an order open beside it."""
    SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
    town = Town.found(database, clock)
    town.put("C-1")
    for number in range(6):
        issued = date(2026, 1, 5) + timedelta(days=14 * number)
        sell(town, f"I-{number}", 10_000, issued, issued + timedelta(days=34))
    sell(town, "I-9", OPEN, date(2026, 5, 1), None)
    town.limit("C-1", LIMIT)
    town.clock.advance(days=5)
    town.fact("order", "C-1", order_id="SO-1", amount=ORDERED, status="OPEN")
    stand(town, process, Alias.CHAMPION, loadable(0.02))
    return town


def sell(town: Town, name: str, minor: int, issued: date, paid: date | None) -> None:
    days = {"issue_date": str(issued), "due_date": str(issued + timedelta(days=14))}
    town.fact("invoice", "C-1", invoice_id=name, amount=minor, **days)
    if paid is not None:
        parts = [{"invoice_id": name, "amount": minor}]
        told = {"payment_id": f"P-{name}", "paid_date": str(paid)}
        town.fact("payment", "C-1", amount=minor, allocations=parts, **told)


def same(served: Row, other: Row) -> None:
    assert served.keys() == other.keys()
    assert served == pytest.approx(dict(other), nan_ok=True)


def test_a_score_is_served_what_the_table_says(town: Town, process: ScoringProcess) -> None:
    counted(town)
    heard = Overheard()
    with town.database.begin() as tx:
        subjects = scores.lock(tx, ["C-1"])
        RateByModel(process, heard)(tx, subjects, town.clock())
        by_card = RateByCard()(tx, subjects, town.clock())["C-1"]
    (frame,) = TabulateFeatures(town.database)(town.today)
    (table,) = frame.drop("customer_id", "as_of").iter_rows(named=True)
    same(heard.rows[0], table)
    assert table["utilization"] == OPEN / LIMIT
    assert "utilization" in FEATURES
    assert by_card.features["utilization"] == (OPEN + ORDERED) / LIMIT  # as its account counts


def test_an_order_is_served_what_training_learns_from(town: Town, process: ScoringProcess) -> None:
    counted(town)
    heard, day = Overheard(), town.today
    asked = Question("C-1", "main", "ORDER", "SO-1", Money(ORDERED, "CNY"), payment_terms_days=14)
    with town.database.read() as tx:
        assert RateByModel(process, heard).orders(tx, [asked], town.clock()) != [None]
    town.clock.advance(days=20)
    sell(town, "I-10", ORDERED, day, day + timedelta(days=20))
    with town.database.read() as tx:
        ledger = read_ledger(tx, ["C-1"], None)
    learned = observe(ledger, Target(0, 365), town.today).matrix
    (place,) = [at for at, one in enumerate(learned.days) if one.item() == day]
    row = dict(zip(learned.names, learned.values[place].tolist(), strict=True))
    served = {
        name: float("nan") if value is None else value for name, value in heard.rows[0].items()
    }
    same(served, row)
    assert served["utilization"] == OPEN / LIMIT


@pytest.mark.parametrize(
    ("zone", "ago"),
    [
        pytest.param("Asia/Shanghai", (1,), id="east"),
        pytest.param("America/Los_Angeles", (2, 1), id="west"),
    ],
)
def test_rates_of_all_are_those_that_each_order_may_know(
    town: Town, process: ScoringProcess, zone: str, ago: tuple[int, ...]
) -> None:
    """In the evening of the west it is the day after in UTC, of whose eve the newest counts are."""
    town.parties.put_segment(ADMIN, "main", SegmentChange("Main", time_zone=zone))
    town.parties.put_segment(ADMIN, "east", SegmentChange("East"))
    town.put("C-2")
    town.fact("order", "C-2", order_id="SO-2", segment="east", amount=ORDERED, status="OPEN")
    town.clock.advance(days=-1)
    counted(town)
    town.clock.advance(days=1)
    counted(town)
    heard = Overheard()
    asked = [
        Question(customer_id, "main", "ORDER", "SO-1", Money(ORDERED, "CNY"))
        for customer_id in ("C-1", "C-2")
    ]
    with town.database.read() as tx:
        RateByModel(process, heard).orders(tx, asked, town.clock())
    assert heard.rates == [str(town.today - timedelta(days=one)) for one in ago]
    assert [row["global_late_rate"] for row in heard.rows] == [1, 1]
    assert [row["prior_late_rate"] for row in heard.rows] == [1, 1]
