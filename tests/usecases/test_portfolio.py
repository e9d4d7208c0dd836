"""Many customers at once: the same as one by one, in any portion, and blind to what comes later."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from threading import Barrier, BrokenBarrierError
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import event, text

from app.domain.errors import BusyError
from app.domain.feature_catalogue import NAMES
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.scoring.features_bills import background_of, settle
from app.scoring.observing import ObservingError
from app.scoring.scorecard_file import standard_scorecard
from app.store import portfolio, scores
from app.store.database import Database, Tx
from app.store.scores import Subject
from app.usecases.portfolio import TabulateFeatures, pages, read_ledger
from app.usecases.portfolio_scores import RateByCardInBulk, ScorePortfolio
from app.usecases.score_portions import RescoreTouched, Scored, ScorePortion
from app.usecases.score_raters import RateByCard, Rated
from app.usecases.seeds import SeedDatabase
from tests.conftest import Server
from tests.server import Clock
from tests.usecases.town import Town

IDS = ['A "quoted", name', "B", "C-1", "C-2", "GROUP", "NEW"]
FIRST = date(2025, 6, 1)


@pytest.fixture(scope="module")
def town(server: Server) -> Iterator[Town]:
    """Found a town of six customers whose ledgers are drawn at random; tests only read it."""
    name = "aval_test_portfolio"
    url = server.create(name, server.template)
    clock = Clock()
    try:
        with closing(Database(url)) as database:
            SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
            town = Town.found(database, clock)
            _fill(town, Random(7))
            yield town
    finally:
        server.drop(name)


def _fill(town: Town, draw: Random) -> None:
    town.put("GROUP", since=date(2020, 1, 1))
    for name in IDS:
        if name != "GROUP":
            parent = "GROUP" if name.startswith("C-") else None
            town.put(name, parent_id=parent, currency="USD" if name == "B" else "CNY")
    town.limit("C-1", 500_000)
    town.limit("GROUP", 900_000)
    for number in range(40):
        _sell(town, draw, draw.choice(IDS[:-1]), f'I,"{number}')


def _sell(town: Town, draw: Random, name: str, invoice_id: str) -> None:
    issued = FIRST + timedelta(days=draw.randrange(370))
    due = issued + timedelta(days=30)
    currency = draw.choice(["CNY", "CNY", "USD"])
    told: dict[str, Any] = {"invoice_id": invoice_id, "currency": currency}
    dates = {"issue_date": issued.isoformat(), "due_date": due.isoformat()}
    town.fact("invoice", name, amount=10_000, **dates, **told)
    for part in draw.choice([[], [10_000], [10_000], [4_000, 6_000], [9_999]]):
        paid = min(due + timedelta(days=draw.randrange(-25, 50)), town.today)
        town.fact(
            "payment",
            name,
            payment_id=f"P{town.next()}",
            amount=part,
            currency=currency,
            paid_date=max(paid, issued).isoformat(),
            allocations=[{"invoice_id": invoice_id, "amount": part}],
        )
    if draw.random() < 0.2:
        day = datetime.combine(issued + timedelta(days=9), datetime.min.time(), UTC)
        town.fact("dispute", name, invoice_id=invoice_id, open=True, occurred_at=day.isoformat())


def _table(town: Town, day: date, portion: int = 1_000) -> pl.DataFrame:
    return pl.concat(TabulateFeatures(town.database, portion)(day))


def test_in_bulk_says_what_one_by_one_says(town: Town) -> None:
    with town.database.begin() as tx:
        subjects = scores.lock(tx, IDS)
        one_by_one = RateByCard()(tx, subjects, town.clock())
        in_bulk = RateByCardInBulk()(tx, subjects, town.clock())
    assert list(in_bulk) == IDS
    for name in IDS:
        one, other = asdict(one_by_one[name]), asdict(in_bulk[name])
        assert dict(other.pop("features")) == pytest.approx(dict(one.pop("features")))
        assert other == one
    assert len({one.score.score for one in in_bulk.values()}) > 3


@pytest.mark.parametrize("portion", [1, 4])
def test_every_customer_is_scored_once_in_any_portion(town: Town, portion: int) -> None:
    counted = "SELECT customer_id, count(*) FROM score GROUP BY 1 ORDER BY 1"
    with town.database.read() as tx:
        before = {row[0]: row[1] for row in tx.execute(text(counted))}
    at = town.clock() + timedelta(days=2 + portion)
    seen: list[tuple[int, int]] = []
    run = ScorePortfolio(ScorePortion(town.database, lambda: at, RateByCardInBulk()), portion)
    assert run(lambda done, total: seen.append((done, total))) == Scored(len(IDS))
    assert seen[-1] == (len(IDS), len(IDS))
    with town.database.read() as tx:
        after = {row[0]: row[1] for row in tx.execute(text(counted))}
        newest = text("SELECT count(*) FROM customer_score WHERE scored_at = :at")
        assert tx.execute(newest, {"at": at}).scalar_one() == len(IDS)
    assert after == {name: before.get(name, 0) + 1 for name in IDS}


def test_a_portion_waits_for_the_database_no_more_often_than_one_customer(town: Town) -> None:
    at = town.clock() + timedelta(days=20)
    asked: list[int] = []

    def count(*told: object) -> None:
        asked.append(100 if told[5] else 1)  # executemany: a round trip a row

    score = ScorePortion(town.database, lambda: at, RateByCardInBulk())
    event.listen(town.database.engine, "before_cursor_execute", count)
    try:
        assert score(IDS[:1]) == Scored(1)
        one = sum(asked)
        asked.clear()
        assert score(IDS[1:]) == Scored(len(IDS) - 1)
    finally:
        event.remove(town.database.engine, "before_cursor_execute", count)
    assert sum(asked) == one < 30


@dataclass(frozen=True)
class Overtaxed(RateByCardInBulk):
    """A rater that cannot do more than `most` at once."""

    most: int = 2

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        if len(subjects) > self.most:
            raise BusyError("too many")
        return RateByCardInBulk.__call__(self, tx, subjects, at)


def test_what_is_too_much_at_once_is_halved(town: Town) -> None:
    at = town.clock() + timedelta(days=30)
    score = ScorePortion(town.database, lambda: at, Overtaxed(), pause_s=0.0)
    assert score(IDS) == Scored(len(IDS))
    away = ScorePortfolio(replace(score, rater=Overtaxed(most=0)))
    with pytest.raises(BusyError, match="too many"):
        away(lambda *_: None)


@dataclass(frozen=True)
class Poisoned(RateByCardInBulk):
    """Breaks off wherever some customers are among those to be rated."""

    by: Collection[str]
    trouble: type[Exception]

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        if {*self.by} & {one.customer_id for one in subjects}:
            raise self.trouble("crashed")
        return RateByCardInBulk.__call__(self, tx, subjects, at)


@pytest.mark.parametrize("trouble", [BusyError, ObservingError])
@pytest.mark.parametrize("portion", [1, 4])
def test_who_cannot_be_scored_ends_nothing(
    town: Town, portion: int, trouble: type[Exception]
) -> None:
    at = town.clock() + timedelta(days=40 + portion)
    rater = Poisoned(["C-1", "NEW"], trouble)
    seen: list[tuple[int, int]] = []
    run = ScorePortfolio(ScorePortion(town.database, lambda: at, rater, pause_s=0.0), portion)
    found = run(lambda done, total: seen.append((done, total)))
    assert found == Scored(len(IDS) - 2, 2, ("C-1", "NEW"), "crashed")
    assert seen[-1] == (len(IDS), len(IDS))
    with town.database.read() as tx:
        query = text("SELECT customer_id FROM customer_score WHERE scored_at = :at ORDER BY 1")
        assert list(tx.execute(query, {"at": at}).scalars()) == [*IDS[:2], *IDS[3:-1]]


@pytest.mark.parametrize("trouble", [BusyError, ObservingError])
def test_where_many_in_a_row_cannot_be_scored_nobody_can(
    town: Town, trouble: type[Exception]
) -> None:
    def score(bad: Sequence[str]) -> ScorePortion:
        rater = Poisoned(bad, trouble)
        return ScorePortion(town.database, town.clock, rater, pause_s=0.0, most_in_a_row=3)

    if trouble is BusyError:
        with pytest.raises(BusyError, match="crashed"):
            score(IDS[:3])(IDS)
    else:  # it is their data: a family may be many
        assert score(IDS[:3])(IDS) == Scored(len(IDS) - 3, 3, tuple(IDS[:3]), "crashed")
    assert score([*IDS[:2], *IDS[3:5]])(IDS).failed == 4
    alone = ScorePortfolio(score(IDS[1:4]), portion=1)
    with pytest.raises(BusyError, match="crashed"):
        alone(lambda *_: None, one_by_one)


@pytest.mark.parametrize("trouble", [BusyError, ObservingError])
def test_after_much_was_booked_who_cannot_be_scored_ends_nothing(
    town: Town, trouble: type[Exception]
) -> None:
    at = town.clock() + timedelta(days=60)
    accounts = [town.account(name).account_id for name in ("B", "C-1", "C-2")]
    seen: list[tuple[int, int]] = []

    def rescore(*bad: str) -> Scored:
        rater = Poisoned(bad, trouble)
        score = ScorePortion(town.database, lambda: at, rater, pause_s=0.0, most_in_a_row=3)
        return RescoreTouched(score)(accounts, lambda *told: seen.append(told))

    found = rescore("C-1")
    assert found == Scored(3, 1, ("C-1",), "crashed")  # the group above is one of them
    assert found.rest() == "1 could not be scored (C-1): crashed"
    assert seen == [(4, 4)]
    if trouble is BusyError:
        with pytest.raises(BusyError, match="crashed"):
            rescore(*IDS)
    else:
        assert rescore(*IDS) == Scored(0, 4, ("B", "C-1", "C-2", "GROUP"), "crashed")
    assert rescore() == Scored(4)


@dataclass(frozen=True)
class Sharing(RateByCardInBulk):
    """One process for all: whoever is in it beside the one that crashes it goes down with it."""

    bad: str
    line: Barrier = field(default_factory=lambda: Barrier(2))
    begun: list[str] = field(default_factory=list)

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        (one,) = (subject.customer_id for subject in subjects)
        first = len(self.begun) < self.line.parties
        self.begun.append(one)
        try:
            self.line.wait(10.0 if first else 0.1)
        except BrokenBarrierError:  # nobody else is in it
            self.line.reset()
        else:
            raise BusyError("crashed")
        if one == self.bad:
            raise BusyError("crashed")
        return RateByCardInBulk.__call__(self, tx, subjects, at)


def test_who_looks_for_the_one_that_crashes_takes_nobody_down(town: Town) -> None:
    at = town.clock() + timedelta(days=70)
    rater = Sharing(bad="NEW")
    score = ScorePortion(town.database, lambda: at, rater, pause_s=0.0)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(score, (["NEW"], ["B"])))
    assert found == [Scored(0, 1, ("NEW",), "crashed"), Scored(1)]
    assert sorted(rater.begun) == ["B", "B", "NEW", "NEW", "NEW"]


@dataclass(frozen=True)
class Restarting(RateByCardInBulk):
    """Crashes at the first calls, and needs `back_s` after each to be there again."""

    crashes: int = 2
    back_s: float = 0.1
    crashed_at: list[float] = field(default_factory=list)

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        now = time.monotonic()
        if len(self.crashed_at) < self.crashes:
            self.crashed_at.append(now)
            raise BusyError("crashed")
        if now < self.crashed_at[-1] + self.back_s:
            raise BusyError("is being restarted")
        return RateByCardInBulk.__call__(self, tx, subjects, at)


@pytest.mark.parametrize("crashes", [1, 2], ids=["on-the-portion", "on-anothers-meanwhile"])
def test_what_computes_is_given_time_to_come_back(town: Town, crashes: int) -> None:
    at = town.clock() + timedelta(days=80 + crashes)
    score = ScorePortion(town.database, lambda: at, Restarting(crashes=crashes), pause_s=0.12)
    assert score(["B"]) == Scored(1)


def one_by_one(
    score: Callable[[Sequence[str]], Scored], portions: Iterator[list[str]]
) -> Iterator[Scored]:
    """Spread nothing: in threads, what is in a row is a matter of luck."""
    return map(score, portions)


@pytest.mark.parametrize(
    ("portion", "invoices", "expected"),
    [
        pytest.param(4, 1_000, [4, 2], id="by-customers"),
        pytest.param(6, 1, [1] * 6, id="one-with-many-invoices-is-alone"),
        pytest.param(6, 1_000, [6], id="all"),
    ],
)
def test_pages_are_bounded(town: Town, portion: int, invoices: int, expected: list[int]) -> None:
    found = list(pages(town.database, portion, invoices))
    assert [name for page in found for name in page] == IDS
    assert [len(page) for page in found] == expected


@pytest.mark.parametrize("portion", [1, 4])
def test_the_feature_table_is_the_same_in_any_portion(town: Town, portion: int) -> None:
    day = town.today - timedelta(days=100)
    whole = _table(town, day)
    assert whole["customer_id"].to_list() == IDS
    assert whole.columns == ["customer_id", "as_of", *NAMES]
    assert whole["siblings"].to_list() == [None, None, 1, 1, None, None]
    assert_frame_equal(whole, _table(town, day, portion))


@pytest.mark.parametrize("ago", [0, 60, 200, 330])
def test_the_rates_of_all_are_counted_as_the_frames_have_them(town: Town, ago: int) -> None:
    day = town.today - timedelta(days=ago)
    with town.database.read() as tx:
        counted = portfolio.count_outcomes(tx, day)
        rates = background_of(settle(read_ledger(tx, IDS, None)))
    expected = rates.filter(pl.col("day") <= day).row(-1, named=True)
    assert asdict(counted) == {**expected, "day": day}
    with town.database.begin() as tx:
        portfolio.keep_counts(tx, counted)
        portfolio.keep_counts(tx, counted)
        assert portfolio.newest_counts(tx, day) == counted


def test_later_facts_change_no_table_of_an_earlier_day(database: Database, clock: Clock) -> None:
    town = Town.found(database, clock)
    _fill(town, Random(8))
    day = town.today
    before = _table(town, day)
    clock.advance(days=40)
    draw = Random(9)
    with database.read() as tx:
        still = tx.execute(
            text(
                "SELECT c.customer_id, i.invoice_id, i.currency, i.open_minor FROM invoice i"
                " JOIN account c USING (account_id) WHERE i.open_minor > 0"
            )
        ).all()
    for name, invoice_id, currency, minor in still:
        town.fact(
            "payment",
            name,
            payment_id=f"P{town.next()}",
            amount=minor,
            currency=currency,
            paid_date=(day + timedelta(days=draw.randrange(1, 40))).isoformat(),
            allocations=[{"invoice_id": invoice_id, "amount": minor}],
        )
        town.fact("dispute", name, invoice_id=invoice_id, version=2, open=False)
    assert len(still) > 3
    later = {"issue_date": town.today.isoformat(), "due_date": town.today.isoformat()}
    town.fact("invoice", "NEW", invoice_id="LATER", amount=5_000, **later)
    town.limit("C-1", 1)
    assert_frame_equal(before, _table(town, day))


def test_signals_count_from_the_day_they_were_known_and_are_missing_before(
    database: Database, clock: Clock
) -> None:
    town = Town.found(database, clock)
    for name in ("ASKED", "CLEAR", "NEVER"):
        town.put(name)
    known = town.today - timedelta(days=10)
    rows = [
        {"id": "ASKED", "on": known, "kind": "LITIGATION", "role": "DEFENDANT", "ended": None},
        {"id": "ASKED", "on": known, "kind": "LITIGATION", "role": "PLAINTIFF", "ended": None},
        {"id": "ASKED", "on": known, "kind": "EQUITY_FREEZE", "role": None, "ended": town.today},
        {"id": "CLEAR", "on": known, "kind": None, "role": None, "ended": None},
    ]
    with database.begin() as tx:
        tx.execute(
            text(
                "INSERT INTO registry_signal (customer_id, registry, known_on, kind, role,"
                " ended_on) VALUES (:id, 'tests', :on, :kind, :role, :ended)"
            ),
            rows,
        )
    columns = ["signals_adverse", "signals_litigation", "signals_as_plaintiff", "signal_last_days"]
    nothing = (None, None, None, None)
    expected = {
        known - timedelta(days=1): [nothing, nothing, nothing],
        known: [(2, 1, 1, 0), (0, 0, 0, None), nothing],
        town.today: [(1, 1, 1, 10), (0, 0, 0, None), nothing],
    }
    for day, found in expected.items():
        assert _table(town, day).select(columns).rows() == found, day


REPORTS: dict[str, list[tuple[int, bool, str]]] = {
    "opened-and-closed": [(1, True, "2026-05-10"), (2, False, "2026-06-01")],
    "closed-arrives-first": [(2, False, "2026-06-01"), (1, True, "2026-05-10")],
    "opened-twice": [(1, True, "2026-05-10"), (2, False, "2026-05-20"), (3, True, "2026-06-01")],
    "a-flag-reported-again": [(1, True, "2026-04-01"), (2, True, "2026-05-10")],
    "an-offset-that-postgresql-knows-not": [(1, True, "2026-05-10T23:30:00+23:00")],
}


def test_a_dispute_is_known_since_it_was_first_reported(database: Database, clock: Clock) -> None:
    town = Town.found(database, clock)
    for who, reports in REPORTS.items():
        town.put(who)
        for name in (f"{who}-I", f"{who}-J"):  # one is disputed, the other not
            dates = {"issue_date": "2026-04-01", "due_date": "2026-05-01"}
            town.fact("invoice", who, invoice_id=name, amount=100, **dates)
        for version, is_open, day in reports:
            at = day if "T" in day else f"{day}T04:00:00Z"
            told = {"invoice_id": f"{who}-I", "version": version, "open": is_open}
            town.fact("dispute", who, **told, occurred_at=at)
    for days, share in ((-1, 0), (0, 0.5), (40, 0.5)):
        found = _table(town, date(2026, 5, 10) + timedelta(days=days))
        shares = dict(found.select("customer_id", "disputed_share").iter_rows())
        assert shares == dict.fromkeys(REPORTS, share), days


def test_a_dispute_that_was_only_ever_reported_closed_is_none(
    database: Database, clock: Clock
) -> None:
    town = Town.found(database, clock)
    town.put("C")
    dates = {"issue_date": "2026-04-01", "due_date": "2026-05-01"}
    town.fact("invoice", "C", invoice_id="I", amount=100, **dates)
    at = {"occurred_at": "2026-05-10T04:00:00Z"}
    town.fact("dispute", "C", invoice_id="I", open=False, version=2, **at)
    day = town.today
    assert _table(town, day)["disputed_share"].item() == 0
    town.fact("dispute", "C", invoice_id="I", open=True, version=1, **at)
    assert _table(town, day)["disputed_share"].item() == 1


@pytest.mark.parametrize("is_paid", [True, False], ids=["known-when-paid", "known-today"])
def test_a_flag_without_a_day_counts_once_it_can_be_known(
    database: Database, clock: Clock, *, is_paid: bool
) -> None:
    town = Town.found(database, clock)
    town.put("C")
    dates = {"issue_date": "2026-04-01", "due_date": "2026-05-01"}
    town.fact("invoice", "C", invoice_id="I", amount=100, **dates)
    town.fact("dispute", "C", invoice_id="I", open=True, occurred_at="2026-04-01T04:00:00Z")
    if is_paid:
        parts = [{"invoice_id": "I", "amount": 100}]
        for day in ("2026-06-01", "2026-06-10"):  # the second time by mistake
            paid = {"payment_id": f"P-{day}", "amount": 100, "paid_date": day}
            town.fact("payment", "C", **paid, allocations=parts)
    now = datetime.now(UTC).date()
    days = [date(2026, 4, 20), date(2026, 5, 31), date(2026, 6, 1), now]
    found = [_table(town, day)["disputed_share"].item() for day in days]
    assert found == ([0, 0, 1, 1] if is_paid else [0, 0, 0, 1])
