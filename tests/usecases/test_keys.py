"""API keys: what is refused, how long a revoked one still passes, and that no token is stored."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.domain.callers import Caller
from app.domain.errors import BusyError, FieldError, NotFoundError, UnauthenticatedError
from app.store.database import Database, Tx
from app.usecases.apart import LOOK_UPS, MOST_WAITING, Apart
from app.usecases.keys import (
    AGAIN_S,
    MOST_TRUSTED,
    RENEWED_S,
    TRUSTED_S,
    Authenticate,
    CreateKey,
    ListKeys,
    MakeFirstKey,
    RevokeKey,
)
from tests.server import NO_TLS, Clock

NOW = datetime(2026, 6, 15, tzinfo=UTC)


@dataclass(slots=True)
class Elapsed:
    """Seconds that pass when a test says so."""

    at: float = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def create(database: Database, clock: Clock) -> CreateKey:
    return CreateKey(database, clock)


@pytest.fixture
def elapsed() -> Elapsed:
    return Elapsed()


@pytest.fixture
def authenticate(database: Database, elapsed: Elapsed) -> Authenticate:
    return Authenticate(database, elapsed)


def test_a_key_opens_what_it_was_made_for(
    create: CreateKey, authenticate: Authenticate, database: Database
) -> None:
    with database.begin() as tx:
        tx.execute(text("INSERT INTO segment (segment_id, name) VALUES ('main', 'main')"))
    token = create("erp", ["check:write", "score:read", "check:write"], ["main"])
    caller = authenticate(token)
    assert caller.client == "erp"
    assert caller.scopes == {"check:write", "score:read"}
    assert caller.segments == frozenset({"main"})


def test_only_the_hash_is_stored(create: CreateKey, database: Database) -> None:
    token = create("erp", ["admin"])
    assert re.fullmatch(r"aval_[A-Za-z0-9_-]{43}", token)
    with database.read() as tx:
        row = tx.execute(text("SELECT k::text, length(hash) FROM api_key AS k")).one()
    assert token.removeprefix("aval_") not in row[0]
    assert row[1] == 32


@pytest.mark.parametrize(
    ("name", "scopes", "segments", "field"),
    [
        pytest.param("", ["admin"], [], "name", id="no-name"),
        pytest.param("n" * 65, ["admin"], [], "name", id="name-one-too-long"),
        pytest.param("a\nb", ["admin"], [], "name", id="name-not-printable"),
        pytest.param("erp", [], [], "scope", id="no-scope"),
        pytest.param("erp", ["admin", "chek:write"], [], "scope", id="misspelt-scope"),
        pytest.param("erp", ["admin"], ["nowhere"], "segment", id="unknown-segment"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    create: CreateKey, name: str, scopes: list[str], segments: list[str], field: str
) -> None:
    with pytest.raises(FieldError) as refused:
        create(name, scopes, segments)
    assert refused.value.field == field
    assert ListKeys(create.database)() == []


def test_a_misspelt_scope_is_told_its_right_spelling(create: CreateKey) -> None:
    with pytest.raises(FieldError, match="did you mean check:write"):
        create("erp", ["chek:write"])


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("aval_" + "x" * 43, id="unknown"),
        pytest.param("aval_" + "x" * 42, id="one-short"),
        pytest.param("x" * 48, id="other-prefix"),
        pytest.param("", id="empty"),
        pytest.param("aval_" + "é" * 43, id="not-ascii"),
    ],
)
def test_a_stranger_is_not_recognised(authenticate: Authenticate, token: str) -> None:
    assert authenticate.trusted(token) is None
    with pytest.raises(UnauthenticatedError):
        authenticate(token)


def test_two_keys_of_one_name_work_until_the_name_is_revoked(
    create: CreateKey, authenticate: Authenticate, clock: Clock
) -> None:
    tokens = [create("erp", ["admin"]), create("erp", ["score:read"])]
    assert [authenticate(token).client for token in tokens] == ["erp", "erp"]
    assert RevokeKey(create.database, clock)("erp") == 2
    for token in tokens:
        with pytest.raises(UnauthenticatedError):
            authenticate(token)
    with pytest.raises(NotFoundError):
        RevokeKey(create.database, clock)("erp")
    assert [key.revoked_at for key in ListKeys(create.database)()] == [clock.at, clock.at]


@pytest.mark.parametrize(
    ("age", "passes"),
    [
        pytest.param(0.0, True, id="at-once"),
        pytest.param(TRUSTED_S - 0.01, True, id="just-before-the-end"),
        pytest.param(TRUSTED_S, False, id="at-the-end"),
    ],
)
def test_a_revoked_key_passes_no_longer_than_trusted(
    create: CreateKey, elapsed: Elapsed, age: float, passes: bool
) -> None:
    authenticate = Authenticate(create.database, elapsed)
    token = create("erp", ["admin"])
    authenticate(token)
    RevokeKey(create.database, lambda: NOW)("erp")
    elapsed.at = age
    assert asyncio.run(passed(authenticate, token)) is passes


async def passed(authenticate: Authenticate, token: str) -> bool:
    """Say whether a token passes without a wait, and let what this began end."""
    known = authenticate.trusted(token) is not None
    with suppress(UnauthenticatedError, BusyError):
        await authenticate.look_up(token)
    return known


def test_a_token_is_renewed_while_all_pass(create: CreateKey, elapsed: Elapsed) -> None:
    token = create("erp", ["admin"])
    with closing(Counted(create.database.url)) as counted:
        authenticate = Authenticate(counted, elapsed)
        authenticate(token)
        elapsed.at = RENEWED_S - 0.01
        assert authenticate.trusted(token) is not None
        assert counted.begun == 1
        elapsed.at = RENEWED_S

        async def crowd() -> list[Caller | None]:
            answers = [authenticate.trusted(token) for _ in range(4)]
            await authenticate.look_up(token)  # the one that is under way
            return answers

        assert None not in asyncio.run(crowd())
        assert counted.begun == 2
        elapsed.at = TRUSTED_S
        assert authenticate.trusted(token) is not None
        assert counted.begun == 2


def test_a_revoked_key_is_noticed_by_the_renewal(
    create: CreateKey, authenticate: Authenticate, elapsed: Elapsed
) -> None:
    token = create("erp", ["admin"])
    authenticate(token)
    RevokeKey(create.database, lambda: NOW)("erp")
    elapsed.at = RENEWED_S
    assert asyncio.run(passed(authenticate, token))
    assert authenticate.trusted(token) is None


def test_a_renewal_that_fails_is_tried_again_and_keeps_nobody_out(
    create: CreateKey, elapsed: Elapsed
) -> None:
    token = create("erp", ["admin"])
    with closing(Counted(create.database.url)) as counted:
        authenticate = Authenticate(counted, elapsed)
        authenticate(token)
        counted.away = True
        elapsed.at = RENEWED_S
        assert asyncio.run(passed(authenticate, token))
        assert asyncio.run(passed(authenticate, token))
        counted.away, counted.begins = False, threading.Event()
        elapsed.at = RENEWED_S + AGAIN_S

        async def renewed() -> None:
            assert authenticate.trusted(token) is not None
            assert counted.begins is not None
            assert await asyncio.to_thread(counted.begins.wait, 20)  # no request waits for it

        asyncio.run(renewed())


def test_who_waits_for_a_look_up_does_not_wait_for_ever(create: CreateKey) -> None:
    """As where the database's server hangs, and its machine does not."""
    token = create("erp", ["admin"])
    with closing(Counted(create.database.url)) as counted:
        counted.takes_s = 1.0
        authenticate = Authenticate(counted, time.monotonic, patience_s=0.05)
        with pytest.raises(BusyError):
            asyncio.run(authenticate.look_up(token))


