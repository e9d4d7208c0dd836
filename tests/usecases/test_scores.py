"""Scores on a real database: what they rest on, what is stored of them, and when they are stale."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.accounts import Account, Use
from app.domain.callers import Caller
from app.domain.errors import CustomerUnknownError, NotScoredError
from app.domain.money import Money
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.domain.scores import RiskClass, StoredScore, TrafficLight
from app.scoring.scorecard_file import standard_scorecard
from app.store import behaviour, inputs, scores
from app.store.database import Database, Tx
from app.usecases.batches import read_inputs
from app.usecases.limits import LimitAsk
from app.usecases.score_raters import reference_account
from app.usecases.score_reads import STALE_AFTER
from app.usecases.scores import Scores
from app.usecases.scoring import CHUNK, RENEWED
from app.usecases.seeds import SeedDatabase
from app.usecases.segments import SegmentChange
from tests.server import Clock
from tests.usecases.readers import Reader
from tests.usecases.town import ADMIN, Town, wait_for_a_waiter


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
    return Town.found(database, clock)


@pytest.fixture
def desk(town: Town) -> Scores:
    return Scores.over(town.database, town.clock)


def sell(town: Town, customer_id: str, number: int, **fields: Any) -> str:  # noqa: ANN401
    """Invoice 100.00 a month apart, due after 30 days; `late_days` None: still open."""
    late_days = fields.pop("late_days", 0)
    invoice_id = f"{customer_id}-{number}"
    issued = date(2026, 1, 1) + timedelta(days=10 * number)
    due = issued + timedelta(days=30)
    dates = {"issue_date": issued.isoformat(), "due_date": due.isoformat()}
    town.fact("invoice", customer_id, invoice_id=invoice_id, amount=10_000, **dates, **fields)
    if late_days is not None:
        pay(town, customer_id, invoice_id, (due + timedelta(days=late_days)).isoformat(), **fields)
    return invoice_id


def pay(  # the payment is of this invoice alone unless `allocations` say otherwise
    town: Town,
    customer_id: str,
    invoice_id: str,
    day: str,
    **fields: Any,  # noqa: ANN401 - any field
) -> None:
    told = {
        "payment_id": f"P-{invoice_id}",
        "amount": 10_000,
        "paid_date": day,
        "allocations": [{"invoice_id": invoice_id, "amount": 10_000}],
    }
    town.fact("payment", customer_id, **(told | fields))


def payer(town: Town, customer_id: str, late_days: int | None = 0, invoices: int = 5) -> None:
    town.put(customer_id)
    for number in range(invoices):
        sell(town, customer_id, number, late_days=late_days)


def stored(database: Database) -> tuple[int, int]:
    """Count the scores and the versions of inputs."""
    query = "SELECT (SELECT count(*) FROM score), (SELECT count(*) FROM account_input)"
    with database.read() as tx:
        first, second = tx.execute(text(query)).one()
    return first, second


def told(town: Town, customer_id: str, segment_id: str = "main") -> dict[str, Any] | None:
    """Read the score that decisions on an account see."""
    account = town.account(customer_id, segment_id)
    with town.database.read() as tx:
        data = inputs.get(tx, account.account_id, account.input_version)
    score = read_inputs(account.input_version, data, town.clock()).score
    return None if score is None else dict(score)


def test_newcomer_has_a_class_of_its_own_and_no_number(town: Town, desk: Scores) -> None:
    payer(town, "C-1", invoices=2)
    found = desk.score_customer(ADMIN, "C-1").score
    assert (found.score, found.probability_of_default) == (None, None)
    assert (found.risk_class, found.traffic_light) == (RiskClass.N, TrafficLight.YELLOW)
    assert [reason.code for reason in found.reasons] == ["TOO_LITTLE_HISTORY"]


def test_late_payer_scores_below_a_prompt_one_and_is_told_why(town: Town, desk: Scores) -> None:
    payer(town, "PROMPT")
    payer(town, "LATE", late_days=20)
    prompt = desk.score_customer(ADMIN, "PROMPT").score
    late = desk.score_customer(ADMIN, "LATE").score
    assert prompt.score is not None
    assert late.score is not None
    assert prompt.score > 850
    assert late.score < 500
    losses = [reason.contribution for reason in late.reasons]
    assert losses == sorted(losses)
    assert losses[0] < 0
    assert len(losses) <= 4
    probability = late.probability_of_default
    assert probability == round(probability or 0, 4)


LOWERED: dict[str, tuple[list[tuple[str, dict[str, Any]]], int]] = {
    "paid": ([("payment", {})], 10_000),
    "paid-in-part": (
        [("payment", {"amount": 400, "allocations": [{"invoice_id": "C-1-0", "amount": 400}]})],
        400,
    ),
    "discount": (
        [
            (
                "payment",
                {"allocations": [{"invoice_id": "C-1-0", "amount": 9_000, "discount": 1_000}]},
            )
        ],
        10_000,
    ),
    "provisional": ([("payment", {"status": "PROVISIONAL"})], 0),
    "taken-back": ([("payment", {}), ("payment", {"version": 2, "amount": 0})], 0),
    "bill-dishonoured": (
        [
            (
                "payment",
                {"note": {"note_id": "N-1", "kind": "BANK", "due_date": "2026-09-01"}},
            ),
            ("note", {"note_id": "N-1", "status": "DISHONOURED", "recourse": True}),
        ],
        0,
    ),
    "bill-paid": (
        [
            (
                "payment",
                {"note": {"note_id": "N-1", "kind": "BANK", "due_date": "2026-09-01"}},
            ),
            ("note", {"note_id": "N-1", "status": "PAID", "recourse": False}),
        ],
        10_000,
    ),
    "credit-note": ([("credit_note", {"credit_note_id": "N", "amount": 300})], 300),
    "write-off": ([("write_off", {"write_off_id": "W", "amount": 300})], 300),
    "other-currency": ([("payment", {"currency": "USD"})], 0),
}


@pytest.mark.parametrize("case", LOWERED)
def test_what_lowers_an_invoice_is_what_the_ledger_counts(town: Town, case: str) -> None:
    facts, lowered = LOWERED[case]
    town.put("C-1")
    invoice_id = sell(town, "C-1", 0, late_days=None)
    for kind, fields in facts:
        if kind == "payment":
            amount = fields.get("amount", 10_000)
            extra: dict[str, Any] = {} if amount else {"allocations": []}
            pay(town, "C-1", invoice_id, "2026-02-10", **(extra | fields))
        elif kind == "note":
            town.fact(kind, "C-1", **fields)
        else:
            town.fact(kind, "C-1", invoice_id=invoice_id, **fields)
    with town.database.read() as tx:
        ((_, (history,)),) = behaviour.histories(tx, ["C-1"])
    assert sum(one.amount_minor for one in history.payments) == lowered
    query = "SELECT amount_minor - open_minor FROM invoice"
    with town.database.read() as tx:
        assert tx.execute(text(query)).scalar_one() == lowered


def test_several_customers_are_read_by_a_statement_that_is_always_the_same(town: Town) -> None:
    for name in ("C-1", "C-2"):
        town.put(name)
        sell(town, name, 0)
    with town.database.read() as tx:
        for _ in range(2):
            read = behaviour.histories(tx, ["C-1", "C-2"])
            assert [next(read)[0]] == ["C-1"]
            opened = tx.execute(text("SELECT name FROM pg_cursors WHERE name <> ''")).scalars()
            assert opened.all() == ["histories"]
            assert [name for name, _ in read] == ["C-2"]


def test_dispute_is_dated_by_its_report(town: Town) -> None:
    town.put("C-1")
    invoice_id = sell(town, "C-1", 0)
    town.fact("dispute", "C-1", invoice_id=invoice_id, open=True)
    with town.database.read() as tx:
        ((_, (history,)),) = behaviour.histories(tx, ["C-1"])
    assert history.disputed_on == town.today


def test_all_segments_count_and_all_accounts_are_told(town: Town, desk: Scores) -> None:
    town.parties.put_segment(ADMIN, "north", SegmentChange("North"))
    town.put("C-1")
    for number in range(2):
        sell(town, "C-1", number)
    for number in range(2, 4):
        sell(town, "C-1", number, segment="north")
    found = desk.score_customer(ADMIN, "C-1").score
    assert found.risk_class is not RiskClass.N
    for segment_id in ("main", "north"):
        score = told(town, "C-1", segment_id)
        assert score is not None
        assert score["score"] == found.score
        assert score["model"] == {"name": "standard", "version": 1}


CHOICES: dict[str, tuple[list[Account], str | None]] = {
    "none": ([], None),
    "main-with-limit": (
        [
            Account(1, "C", "main", (1,), "CNY", limit_minor=5),
            Account(2, "C", "x", (2,), "CNY", use=Use(open_item=9)),
        ],
        "main",
    ),
    "main-empty": (
        [
            Account(1, "C", "main", (1,), "CNY"),
            Account(2, "C", "x", (2,), "CNY", use=Use(open_item=9)),
        ],
        "x",
    ),
    "main-withheld": (
        [
            Account(1, "C", "main", (1,), "CNY", limit_withheld=True),
            Account(2, "C", "x", (2,), "CNY", use=Use(open_item=9)),
        ],
        "x",
    ),
    "all-empty": (
        [Account(2, "C", "a", (2,), "CNY"), Account(1, "C", "main", (1,), "CNY")],
        "main",
    ),
}


@pytest.mark.parametrize("case", CHOICES)
def test_account_a_customer_is_scored_on(case: str) -> None:
    accounts, expected = CHOICES[case]
    found = reference_account(accounts)
    assert (found.segment_id if found else None) == expected


def test_limit_of_the_business_date_counts_though_nobody_settled_it(
    town: Town, desk: Scores
) -> None:
    payer(town, "C-1")
    sell(town, "C-1", 9, late_days=None)
    town.limit("C-1", 1_000_000)
    soon = town.today + timedelta(days=1)
    ask = LimitAsk("temporary", "main", Money(10_000, "CNY"), valid_from=soon, valid_to=soon)
    town.propose("C-1", ask)
    desk.score_customer(ADMIN, "C-1")
    town.clock.advance(days=1)
    desk.score_customer(ADMIN, "C-1")
    query = "SELECT data -> 'features' -> 'utilization' FROM score ORDER BY score_id"
    with town.database.read() as tx:
        assert list(tx.execute(text(query)).scalars()) == [0.01, 1]


def test_same_score_is_not_stored_again_within_a_day(town: Town, desk: Scores) -> None:
    payer(town, "C-1")
    town.put("C-1", since=date(2015, 1, 1))  # a reason that counts days differs every day
    first = desk.score_customer(ADMIN, "C-1")
    before = stored(town.database)
    town.clock.advance(hours=23)
    again = desk.score_customer(ADMIN, "C-1")
    assert again.scored_at == first.scored_at + timedelta(hours=23)
    assert stored(town.database) == before
    town.clock.advance(hours=1)
    desk.score_customer(ADMIN, "C-1")
    assert stored(town.database) == (before[0] + 1, before[1] + 1)
    assert timedelta(hours=24) == RENEWED


def test_rules_read_how_the_customer_paid_beside_the_score(town: Town, desk: Scores) -> None:
    payer(town, "C-1", late_days=4)
    desk.score_customer(ADMIN, "C-1")
    score = told(town, "C-1")
    assert score is not None
    known = {name: value for name, value in score["behaviour"].items() if value is not None}
    assert known == {
        "on_time_rate": 0.0,
        "mean_days_late": 4.0,
        "max_days_late": 4,
        "invoices_known": 5,
    }


def test_changed_score_is_stored_at_once(town: Town, desk: Scores) -> None:
    payer(town, "C-1")
    desk.score_customer(ADMIN, "C-1")
    before = stored(town.database)
    sell(town, "C-1", 7, late_days=None)
    found = desk.score_customer(ADMIN, "C-1").score
    assert stored(town.database) == (before[0] + 1, before[1] + 1)
    score = told(town, "C-1")
    assert score is not None
    assert score["score"] == found.score
    assert [one["code"] for one in score["reasons"]] == [one.code for one in found.reasons]


def test_newer_scorecard_is_stored_though_the_numbers_agree(town: Town, desk: Scores) -> None:
    payer(town, "C-1")
    desk.score_customer(ADMIN, "C-1")
    card = desk.read_scorecard()
    after, is_new = desk.activate_scorecard(replace(card, late_days=31))
    assert (after.version, is_new) == (2, True)
    assert desk.score_customer(ADMIN, "C-1").score.model.version == 2
    again, is_new = desk.activate_scorecard(replace(card, late_days=31))
    assert (again, is_new) == (after, False)


def read(desk: Scores, ref: str = "C-1", caller: Caller = ADMIN) -> StoredScore:
    together = desk.score_customer.together
    return Reader(together.database, together.now).score(ref, caller)


def dispute(town: Town, invoice_id: str) -> None:
    town.fact("dispute", "C-1", invoice_id=invoice_id, open=True)


def move_due_date(town: Town) -> None:
    """Report an invoice again whose balance stays as it was: no journal entry tells of it."""
    dates = {"issue_date": "2026-01-01", "due_date": "2026-03-01"}
    town.fact("invoice", "C-1", invoice_id="C-1-0", amount=10_000, version=2, **dates)


def group(town: Town) -> str:
    town.put("G")
    return "G"


STALE: dict[str, tuple[Callable[[Town], object], bool]] = {
    "nothing-happened": (lambda town: town.clock.advance(days=1), False),
    "35-days": (lambda town: town.clock.advance(days=35), False),
    "35-days-and-a-second": (lambda town: town.clock.advance(days=35, seconds=1), True),
    "invoice": (lambda town: sell(town, "C-1", 8, late_days=None), True),
    "limit": (lambda town: town.limit("C-1", 500), True),
    "dispute": (lambda town: dispute(town, "C-1-0"), True),
    "since": (lambda town: town.put("C-1", since=date(2015, 1, 1)), True),
    "parent": (lambda town: town.put("C-1", parent_id=group(town)), True),
    "name": (lambda town: town.put("C-1", industry="retail"), False),
    "moved-due-date": (move_due_date, True),
    "invoice-of-another": (lambda town: payer(town, "C-2"), False),
}


@pytest.mark.parametrize("case", STALE)
def test_score_is_stale(town: Town, desk: Scores, case: str) -> None:
    act, stale = STALE[case]
    payer(town, "C-1")
    assert not desk.score_customer(ADMIN, "C-1").stale
    act(town)
    assert read(desk).stale is stale
    assert not desk.score_customer(ADMIN, "C-1").stale
    assert not read(desk).stale
    assert timedelta(days=35) == STALE_AFTER


def test_rescore_follows_facts_and_groups(town: Town, desk: Scores) -> None:
    town.put("G")
    payer(town, "C-1")
    town.put("C-1", parent_id="G")
    for customer_id in ("G", "C-1"):
        desk.score_customer(ADMIN, customer_id)
    town.invoice("C-1", 500)
    assert read(desk).stale
    assert read(desk, "G").stale
    account_id = town.account("C-1").account_id
    assert desk.rescore([account_id]) == 0  # both rest
    town.clock.advance(seconds=5)
    assert desk.rescore([account_id]) == 2
    assert not read(desk).stale
    assert not read(desk, "G").stale


def test_more_than_a_few_are_left_to_background_work(town: Town, desk: Scores) -> None:
    for customer_id in ("C-1", "C-2", "C-3"):
        town.put(customer_id, since=date(2015, 1, 1))
        town.invoice(customer_id, 500)
    ids = [town.account(customer_id).account_id for customer_id in ("C-1", "C-2", "C-3")]
    assert desk.rescore(ids, most=2) == 0
    for customer_id in ("C-1", "C-2", "C-3"):
        with pytest.raises(NotScoredError):
            read(desk, customer_id)
    assert desk.rescore(ids, most=3) == 3
    assert not any(read(desk, one).stale for one in ("C-1", "C-2", "C-3"))
    assert desk.rescore([]) == 0


def test_every_customer_is_scored_but_merged_ones(town: Town, desk: Scores) -> None:
    with town.database.begin() as tx:
        tx.execute(
            text(
                "INSERT INTO customer (customer_id, name)"
                " SELECT 'X-' || g, 'x' FROM generate_series(1, :most) AS g"
            ),
            {"most": CHUNK},
        )
    for customer_id in ("C-1", "C-2"):
        payer(town, customer_id)
    town.parties.merge_customers(ADMIN, "C-2", "C-1")
    steps: list[tuple[int, int]] = []
    count = desk.score_customers.every(lambda done, total: steps.append((done, total)))
    assert count == CHUNK + 1
    assert steps[-1] == (CHUNK + 1, CHUNK + 1)
    assert read(desk, "C-2").customer_id == "C-1"  # its id is an alias now


def test_unknown_unscored_and_out_of_sight(town: Town, desk: Scores) -> None:
    town.put("C-1", aliases=("CRM-1",))
    with pytest.raises(CustomerUnknownError):
        read(desk, "C-9")
    with pytest.raises(NotScoredError):
        read(desk)
    desk.score_customer(ADMIN, "CRM-1")
    assert read(desk, "CRM-1").customer_id == "C-1"
    town.parties.put_segment(ADMIN, "north", SegmentChange("North"))
    confined = Caller("north", frozenset({"admin"}), frozenset({"north"}))
    with pytest.raises(CustomerUnknownError):
        read(desk, caller=confined)
    with pytest.raises(CustomerUnknownError):
        desk.score_customer(confined, "C-1")
    with pytest.raises(CustomerUnknownError):
        Reader(town.database, town.clock).card("C-1", caller=confined)


class Patient(Database):
    """Waits for locks longer than a service would: a busy machine may stall meanwhile."""

    @contextmanager
    def begin(
        self, *, lock_timeout_ms: int = 60_000, statement_timeout_s: int = 90
    ) -> Iterator[Tx]:
        with super().begin(
            lock_timeout_ms=lock_timeout_ms, statement_timeout_s=statement_timeout_s
        ) as tx:
            yield tx


def test_two_scorers_of_a_customer_follow_each_other(town: Town) -> None:
    # Without the lock the second would store a score of facts that the first has not seen, and
    # the first would then write over it.
    payer(town, "C-1")
    with closing(Patient(town.database.url)) as patient, ThreadPoolExecutor(1) as pool:
        desk = Scores.over(patient, town.clock)
        desk.score_customer(ADMIN, "C-1")
        with town.database.begin() as tx:
            scores.lock(tx, ["C-1"])
            second = pool.submit(desk.score_customer, ADMIN, "C-1")
            wait_for_a_waiter(town.database)
            assert not second.done()
        assert second.result(timeout=30).customer_id == "C-1"
