"""One run: a load, random faults one after the other, and the reckoning at the end."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx2
import psycopg

from app.store.checker import check_ledger
from app.store.database import Database
from app.store.embedded import start_embedded
from app.store.migrate import migrate
from app.usecases.keys import CreateKey
from tests.faults.client_log import ClientLog
from tests.faults.clients import set_up
from tests.faults.points import Wire
from tests.torture.faults import FAULTS, Fault, Ground, await_database, halt, pause
from tests.torture.load import OWN_LIMIT, SHARED, SHARED_LIMIT, Book, Customer

CLIENTS: Final = 6
_LATE_S: Final = 120.0


@dataclass(frozen=True)
class Found:
    """What came of a run; `wrong` is what must not be, empty where all is well."""

    seed: int
    faults: Mapping[str, int]
    told: Mapping[str, int]
    ledger: str
    wrong: Sequence[str] = field(default=())

    def __str__(self) -> str:
        """Say it in a few lines."""
        faults = ", ".join(f"{name} {times}" for name, times in sorted(self.faults.items()))
        told = ", ".join(f"{what} {times}" for what, times in sorted(self.told.items()))
        lines = [f"seed {self.seed}", f"faults: {faults}", f"told: {told}", self.ledger]
        return "\n".join([*lines, *(f"WRONG: {one}" for one in self.wrong)])


@dataclass(frozen=True)
class Plan:
    """What a run does; `options` are PostgreSQL's, `last` is done to the ground after the load."""

    seconds: float
    seed: int
    faults: Sequence[Fault] = FAULTS
    options: Mapping[str, str] = field(default_factory=dict)
    last: Fault | None = None


def torture(folder: Path, plan: Plan, say: Callable[[str], None] = lambda _line: None) -> Found:
    """Torture services and a database that are kept in `folder`, and compare at the end."""
    say(f"seed {plan.seed}")
    dice, log, faults = random.Random(plan.seed), ClientLog(), dict[str, int]()
    with _ground(folder, dice, plan.options) as ground:
        book = Book(lambda: _client(ground, dice), log)
        with ground.services[0].client() as client:
            own = [f"T-{place}" for place in range(CLIENTS)]
            set_up(client, own, f"{OWN_LIMIT}.00")
            set_up(client, SHARED, f"{SHARED_LIMIT}.00")
        with _at_work(book, dice):
            until = time.monotonic() + plan.seconds
            while time.monotonic() < until and not book.wrong:
                fault = dice.choice(plan.faults)
                faults[fault.__name__] = faults.get(fault.__name__, 0) + 1
                say(fault.__name__)
                try:
                    fault(ground)
                except psycopg.OperationalError:  # it recovers from an earlier one still
                    say("the database was out of reach")
                ground.revive()
                pause(ground, until)
        if plan.last is not None:
            plan.last(ground)
            ground.revive()
        halt(ground)
        await_database(ground.database.url)
        report = check_ledger(ground.database.url)
        wrong = [*book.wrong, *([] if report.clean else [str(report)])]
        difference = log.difference(ground.database.url)
        return Found(
            plan.seed,
            faults,
            book.told,
            str(report),
            [*wrong, *([difference] if difference else [])],
        )


@contextmanager
def _at_work(book: Book, dice: random.Random) -> Iterator[None]:
    """Let the clients work while the block lasts, and wait until each knows all its answers."""
    threads = [
        threading.Thread(
            target=Customer(book, place, random.Random(dice.random())).work, daemon=True
        )
        for place in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        book.over.set()
        for thread in threads:
            thread.join(_LATE_S)
        if any(thread.is_alive() for thread in threads):
            book.wrong.append("a client never came to an end")


def _client(ground: Ground, dice: random.Random) -> httpx2.Client:
    """Open a client that asks the service it was given, also after it came back elsewhere."""
    place = dice.randrange(len(ground.services))

    def follow(request: httpx2.Request) -> None:
        request.url = request.url.copy_with(port=ground.services[place].port)

    client = ground.services[place].client()
    client.event_hooks = {"request": [follow]}
    return client


@contextmanager
def _ground(folder: Path, dice: random.Random, options: Mapping[str, str]) -> Iterator[Ground]:
    database = start_embedded(folder / "database", options=options)
    migrate(database.url)
    pool = Database(database.url)
    token = CreateKey(pool, lambda: datetime.now(UTC))("tests", ["admin"])
    pool.close()
    with Wire(database.url) as wire:
        ground = Ground(folder, wire, token, database, dice, [])
        try:
            for place in range(2):
                ground.start(place)
            ground.begin_work()
            yield ground
        finally:
            wire.flowing.set()
            halt(ground)
            ground.database.stop()