def test_what_is_no_token_of_ours_takes_no_thread(authenticate: Authenticate) -> None:
    async def strangers() -> None:
        gate = threading.Event()
        held = [LOOK_UPS.do(gate.wait, 60) for _ in range(LOOK_UPS.most)]
        try:
            with pytest.raises(UnauthenticatedError):
                await authenticate.look_up("aval_" + "x" * 42)
        finally:
            gate.set()
            await asyncio.gather(*held)

    asyncio.run(strangers())


def test_what_is_remembered_is_bounded(create: CreateKey, elapsed: Elapsed) -> None:
    known = Authenticate(create.database, elapsed)
    known(create("erp", ["admin"]))
    kept = known._known  # noqa: SLF001 - filling it with real keys takes long
    entry = next(iter(kept.values()))
    kept.update({number.to_bytes(2): entry for number in range(MOST_TRUSTED - 1)})
    assert len(kept) == MOST_TRUSTED
    known(create("crm", ["admin"]))
    assert len(kept) == MOST_TRUSTED


def test_the_first_key_is_made_once(create: CreateKey, authenticate: Authenticate) -> None:
    handed: list[str] = []
    first = MakeFirstKey(create)
    assert first(handed.append)
    assert not first(handed.append)
    assert authenticate(handed[0]).scopes == {"admin"}
    assert len(handed) == 1


