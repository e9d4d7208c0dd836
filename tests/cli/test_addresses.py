"""Which addresses of a database are taken: those that pool and lanes read alike."""

from contextlib import closing
from pathlib import Path

import pytest

from app.cli.database import check_address
from app.settings import SettingsError
from app.store.database import Database
from app.store.revision import current_revision, head_revision
from tests.conftest import Here

SECRET = "c4nary"


@pytest.mark.parametrize(
    "password",
    [
        pytest.param(f"p/{SECRET}", id="slash-that-moves-the-host"),
        pytest.param(f"{SECRET}%sw", id="no-percent-encoding"),
        pytest.param(f"{SECRET}%", id="percent-at-the-end"),
        pytest.param(f"{SECRET}%00", id="encoded-nothing"),
        pytest.param(f"{SECRET} w", id="space"),
        pytest.param(f"{SECRET}[w", id="bracket"),
        pytest.param(f"1/{SECRET}", id="slash-after-a-number"),
    ],
)
@pytest.mark.parametrize("command", ["migrate", "key list", "work"])
def test_an_odd_password_is_one_line_without_it(here: Here, command: str, password: str) -> None:
    url = f"postgresql://aval:{password}@127.0.0.1:1/aval"
    ended = here(command, AVAL_DATABASE_URL=url, AVAL_WORK_OPS_PORT="0")
    assert ended.returncode == 2, ended.stderr
    assert "AVAL_DATABASE_URL: must be an address" in ended.stderr
    assert "percent-encoded" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert SECRET not in ended.stderr + ended.stdout


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://aval@db", id="no-database"),
        pytest.param("postgresql://", id="nothing"),
        pytest.param("postgresql:///aval", id="no-host"),
        pytest.param("postgresql://aval@/aval?host=%2Frun%2Fpg&port=5432", id="socket"),
        pytest.param("postgresql:///aval?host=/run/pg", id="socket-not-encoded"),
        pytest.param("postgresql://db/aval?user=aval&password=p&sslmode=require", id="in-query"),
        pytest.param("postgresql://aval:p%2Fw%25%40%20@db:5432/aval", id="encoded"),
        pytest.param("postgresql://aval:p#?+&:w@db/aval", id="harmless-signs"),
        pytest.param("postgresql://aval@[::1]:5432/aval", id="ipv6"),
        pytest.param("postgresql://aval@db:05432/aval?sslmode=require", id="zero-before-the-port"),
        pytest.param("postgres://aval@one,two/aval", id="two-hosts"),
        pytest.param("postgresql:///aval?host=one,two&port=5432,5433", id="two-hosts-and-ports"),
    ],
)
def test_usual_addresses_are_taken(url: str) -> None:
    check_address(url, "AVAL_DATABASE_URL")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://db/aval?host=one&host=two", id="the-last-host-only"),
        pytest.param("postgresql://one,two:5433/aval", id="port-of-the-last-host-only"),
        pytest.param("postgresql://%2Frun%2Fpg/aval", id="socket-as-a-host"),
        pytest.param("postgresql://db/aval?sslmod=require", id="no-such-option"),
        pytest.param("postgresql://db/aval?ssl=true", id="option-of-libpq-alone"),
        pytest.param("postgresql://db/aval?sslrootcert=/a+b.pem", id="plus-in-an-option"),
    ],
)
def test_what_is_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="AVAL_WORK_DATABASE_URL: must be an address"):
        check_address(url, "AVAL_WORK_DATABASE_URL")


def test_migrations_take_the_address_for_work_alone(
    here: Here, empty_database_url: str, tmp_path: Path
) -> None:
    given = {"AVAL_WORK_DATABASE_URL": empty_database_url, "AVAL_STATE_DIR": str(tmp_path)}
    ended = here("migrate", **given)
    assert ended.returncode == 0, ended.stderr
    assert list(tmp_path.iterdir()) == []
    with closing(Database(empty_database_url)) as database:
        assert current_revision(database) == head_revision()


@pytest.mark.parametrize("command", ["key list", "check-ledger"])
def test_nothing_else_takes_it_for_an_embedded_database(
    here: Here, database_url: str, tmp_path: Path, command: str
) -> None:
    given = {"AVAL_WORK_DATABASE_URL": database_url, "AVAL_STATE_DIR": str(tmp_path)}
    ended = here(command, **given)
    assert ended.returncode == 2
    assert ended.stderr.startswith("aval: AVAL_DATABASE_URL: must be given where AVAL_WORK_")
    assert list(tmp_path.iterdir()) == []
