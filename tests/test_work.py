"""`aval work`: loops that outlive their failures, and the command as a real process."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from app.composition import compose
from app.domain.errors import BusyError
from app.domain.rules_standard import STANDARD
from app.main import create_app
from app.settings import Settings
from app.store.checker import check_ledger
from app.store.database import Database, moment
from app.store.embedded import start_embedded
from app.store.migrate import migrate
from app.usecases.keys import CreateKey
from app.usecases.portions import Cursor, Portion
from app.usecases.training_again import TrainAgain
from app.work import MOST_BACKOFF_S, Loop, loops, pause_s, run
from tests.conftest import Here
from tests.domain.facts_cases import pay
from tests.erp import Erp
from tests.server import NO_TLS, Clock, ServiceThread
from tests.states import put_state
from tests.usecases.facts_ledger import Ledger

AVAL = Path(sys.executable).with_name("aval")
PATIENCE_S = 60.0
QUICK = {"fsync": "off", "full_page_writes": "off"}


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        return int(sock.getsockname()[1])


def until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


# Loops in this process


@dataclass
class Script:
    """A portion that does what is written, then stops its loop; remembers its cursors."""

    steps: list[Portion | Exception]
    seen: list[Cursor | None] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __call__(self, after: Cursor | None) -> Portion:
        self.seen.append(after)
        step = self.steps.pop(0) if self.steps else Portion(0)
        if not self.steps:
            self.over.set()
        if isinstance(step, Exception):
            raise step
        return step


def play(*scripts: Script, every_s: float = 0.001) -> None:
    """Run loops `script-0`, `script-1` … until each is through with its steps."""

    async def all_of_it() -> None:
        stop = asyncio.Event()
        work = [Loop(f"script-{n}", every_s, script) for n, script in enumerate(scripts)]
        running = asyncio.create_task(run(work, stop))
        for script in scripts:
            await asyncio.to_thread(script.over.wait, PATIENCE_S)
        stop.set()
        await asyncio.wait_for(running, PATIENCE_S)

    asyncio.run(all_of_it())


def told(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def test_a_pass_goes_on_at_once_while_portions_are_full() -> None:
    script = Script([Portion(2, ("a",), 1), Portion(2, ()), Portion(1, None, 2)])
    before = told("aval_work_items_total", loop="script-0")
    began = time.monotonic()
    play(script, every_s=30)
    assert time.monotonic() - began < 10
    assert script.seen == [None, ("a",), ()]
    assert told("aval_work_items_total", loop="script-0") == before + 5
    assert told("aval_work_left", loop="script-0") == 3


def test_a_failed_pass_is_counted_and_stops_nothing() -> None:
    runs = {one: told("aval_work_runs_total", loop="script-0", result=one) for one in RESULTS}
    passes = told("aval_work_seconds_count", loop="script-1")
    bad = Script([BusyError("away"), Portion(1, ("a",)), ZeroDivisionError("bug"), Portion(1)])
    good = Script([Portion(1)] * 5)
    play(bad, good)
    assert bad.seen[:4] == [None, None, ("a",), None]  # what failed begins anew
    # on a slow machine the script is over, and its loop goes on, before the other's is
    more = {"busy": 1, "failed": 1, "done": len(bad.seen) - 3}
    for result in RESULTS:
        found = told("aval_work_runs_total", loop="script-0", result=result)
        assert found == runs[result] + more[result], result
    assert told("aval_work_seconds_count", loop="script-1") >= passes + 5


RESULTS = ("busy", "failed", "done")


@pytest.mark.parametrize(
    ("every_s", "failures", "expected"),
    [
        pytest.param(5.0, 0, 5.0, id="none"),
        pytest.param(5.0, 1, 1.0, id="first"),
        pytest.param(5.0, 4, 8.0, id="fourth"),
        pytest.param(300.0, 7, MOST_BACKOFF_S, id="the-longest"),
        pytest.param(0.1, 10_000, MOST_BACKOFF_S, id="for-ever"),
    ],
)
def test_how_long_a_loop_waits(every_s: float, failures: int, expected: float) -> None:
    assert pause_s(every_s, failures) == expected


def test_a_portion_under_way_is_finished_and_no_other_begun() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(after: Cursor | None) -> Portion:
        assert after is None, "a second portion was begun after the stop"
        begun.set()
        go_on.wait(PATIENCE_S)
        ended.set()
        return Portion(1, ("more",))

    async def stop_meanwhile() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(run([Loop("slow", 0.01, slow)], stop))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        stop.set()
        done, _ = await asyncio.wait([running], timeout=0.2)
        assert not done
        go_on.set()
        await running

    asyncio.run(stop_meanwhile())
    assert ended.is_set()


def test_a_portion_that_may_take_minutes_is_broken_off() -> None:
    begun, broken_off = threading.Event(), threading.Event()

    def long(_: Cursor | None) -> Portion:
        begun.set()
        broken_off.wait(PATIENCE_S / 2)
        return Portion(0)

    async def stop_meanwhile() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(run([Loop("long", 0.01, long, broken_off.set)], stop))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        assert not broken_off.is_set()
        stop.set()
        await asyncio.wait_for(running, PATIENCE_S)

    asyncio.run(stop_meanwhile())
    assert broken_off.is_set()


def test_the_loop_that_trains_can_be_broken_off(database: Database) -> None:
    train = loops(Settings(train_every_days=30), database)[-1]
    assert isinstance(train.portion, TrainAgain)
    assert train.end == train.portion.end


def test_the_database_may_go_away_and_come_back(tmp_path: Path, ready_state: Path) -> None:
    put_state(ready_state, tmp_path)
    with start_embedded(tmp_path, options=QUICK) as embedded:
        url = embedded.url
    with closing(Database(url)) as database:
        work = {one.name: one for one in loops(Settings(), database)}
        assert {*work} >= {
            "expire",
            "count",
            "lapse",
            "requeue",
            "release",
            "revalue",
            "score",
            "night",
        }
        for one in work.values():
            with pytest.raises(BusyError):
                one.portion(None)
        with start_embedded(tmp_path, options=QUICK):
            assert [one.portion(None) for one in work.values()] == [Portion(0)] * len(work)


def test_provisional_money_lapses_by_the_databases_clock(database: Database) -> None:
    with database.read() as tx:
        clock = Clock(moment(tx) - timedelta(hours=2))
    parts = compose(Settings(), database.url, clock)
    with closing(parts.database):
        parts.prepare()  # with a scorecard: who paid is scored again
    ledger = Ledger.found(database, clock)
    for name, hours in (("P1", 1), ("P2", 1), ("P3", 3)):
        ends = (clock() + timedelta(hours=hours)).isoformat()
        ledger.apply(pay(name, "40", status="PROVISIONAL", expires_at=ends))
    lapse = {one.name: one for one in loops(Settings(work_batch=1), database)}["lapse"].portion
    assert [lapse(None), lapse(()), lapse(())] == [Portion(1, ()), Portion(1, ()), Portion(0)]
    with database.read() as tx:
        query = text("SELECT payment_id FROM payment WHERE lapsed_at IS NULL")
        assert tx.execute(query).scalars().all() == ["P3"]
    ledger.town.exact()


# The command


@dataclass(slots=True)
class Worker:
    """A running `aval work`."""

    process: subprocess.Popen[bytes]
    output: Path

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def environment(**given: str) -> dict[str, str]:
    """Take nothing of the shell's own settings over."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AVAL_")}
    return {**ours, "AVAL_WORK_OPS_PORT": "0", "AVAL_EXPIRE_EVERY_S": "0.1", **given}