def test_a_first_key_that_cannot_be_kept_is_not_made(create: CreateKey) -> None:
    def fail(_: str) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        MakeFirstKey(create)(fail)
    assert ListKeys(create.database)() == []


@pytest.fixture
def stranger(service: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=service, timeout=20, trust_env=False, verify=NO_TLS) as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="no-header"),
        pytest.param({"Authorization": "Basic eDp5"}, 401, id="other-scheme"),
        pytest.param({"Authorization": "Bearer"}, 401, id="no-token"),
        pytest.param({"Authorization": "Bearer aval_x"}, 401, id="unknown-token"),
        pytest.param({"Authorization": "Bearer {check}"}, 422, id="scope-held"),
        pytest.param({"Authorization": "bearer {check}"}, 422, id="scheme-in-small-letters"),
        pytest.param({"Authorization": "Bearer {score}"}, 403, id="scope-missing"),
        pytest.param({"Authorization": "Bearer {admin}"}, 422, id="admin-may-all"),
        pytest.param({"Authorization": "Bearer {admin}", "Aval-Actor": "王芳"}, 422, id="actor"),
        pytest.param({"Authorization": "Bearer {admin}", "Aval-Actor": "a" * 64}, 422, id="64"),
        pytest.param({"Authorization": "Bearer {admin}", "Aval-Actor": "a" * 65}, 400, id="65"),
        pytest.param({"Authorization": "Bearer {admin}", "Aval-Actor": "a\tb"}, 400, id="tab"),
        pytest.param({"Authorization": "Bearer {admin}", "Aval-Actor": ""}, 400, id="empty"),
    ],
)
def test_who_may_ask(
    stranger: httpx2.Client, create: CreateKey, headers: dict[str, str], status: int
) -> None:
    """422 says that the caller got as far as the empty body."""
    scopes = {"check": "check:write", "score": "score:read", "admin": "admin"}
    tokens = {name: create(name, [scope]) for name, scope in scopes.items()}
    sent = [(name.encode(), value.format(**tokens).encode()) for name, value in headers.items()]
    answer = stranger.post("/v1/limit-checks", json={}, headers=sent)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("www-authenticate" in answer.headers) == (status == 401)


class Counted(Database):
    """A database that counts transactions, each of which takes its time; it may be away."""

    begun = 0
    takes_s = 0.1
    away = False
    begins: threading.Event | None = None

    @contextmanager
    def begin(self, **terms: Any) -> Iterator[Tx]:  # noqa: ANN401 - as they are
        self.begun += 1
        if self.begins is not None:
            self.begins.set()
        time.sleep(self.takes_s)
        if self.away:
            raise BusyError("the database is away")
        with super().begin(**terms) as tx:
            yield tx


def test_a_token_is_looked_up_once_for_all_who_ask_meanwhile(database: Database) -> None:
    """After a pause of the database every request of a client would look its token up."""
    token = CreateKey(database, lambda: datetime.now(UTC))("erp", ["admin"])
    with closing(Counted(database.url)) as counted:
        authenticate = Authenticate(counted, time.monotonic)

        async def ask() -> list[Caller]:
            first = asyncio.create_task(authenticate.look_up(token))
            others = [asyncio.create_task(authenticate.look_up(token)) for _ in range(20)]
            await asyncio.sleep(0.01)
            first.cancel()  # who asked first hangs up
            return list(await asyncio.gather(*others))

        assert {one.client for one in asyncio.run(ask())} == {"erp"}
        assert counted.begun == 1
        asyncio.run(authenticate.look_up(token))
        assert counted.begun == 2


def test_too_many_do_not_wait_for_a_thread() -> None:
    """They would hear too late to care; whoever comes once there is room again is let in."""
    go = threading.Event()
    apart = Apart(1, "test")

    async def crowd() -> None:
        waiting = [apart.do(go.wait, 10) for _ in range(MOST_WAITING)]
        with pytest.raises(BusyError, match="too many"):
            await apart.do(go.wait, 10)
        go.set()
        await asyncio.gather(*waiting)
        assert await apart.do(go.wait, 10)

    asyncio.run(crowd())
