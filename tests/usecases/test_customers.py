"""Customers under their ids and aliases, alone and in a race; segments and what confines keys."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial

import pytest
from sqlalchemy import text

from app.domain.callers import Caller
from app.domain.customers import AccountChange, Customer, CustomerChange
from app.domain.errors import (
    AliasTakenError,
    BusyError,
    CreditError,
    CurrencyFixedError,
    FieldError,
    ForbiddenError,
    SegmentUnknownError,
    VersionStaleError,
)
from app.store import customers, inputs, segments
from app.store.database import Database
from app.usecases.causes import announce
from app.usecases.currencies import take_ledger_currency
from app.usecases.customers import CustomerView
from app.usecases.dates import time_zones
from app.usecases.groups import ensure_accounts
from app.usecases.identifiers import check_lei, check_uscc
from app.usecases.segments import SegmentChange
from tests.server import Clock
from tests.usecases.town import ADMIN, Town, at_once, wait_for_a_waiter


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    return Town.found(database, clock)


def known_inputs(town: Town, customer_id: str) -> tuple[int, dict[str, object]]:
    account = town.account(customer_id)
    with town.database.read() as tx:
        return account.input_version, inputs.get(tx, account.account_id, account.input_version)


def test_two_puts_make_one_customer(town: Town) -> None:
    for number in range(5):
        made = at_once(*[partial(town.put, f"C-{number}", country="CN")] * 4)
        views = [one for one in made if isinstance(one, CustomerView)]
        assert len(views) == 4, made
        assert [view.created for view in views].count(True) == 1
        assert {view.customer.version for view in views} == {1}
        assert town.causes.count(f"customer:C-{number}") == 1


def test_an_alias_goes_to_one_of_two(town: Town) -> None:
    for number in range(5):
        alias = f"A-{number}"
        ends = at_once(
            partial(town.put, f"X-{number}", aliases=(alias,)),
            partial(town.put, f"Y-{number}", aliases=(alias,)),
            partial(town.put, alias),
        )
        refused = [end for end in ends if isinstance(end, CreditError)]
        assert [type(one) for one in refused] == [AliasTakenError] * 2, ends
        assert town.causes.count(f"customer:{alias}") == 1


def test_what_is_refused_leaves_nothing(town: Town) -> None:
    town.put("C-1", aliases=("A",))
    with pytest.raises(AliasTakenError):
        town.put("C-2", aliases=("B", "A"))
    with town.database.read() as tx:
        found = tx.execute(text("SELECT customer_id FROM customer")).scalars().all()
        refs = tx.execute(text("SELECT ref FROM customer_ref ORDER BY ref")).scalars().all()
    assert (found, refs) == (["C-1"], ["A", "C-1"])
    assert town.causes == ["customer:A", "customer:C-1"]


def test_facts_that_waited_for_an_alias_go_in(town: Town) -> None:
    paid = {"payment_id": "P", "amount": 5, "paid_date": "2026-06-01"}
    assert town.fact("payment", "CRM-9", **paid) == "quarantined"
    town.put("C-1", aliases=("CRM-9",))
    announce(town.facts.requeue, town.causes)
    assert town.position("C-1").prepayment == 5
    town.exact()


def test_busy_facts_do_not_undo_a_put(town: Town) -> None:
    def busy(cause: str, _until_s: float) -> None:
        raise BusyError(cause)

    announce(busy, ["customer:A", "customer:B"])
    assert town.put("C-1").created


def test_decisions_read_master_data_by_version(town: Town) -> None:
    town.put("C-1", active=False)
    assert known_inputs(town, "C-1") == (
        1,
        {
            "active": False,
            "kind": "company",
            "country": None,
            "industry": None,
            "since": None,
            "payment_terms_days": None,
            "score": None,
        },
    )
    account = town.account("C-1").account_id
    with town.database.begin() as tx:
        inputs.change(tx, [account], {"score": {"score": 700}})
    town.put("C-1", payment_terms_days=30)
    version, told = known_inputs(town, "C-1")
    assert (told["active"], told["payment_terms_days"], told["score"]) == (
        True,
        30,
        {"score": 700},
    )
    town.put("C-1", lei="5493001KJTIIGC8Y1R12")  # no decision reads it
    assert known_inputs(town, "C-1")[0] == version
    town.put("C-1", country="DE", industry="C24", since=date(2020, 1, 2))
    version, told = known_inputs(town, "C-1")
    assert (told["country"], told["industry"], told["since"]) == ("DE", "C24", "2020-01-02")
    assert told["score"] == {"score": 700}
    town.put("C-1", country="DE", industry="C24", since=date(2020, 1, 2))
    assert known_inputs(town, "C-1")[0] == version
    with town.database.read() as tx:
        assert inputs.get(tx, account, 1)["active"] is False  # what a decision saw stays


def test_changes_of_inputs_at_once_are_all_kept(town: Town) -> None:
    town.put("C-1")
    account = town.account("C-1").account_id

    def change(number: int) -> None:
        with town.database.begin() as tx:
            inputs.change(tx, [account], {f"part{number}": number})

    assert at_once(*(partial(change, number) for number in range(6))) == [None] * 6
    version, told = known_inputs(town, "C-1")
    assert version == 7
    assert {f"part{number}": number for number in range(6)}.items() <= told.items()


def test_a_new_account_takes_the_score_over(town: Town) -> None:
    town.put("C-1")
    with town.database.begin() as tx:
        inputs.change(tx, [town.account("C-1").account_id], {"score": {"score": 700}})
    town.parties.put_segment(ADMIN, "eu", SegmentChange("eu"))
    with town.database.begin() as tx:
        made = ensure_accounts(tx, "C-1", "eu")
        assert inputs.get(tx, made.account_id, 1)["score"] == {"score": 700}


def test_the_first_row_says_the_currency(town: Town) -> None:
    town.put("C-1")

    def first_row(currency: str) -> str:
        with town.database.begin() as tx:
            entry = take_ledger_currency(tx, town.account("C-1"), currency, town.today)
        return entry.account.currency if entry else "kept"

    assert first_row("CNY") == "kept"
    assert first_row("USD") == "kept"  # the first one said CNY
    town.put("C-1", currency="USD")
    assert first_row("EUR") == "kept"  # the customer's own goes before


def test_a_currency_is_fixed_by_what_is_open(town: Town) -> None:
    town.put("C-1")
    town.invoice("C-1", 5)
    with pytest.raises(CurrencyFixedError):
        town.put("C-1", currency="USD")
    town.put("C-1", currency="CNY")
    town.put("C-1", currency=None)
    assert town.account("C-1").currency == "CNY"
    with pytest.raises(CurrencyFixedError):
        town.put("C-1", currency="USD")
    town.put("C-2", currency="USD")
    town.put("C-2", currency=None)
    assert town.account("C-2").currency == "CNY"
    town.exact()


def test_a_segments_currency_is_fixed_by_what_is_open(town: Town) -> None:
    town.put("C-1")
    town.put("C-2", currency="EUR")
    usd = SegmentChange("main", currency="USD")
    assert town.parties.put_segment(ADMIN, "main", usd)[0].version == 2
    assert (town.account("C-1").currency, town.account("C-2").currency) == ("USD", "EUR")
    town.invoice("C-1", 5, "USD")
    with town.database.begin() as tx:  # as if no row had said so
        tx.execute(text("UPDATE account SET currency_source = 'SEGMENT'"))
    with pytest.raises(CurrencyFixedError):
        town.parties.put_segment(ADMIN, "main", SegmentChange("main", currency="CNY"))
    assert town.account("C-1").currency == "USD"
    town.exact()


def test_a_zone_that_the_database_does_not_know_is_refused(town: Town) -> None:
    with town.database.read() as tx:
        theirs = {*tx.execute(text("SELECT name FROM pg_timezone_names")).scalars()}
        assert segments.knows_zone(tx, "Asia/Shanghai")
        assert not segments.knows_zone(tx, "Mars/Base")
    # "localtime" for one, which Debian has and a PostgreSQL with files of its own has not
    for zone in sorted(time_zones() - theirs):
        with pytest.raises(FieldError, match="database does not know") as refused:
            town.parties.put_segment(ADMIN, "eu", SegmentChange("eu", time_zone=zone))
        assert refused.value.field == "time_zone"
    with pytest.raises(FieldError, match="another time to the database") as refused:
        town.parties.put_segment(ADMIN, "eu", SegmentChange("eu", time_zone="CET"))
    assert refused.value.field == "time_zone"
    with pytest.raises(SegmentUnknownError):
        town.parties.read_segments(ADMIN, "eu")
    for zone in ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata"):
        town.parties.put_segment(ADMIN, "eu", SegmentChange("eu", time_zone=zone))
    with town.database.begin() as tx:  # one of before stays, and so does what else can be set
        tx.execute(text("UPDATE segment SET time_zone = 'CET' WHERE segment_id = 'eu'"))
    town.parties.put_segment(ADMIN, "eu", SegmentChange("eu", time_zone="CET", mode="WARN"))


def test_who_is_new_is_made_once_and_left_alone_after(town: Town) -> None:
    make = partial(town.parties.put_customer.if_new, ADMIN, "C-1")
    assert make(CustomerChange("first", industry="F51")).created
    again = make(CustomerChange("second"))
    assert not again.created
    assert (again.customer.name, again.customer.industry) == ("first", "F51")
    assert again.customer.version == 1
    assert town.causes == ["customer:C-1"]


def test_who_is_being_made_by_somebody_else_is_left_alone(town: Town) -> None:
    make = partial(town.parties.put_customer.if_new, ADMIN, "C-1")
    with ThreadPoolExecutor(1) as pool:
        with town.database.begin() as tx:
            assert customers.create(tx, Customer("C-1", "first", industry="F51"))
            customers.add_refs(tx, "C-1", {"C-1"})
            made = pool.submit(make, CustomerChange("second"))
            wait_for_a_waiter(town.database)
        found = made.result(30)
    assert not found.created
    assert (found.customer.name, found.customer.industry) == ("first", "F51")


def test_if_match_lets_one_of_two_pass(town: Town) -> None:
    town.put("C-1")
    put = partial(town.parties.put_customer, ADMIN, "C-1")
    ends = at_once(
        partial(put, CustomerChange("one"), {1}), partial(put, CustomerChange("other"), {1})
    )
    refused = [end for end in ends if isinstance(end, CreditError)]
    assert [type(one) for one in refused] == [VersionStaleError]


def test_a_confined_key_moves_nothing_it_does_not_see(town: Town) -> None:
    town.parties.put_segment(ADMIN, "eu", SegmentChange("eu"))
    for name in ("C-1", "G"):
        town.put(name)
    town.parties.put_terms(ADMIN, ("C-1", "eu"), AccountChange(owner="o"))
    mine = Caller("mine", frozenset({"customer:write"}), frozenset({"main"}))
    with pytest.raises(ForbiddenError):
        town.parties.put_customer(mine, "C-1", CustomerChange("C-1", parent_id="G"))
    with pytest.raises(ForbiddenError):
        town.parties.merge_customers(mine, "G", "C-1")
    with pytest.raises(SegmentUnknownError):
        town.parties.put_terms(mine, ("C-1", "eu"), AccountChange(owner="x"))
    assert town.parties.read_customer(ADMIN, "C-1").customer.parent_id is None
    town.parties.put_customer(mine, "G", CustomerChange("new name"))


@pytest.mark.parametrize(
    ("number", "good"),
    [
        pytest.param("91110000600037341L", True, id="company"),
        pytest.param("91110000600037341M", False, id="check-digit"),
        pytest.param("9111000060003734L1", False, id="swapped"),
        pytest.param("91110000600037341", False, id="seventeen"),
        pytest.param("91110000600037341LL", False, id="nineteen"),
        pytest.param(" 91110000600037341L", False, id="blank"),
        pytest.param("91110000600037341L\n", False, id="newline"),
        pytest.param("９1110000600037341L", False, id="full-width"),
        pytest.param("9A110000600037341L", False, id="other-kind-other-check-digit"),
    ],
)
def test_uscc(number: str, good: bool) -> None:
    if good:
        check_uscc(number)
    else:
        with pytest.raises(FieldError):
            check_uscc(number)


@pytest.mark.parametrize(
    ("number", "good"),
    [
        pytest.param("213800KUD8LAJWSQ9D15", True, id="lei"),
        pytest.param("213800KUD8LXJWSQ9D15", False, id="check-digits"),
        pytest.param("00", False, id="short-yet-divisible"),
        pytest.param("213800KUD8LAJWSQ9D1５", False, id="full-width"),
        pytest.param("213800kud8lajwsq9d15", False, id="lower-case"),
    ],
)
def test_lei(number: str, good: bool) -> None:
    if good:
        check_lei(number)
    else:
        with pytest.raises(FieldError):
            check_lei(number)


def test_terms_of_an_account_honour_if_match(town: Town) -> None:
    town.put("C-1")
    change = AccountChange(owner="o")
    with pytest.raises(VersionStaleError):
        town.parties.put_terms(ADMIN, ("C-1", "main"), change, {2})
    terms, version, created = town.parties.put_terms(ADMIN, ("C-1", "main"), change, {1})
    assert (terms.owner, version, created) == ("o", 2, False)
    assert town.parties.put_terms(ADMIN, ("C-1", "main"), change, {2})[1] == 2  # nothing differs


def test_terms_do_not_go_to_a_record_that_was_merged(town: Town) -> None:
    town.put("C-1")
    town.put("C-2")
    put = partial(town.parties.put_terms, ADMIN, ("C-1", "main"), AccountChange(owner="o"))
    with ThreadPoolExecutor(1) as pool:
        with town.database.begin() as tx:
            customers.lock(tx, "C-1")
            putting = pool.submit(put)
            wait_for_a_waiter(town.database)
            customers.hand_over_refs(tx, "C-1", "C-2")  # what a merge does under this lock
        with pytest.raises(BusyError):
            putting.result()
    assert put()[0].customer_id == "C-2"