@contextmanager
def working(output: Path, **given: str) -> Iterator[Worker]:
    with output.open("wb") as file:
        process = subprocess.Popen(
            [AVAL, "work"], env=environment(**given), stdout=file, stderr=subprocess.STDOUT
        )
    worker = Worker(process, output)
    try:
        until(lambda: "working: " in worker.said() or process.poll() is not None, worker.said())
        assert process.poll() is None, worker.said()
        yield worker
    finally:
        if process.poll() is None:
            worker.end(signal.SIGKILL)


def aval_work(**given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [AVAL, "work"],
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.fixture
def embedded(tmp_path: Path, ready_state: Path) -> Iterator[str]:
    """Run an embedded database in `tmp_path`, at head, as a service does."""
    put_state(ready_state, tmp_path / "state")
    with start_embedded(tmp_path / "state", options=QUICK) as running:
        yield running.url


def test_two_workers_expire_what_is_due_once(tmp_path: Path, embedded: str) -> None:
    state, ops = str(tmp_path / "state"), free_port()
    with (
        closing(Database(embedded)) as database,
        ServiceThread(create_app(Settings(state_dir=tmp_path / "state"), embedded)) as service,
        working(tmp_path / "one", AVAL_STATE_DIR=state, AVAL_WORK_OPS_PORT=str(ops)) as one,
        working(tmp_path / "two", AVAL_STATE_DIR=state) as two,
    ):
        token = CreateKey(database, lambda: datetime.now(UTC))("tests", ["admin"])
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(
            base_url=service.url, headers=headers, timeout=30, trust_env=False, verify=NO_TLS
        ) as client:
            erp = Erp(client)
            erp.customer("C-1")
            asked = [erp.ask(f"SO-{number}", "10.00", expires_in=1) for number in range(5)]
            kept = erp.ask("SO-9", "10.00", expires_in=3600)
            assert {one["outcome"] for one in (*asked, kept)} == {"APPROVE"}
            until(lambda: erp.authorized() == "10.00", one.said())
            listed = client.get("/v1/authorizations", params={"status": "EXPIRED"}).json()
            assert len(listed["items"]) == 5
            path = f"/v1/authorizations/{kept['authorization_id']}"
            assert client.get(path).json()["status"] == "OPEN"

        def metrics() -> str:
            return httpx2.get(
                f"http://127.0.0.1:{ops}/metrics", timeout=30, trust_env=False, verify=NO_TLS
            ).text

        # What a worker told last may be of before the other's pass.
        until(lambda: "aval_expiry_overdue_seconds 0.0" in metrics(), one.said())
        assert re.search(r'aval_work_runs_total\{loop="expire",result="done"\} [1-9]', metrics())
        assert (one.end(signal.SIGTERM), two.end(signal.SIGINT)) == (0, 0)
        assert "Traceback" not in one.said() + two.said()
    with psycopg.connect(embedded) as connection:
        rows = connection.execute("SELECT kind FROM journal").fetchall()
    assert (rows.count(("AUTHORIZE",)), rows.count(("FREE",))) == (6, 5)
    assert check_ledger(embedded).clean


def test_a_child_of_a_service_needs_no_port_of_its_own(tmp_path: Path, database_url: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        given = {"AVAL_DATABASE_URL": database_url, "AVAL_WORK_OPS_PORT": port}
        with working(tmp_path / "one", PROMETHEUS_MULTIPROC_DIR=str(tmp_path), **given) as child:
            assert child.end(signal.SIGTERM) == 0
        refused = aval_work(**given)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "AVAL_WORK_OPS_PORT chooses another" in refused.stderr


def test_the_direct_address_goes_before_the_poolers(tmp_path: Path, database_url: str) -> None:
    given = {"AVAL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    with working(tmp_path / "one", AVAL_WORK_DATABASE_URL=database_url, **given) as worker:
        assert worker.end(signal.SIGTERM) == 0


@pytest.fixture
def places(empty_database_url: str, tmp_path: Path) -> dict[str, str]:
    migrate(empty_database_url, "20261124_0300")
    return {"old": empty_database_url, "nowhere": str(tmp_path / "nowhere")}


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        pytest.param({"DATABASE_URL": "old"}, 1, "aval migrate", id="old-schema"),
        pytest.param(
            {"DATABASE_URL": "postgresql://aval:s3cret@127.0.0.1:1/aval"}, 1, "refused", id="away"
        ),
        pytest.param({"EXPIRE_EVERY_S": "0"}, 2, "AVAL_EXPIRE_EVERY_S", id="pause-of-nothing"),
        pytest.param({"WORK_DATABASE_URL": "postgresql://h:x/y"}, 2, "must be an", id="address"),
        pytest.param(
            {"STATE_DIR": "nowhere", "WORK_PATIENCE_S": "0.3"},
            1,
            "no service runs on",
            id="no-service",
        ),
    ],
)
def test_what_goes_wrong_is_one_line(
    here: Here, places: dict[str, str], given: dict[str, str], code: int, told: str
) -> None:
    settings = {f"AVAL_{name}": places.get(it, it) for name, it in given.items()}
    ended = here("work", AVAL_WORK_OPS_PORT="0", **settings)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.count("\n") == 1
    assert told in ended.stderr
    assert "s3cret" not in ended.stderr
    assert not Path(places["nowhere"]).exists()


def test_a_hold_is_released_within_two_seconds_of_the_payment(
    tmp_path: Path, embedded: str
) -> None:
    state = tmp_path / "state"
    with (
        closing(Database(embedded)) as database,
        ServiceThread(create_app(Settings(state_dir=state), embedded)) as service,
        working(tmp_path / "one", AVAL_STATE_DIR=str(state)) as worker,
    ):
        token = CreateKey(database, lambda: datetime.now(UTC))("tests", ["admin"])
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(
            base_url=service.url, headers=headers, timeout=30, trust_env=False, verify=NO_TLS
        ) as client:
            erp = Erp(client)
            erp.customer("C-1")
            holds = list[str]()

            def released() -> float:
                """Pay what an order lacks; returns how long it was held after that."""
                name, due = len(holds), "10.00" if holds else "50.00"
                holds.append(erp.held(f"SO-{name}", "10.00" if holds else "150.00"))
                event = {"source": "erp", "event_id": f"E-{name}", "type": "payment",
                         "customer_id": "C-1", "segment": "main", "payment_id": f"P-{name}",
                         "occurred_at": "2026-06-15T04:00:00Z", "version": 1,
                         "amount": {"amount": due, "currency": "CNY"},
                         "paid_date": "2026-06-15"}  # fmt: skip
                paid = client.post("/v1/ledger-events", json={"events": [event]})
                assert paid.json()["results"][0]["result"] == "applied"
                until(lambda: erp.hold(holds[-1])["status"] == "RELEASED", worker.said())
                with psycopg.connect(embedded) as connection:
                    found = connection.execute(WAITED, (holds[-1],)).fetchone()
                assert found is not None
                return float(found[0])

            # where a busy machine stalls it is longer: so it is seen of one of a few
            assert Settings().release_every_s < 1.0
            assert any(released() < 2.0 for _ in range(6))
    assert check_ledger(embedded).clean


WAITED = """
SELECT extract(epoch FROM h.closed_at - max(j.at)) FROM order_hold h
JOIN journal j ON j.account_id = h.account_id AND j.kind = 'FACT'
WHERE h.hold_id = %s GROUP BY h.closed_at
"""


POLICY = {
    **STANDARD,
    "name": "stricter",
    "texts": {"BIG": {"zh": "大额", "en": "big"}},
    "rows": [
        *STANDARD["rows"],
        {"id": "big", "zh": "大额", "en": "big", "outcome": "HOLD", "reason": "BIG",
         "when": "order_amount_minor > 30000"},
    ],
    "examples": [],
}  # fmt: skip


def in_force(erp: Erp, other: Erp) -> None:
    """Put the policy in force by two people."""
    assert erp.post("/v1/rule-sets", {"rule_set": POLICY}).status_code == 201
    for by, step in ((erp, "propose"), (other, "approve"), (erp, "activate")):
        answer = by.post(f"/v1/rule-sets/2/{step}", {})
        assert answer.status_code == 200, answer.text


@pytest.mark.nightly  # the payment's test above runs the same loop; this starts all of it again
def test_a_hold_is_released_within_two_seconds_of_a_limit_a_score_and_a_rule(
    tmp_path: Path, embedded: str
) -> None:
    state = tmp_path / "state"
    with (
        closing(Database(embedded)) as database,
        ServiceThread(create_app(Settings(state_dir=state), embedded)) as service,
        working(tmp_path / "one", AVAL_STATE_DIR=str(state)) as worker,
        psycopg.connect(embedded, autocommit=True) as connection,
        httpx2.Client(base_url=service.url, timeout=30, trust_env=False, verify=NO_TLS) as client,
        httpx2.Client(base_url=service.url, timeout=30, trust_env=False, verify=NO_TLS) as second,
    ):
        for one, name in ((client, "tests"), (second, "other")):
            token = CreateKey(database, lambda: datetime.now(UTC))(name, ["admin"])
            one.headers["Authorization"] = f"Bearer {token}"
        erp = Erp(client)
        erp.customer("C-1")
        in_force(erp, Erp(second))

        def released(hold_id: str, path: str, body: object) -> float:
            """Do what clears the hold; returns after how many seconds it was gone."""
            before = connection.execute("SELECT clock_timestamp()").fetchone()
            answer = erp.post(path, body)
            assert answer.is_success, answer.text
            until(lambda: erp.hold(hold_id)["status"] == "RELEASED", worker.said())
            query = "SELECT extract(epoch FROM closed_at - %s) FROM order_hold WHERE hold_id = %s"
            waited = connection.execute(query, [(before or [None])[0], hold_id]).fetchone()
            assert waited is not None
            return float(waited[0])

        limit = {"kind": "base", "limit": {"amount": "10000.00", "currency": "CNY"}}
        held = erp.held("SO-1", "150.00")
        assert released(held, "/v1/customers/C-1/limits", limit) < 2.0
        assert erp.post("/v1/customers/C-1/score", {}).is_success
        override = {"risk_class": "E", "reason": "rumours"}
        later = {"expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
        overrides = "/v1/customers/C-1/score/overrides"
        said = erp.post(overrides, override | later)
        assert said.status_code == 201, said.text
        held = erp.held("SO-2", "20.00")
        assert released(held, f"{overrides}/{said.json()['override_id']}/end", {}) < 2.0
        held = erp.held("SO-3", "400.00")
        assert released(held, "/v1/rule-sets/1/activate", {}) < 2.0
    assert check_ledger(embedded).clean
