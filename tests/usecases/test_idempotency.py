"""One effect a key: races with a starting line, reuse, refusals, and bytes that stay the same."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.domain.callers import Caller
from app.domain.errors import CurrencyFixedError, KeyReusedError
from app.store.database import Database, Tx
from app.store.packing import pack
from app.usecases.asks import Answer
from app.usecases.idempotency import fingerprint, once

ERP = Caller("erp", frozenset({"admin"}))
CRM = Caller("crm", frozenset({"admin"}))
ONE = fingerprint("POST", "/v1/fx-rates", {}, {"rate": "7.1"})
OTHER = fingerprint("POST", "/v1/fx-rates", {}, {"rate": "7.2"})
BODY = '{"b": 1,\n "a": "甲", "a2": 1.0}'.encode()


def count_effects(database: Database) -> int:
    with database.read() as tx:
        return int(tx.execute(text("SELECT count(*) FROM feed")).scalar_one())


def effect(tx: Tx, body: bytes = BODY) -> Callable[[], Answer]:
    """Make an act whose every run leaves a row."""

    def act() -> Answer:
        tx.execute(
            text(
                "INSERT INTO feed (segment_id, source, last_at)"
                " VALUES ('main', gen_random_uuid()::text, now())"
            )
        )
        return Answer(201, body)

    return act


def ask(database: Database, caller: Caller, key: str, digest: bytes) -> Answer:
    with database.begin() as tx:
        return once(tx, caller, key, digest, effect(tx))


def test_the_second_time_gives_the_first_answer_byte_for_byte(database: Database) -> None:
    first = ask(database, ERP, "k", ONE)
    with database.begin() as tx:
        again = once(tx, ERP, "k", ONE, effect(tx, b'{"another": true}'))
    assert first == Answer(201, BODY)
    assert again == Answer(201, BODY, replayed=True)
    assert count_effects(database) == 1


@pytest.mark.parametrize(
    ("caller", "key", "digest", "effects"),
    [
        pytest.param(ERP, "k", ONE, 1, id="same"),
        pytest.param(CRM, "k", ONE, 2, id="other-client"),
        pytest.param(CRM, "k", OTHER, 2, id="other-client-other-question"),
        pytest.param(ERP, "K", ONE, 2, id="other-case"),
        pytest.param(ERP, "k ", ONE, 2, id="blank-at-the-end"),
        pytest.param(ERP, "k2", OTHER, 2, id="other-key"),
    ],
)
def test_what_counts_as_the_same(
    database: Database, caller: Caller, key: str, digest: bytes, effects: int
) -> None:
    ask(database, ERP, "k", ONE)
    ask(database, caller, key, digest)
    assert count_effects(database) == effects


def test_another_question_under_the_key_is_refused(database: Database) -> None:
    ask(database, ERP, "k", ONE)
    with pytest.raises(KeyReusedError):
        ask(database, ERP, "k", OTHER)
    assert count_effects(database) == 1


def test_a_refusal_leaves_the_key_free(database: Database) -> None:
    def refuse() -> Answer:
        raise CurrencyFixedError("not now")

    with pytest.raises(CurrencyFixedError), database.begin() as tx:
        once(tx, ERP, "k", ONE, refuse)
    assert ask(database, ERP, "k", OTHER) == Answer(201, BODY)


def test_a_commit_that_fails_gives_no_answer_and_leaves_the_key_free(database: Database) -> None:
    """The control of decision 6: an answer made before the commit would have been sent."""
    answers: list[Answer] = []

    def handler() -> None:
        with database.begin() as tx:
            tx.execute(text("CREATE TABLE late (x int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
            answer = once(tx, ERP, "k", ONE, effect(tx))
            tx.execute(text("INSERT INTO late VALUES (1), (1)"))  # refused at the commit
        answers.append(answer)

    with pytest.raises(IntegrityError):
        handler()
    assert answers == []
    assert count_effects(database) == 0
    assert ask(database, ERP, "k", OTHER) == Answer(201, BODY)


def test_an_answer_of_a_lane_is_found_by_its_decision(database: Database) -> None:
    decision_id = "019f0000-0000-7000-8000-000000000001"
    told = '{"outcome":"APPROVE","amount":{"amount":"1.00","currency":"CNY"}}'
    with database.begin() as tx:
        tx.execute(
            text(
                "INSERT INTO decision (decision_id, kind, account_id, segment_id, customer_id,"
                " order_id, outcome, judged, client, evaluated_at, rule_set_version,"
                " input_version, status, record) VALUES (:id, 'AUTHORIZATION', 1, 'main',"
                " 'C', 'O', 'APPROVE', 'APPROVE', 'erp', now(), 1, 0, 201, :record)"
            ),
            {"id": decision_id, "record": pack(b"{}", told.encode())},
        )
        tx.execute(
            text(
                "INSERT INTO request_key (client, key, hash, decision_id)"
                " VALUES ('erp', 'k', :hash, :id)"
            ),
            {"hash": ONE, "id": decision_id},
        )
    assert ask(database, ERP, "k", ONE) == Answer(201, told.encode(), replayed=True)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(("POST", "/v1/a/{id}", {"id": "1"}, {"x": 1, "y": 2}), True, id="same"),
        pytest.param(("POST", "/v1/a/{id}", {"id": "1"}, {"y": 2, "x": 1}), True, id="key-order"),
        pytest.param(("PUT", "/v1/a/{id}", {"id": "1"}, {"x": 1, "y": 2}), False, id="method"),
        pytest.param(("POST", "/v1/b/{id}", {"id": "1"}, {"x": 1, "y": 2}), False, id="route"),
        pytest.param(("POST", "/v1/a/{id}", {"id": "2"}, {"x": 1, "y": 2}), False, id="path"),
        pytest.param(("POST", "/v1/a/{id}", {"id": "1"}, {"x": 1, "y": "2"}), False, id="type"),
        pytest.param(("POST", "/v1/a/{id}", {"id": "1"}, None), False, id="no-body"),
    ],
)
def test_what_a_fingerprint_tells_apart(
    other: tuple[str, str, dict[str, str], object], same: bool
) -> None:
    one = fingerprint("POST", "/v1/a/{id}", {"id": "1"}, {"x": 1, "y": 2})
    assert (fingerprint(*other) == one) is same


def test_twenty_at_once_have_one_effect(database_url: str) -> None:
    count = 20
    start = Barrier(count)
    database = Database(database_url, pool_size=count)

    def race(_: int) -> Answer:
        with database.begin(lock_timeout_ms=20_000) as tx:
            start.wait()
            return once(tx, ERP, "k", ONE, effect(tx))

    try:
        with ThreadPoolExecutor(count) as pool:
            answers = list(pool.map(race, range(count)))
        assert count_effects(database) == 1
    finally:
        database.close()
    assert {answer.body for answer in answers} == {BODY}
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * (count - 1)


def test_a_twin_waits_and_takes_over_where_the_first_is_refused(database_url: str) -> None:
    claimed = Barrier(2)
    database = Database(database_url)

    def refuse() -> Answer:
        claimed.wait()
        raise CurrencyFixedError("not now")

    def first() -> None:
        with pytest.raises(CurrencyFixedError), database.begin() as tx:
            once(tx, ERP, "k", ONE, refuse)

    def second() -> Answer:
        with database.begin(lock_timeout_ms=20_000) as tx:
            claimed.wait()
            return once(tx, ERP, "k", ONE, effect(tx))

    try:
        with ThreadPoolExecutor(2) as pool:
            refused, taken = pool.submit(first), pool.submit(second)
            refused.result()
            assert taken.result() == Answer(201, BODY)
        assert count_effects(database) == 1
    finally:
        database.close()
