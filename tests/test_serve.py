"""`aval` as a user runs it: real processes, real signals, one line for what goes wrong."""

import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psycopg
import pytest

from app.cli.answer_pages import use_large_pages
from app.cli.commands import COLUMNS, spread_options
from app.cli.failures import explain
from app.cli.service import MOST_FILES
from app.domain.errors import BusyError, FieldError, SchemaOldError
from app.store.embedded import start_embedded
from app.store.migrate import migrate
from app.store.revision import head_revision
from tests.conftest import Here
from tests.server import NO_TLS
from tests.states import put_state
from tests.waits import wait_for

AVAL = Path(sys.executable).with_name("aval")
PATIENCE_S = 150.0
TOKEN = re.compile(r"aval_[A-Za-z0-9_-]{43}")


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        return int(sock.getsockname()[1])


def environment(**given: str) -> dict[str, str]:
    """Take nothing of the shell's own settings over."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AVAL_")}
    return {**ours, "AVAL_OPS_PORT": str(free_port()), **given}


def get(url: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    """Ask over HTTP; a service that has just begun may take its time on a busy machine."""
    return httpx2.get(url, headers=headers, timeout=30, trust_env=False, verify=NO_TLS)


def aval(*arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [AVAL, *arguments],
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@dataclass(slots=True)
class Service:
    """A running `aval serve`; `url` is where it says it listens."""

    process: subprocess.Popen[bytes]
    output: Path
    url: str = ""

    def wait(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while not (found := re.search(r"listening on (\S+)", self.said())):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(0.02)
        self.url = found[1]

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@contextmanager
def serve(folder: Path, *arguments: str, **given: str) -> Iterator[Service]:
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [AVAL, "serve", "--port", "0", *arguments],
            env=environment(**given),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        service = Service(process, output)
        service.wait()
        yield service
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)


@contextmanager
def few_files() -> Iterator[int]:
    """Let what is started here have as few open files as a shell does; gives how many it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    try:
        yield MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def files_allowed(pid: int) -> int:
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]


def test_the_embedded_service_from_first_start_to_second(tmp_path: Path, here: Here) -> None:
    state, ops = tmp_path / "a state", free_port()
    own = {"AVAL_STATE_DIR": str(state), "AVAL_OPS_PORT": str(ops)}
    with few_files() as files, serve(tmp_path, **own) as service:
        assert files_allowed(service.process.pid) == files_allowed(work_pid(service)) == files
        place = state / "api-key"
        token = place.read_text(encoding="ascii").strip()
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        assert str(place) in service.said()
        assert not TOKEN.search(service.said())
        headers = {"Authorization": f"Bearer {token}"}
        ready = get(f"{service.url}/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
        assert "server" not in ready.headers
        asked = get(f"{service.url}/v1/customers", headers)
        assert asked.json()["items"] == []
        metrics = get(f"http://127.0.0.1:{ops}/metrics")
        assert 'aval_requests_total{method="GET",route="/readyz",status="200"} 1.0' in metrics.text
        assert 'aval_processes{type="api"} 1.0' in metrics.text
        assert "aval_work_runs_total" in work_shown(ops)
        assert niceness(work_pid(service)) > niceness(service.process.pid)
        wait_for(lambda: "growth_written" in service.said())  # a thread of its own sees to it
        written = re.search(r'"done":(\w+),"why":"(.*)","event":"growth_written"', service.said())
        assert written
        assert written.groups() in {("true", ""), ("false", "Permission denied")}
        given = use_large_pages()  # to this process, so they are to be had here
        assert not given or large_pages(service.process.pid)
        session = Path(f"/proc/{work_pid(service)}/autogroup")
        assert not session.exists() or session.read_text(encoding="ascii").endswith(" nice 10\n")
        beside = here("key list", AVAL_STATE_DIR=str(state))
        assert beside.stdout.startswith("admin\tworks\tadmin\tevery segment\t")
        second = aval("serve", "--port", "0", AVAL_STATE_DIR=str(state))
        assert (second.returncode, second.stdout) == (1, "")
        assert re.fullmatch(r"aval: a service already runs on .*\(process \d+\)\n", second.stderr)
        assert service.end(signal.SIGTERM) == 0
    with serve(tmp_path, AVAL_STATE_DIR=str(state)) as service:
        assert place.read_text(encoding="ascii").strip() == token
        again = get(f"{service.url}/v1/customers", headers)
        assert again.status_code == 200
        assert service.end(signal.SIGINT) == 0
    assert not (state / "pg" / "postmaster.pid").exists()


def work_pid(service: Service) -> int:
    """Wait until background work has begun."""
    until = time.monotonic() + PATIENCE_S
    while not (found := re.search(r'"child":"aval work","pid":(\d+)', service.said())):
        assert time.monotonic() < until, service.said()
        time.sleep(0.02)
    return int(found[1])


def niceness(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def large_pages(pid: int) -> int:
    """Read how much of a process's memory lies in large pages, in KiB; 0 where nobody tells."""
    place = Path(f"/proc/{pid}/smaps_rollup")
    found = re.search(r"AnonHugePages: +(\d+)", place.read_text() if place.exists() else "")
    return int(found[1]) if found else 0


def work_shown(ops: int) -> str:
    """Wait until the figures of background work are shown beside the service's own."""
    until = time.monotonic() + PATIENCE_S
    while "aval_work_runs_total" not in (page := get(f"http://127.0.0.1:{ops}/metrics").text):
        assert time.monotonic() < until, page
        time.sleep(0.1)
    return page


def test_what_is_in_flight_is_answered_after_the_signal(
    tmp_path: Path, database_url: str, admin_token: str
) -> None:
    body = b'{"customer_id": "C-1", "check_point": "ORDER"}'
    with serve(tmp_path, AVAL_DATABASE_URL=database_url) as service:
        port = int(service.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as sock:
            begin_to_ask(sock, admin_token, body)
            service.process.send_signal(signal.SIGTERM)
            await_refusal(port)
            assert service.process.poll() is None
            sock.sendall(body[10:])
            assert sock.recv(20).startswith(b"HTTP/1.1 422")
        assert service.process.wait(PATIENCE_S) == 0
        assert "Traceback" not in service.said()


def begin_to_ask(sock: socket.socket, token: str, body: bytes) -> None:
    """Send a question but for the end of its body; returns once the service waits for that."""
    head = (
        "POST /v1/limit-checks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    sock.sendall(head.encode())
    go_on, heard = b"HTTP/1.1 100 Continue\r\n\r\n", b""
    while len(heard) < len(go_on) and (more := sock.recv(len(go_on) - len(heard))):
        heard += more
    assert heard == go_on
    sock.sendall(body[:10])


def await_refusal(port: int) -> None:
    """Wait until nobody is let in any more."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            return
        assert time.monotonic() < until
        time.sleep(0.02)


def test_an_old_schema_is_refused_until_it_is_migrated(
    tmp_path: Path, empty_database_url: str, here: Here
) -> None:
    migrate(empty_database_url, "20261124_0300")
    given = {"AVAL_DATABASE_URL": empty_database_url, "AVAL_OPS_PORT": str(free_port())}
    refused = here("serve --port 0", **given)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "20261124_0300" in refused.stderr
    assert "aval migrate" in refused.stderr
    both = [
        subprocess.Popen([AVAL, "migrate"], env=environment(AVAL_DATABASE_URL=empty_database_url))
        for _ in range(2)
    ]
    assert [one.wait(PATIENCE_S) for one in both] == [0, 0]
    with serve(tmp_path, AVAL_DATABASE_URL=empty_database_url) as service:
        assert get(f"{service.url}/readyz").status_code == 200


@pytest.mark.parametrize("which", ["api", "operations"])
def test_a_taken_port_is_one_line_and_no_database_is_started(
    tmp_path: Path, which: str, here: Here
) -> None:
    state = tmp_path / "state"
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        api, ops = (port, str(free_port())) if which == "api" else ("0", port)
        refused = here(f"serve --port {api}", AVAL_STATE_DIR=str(state), AVAL_OPS_PORT=ops)
    assert refused.returncode == 1
    assert f":{port}" in refused.stderr
    assert "in use" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not state.exists()


UNREACHABLE = "postgresql://aval:s3cret@127.0.0.1:1/aval"


@pytest.mark.parametrize(
    ("arguments", "given", "code", "told"),
    [
        pytest.param("", {}, 2, "Missing command", id="nothing"),
        pytest.param("serv", {}, 2, "No such command 'serv'", id="unknown-command"),
        pytest.param("serve --prot 1", {}, 2, "No such option: --prot", id="unknown-option"),
        pytest.param("serve --port 70000", {}, 2, "--port", id="port-out-of-range"),
        pytest.param("serve --workers 0", {}, 2, "--workers", id="no-worker"),
        pytest.param("serve --workers 33", {}, 2, "--workers", id="too-many-workers"),
        pytest.param("serve --host nohost.invalid", {}, 1, "nohost.invalid", id="no-such-host"),
        pytest.param("migrate", {"LANE": "1"}, 2, "did you mean AVAL_LANES", id="misspelt-setting"),
        pytest.param("migrate", {"DATABASE_URL": "mysql://x"}, 2, "postgresql://", id="mysql"),
        pytest.param(
            "migrate", {"DATABASE_URL": "postgresql://h:x/y"}, 2, "must be an address", id="address"
        ),
        pytest.param(
            "key list", {"DATABASE_URL": "postgresql://[::1/y"}, 2, "must be", id="bracket"
        ),
        pytest.param("migrate", {"DATABASE_URL": UNREACHABLE}, 1, "refused", id="unreachable"),
        pytest.param("key list", {"DATABASE_URL": UNREACHABLE}, 1, "refused", id="unreachable-key"),
        pytest.param("migrate", {"STATE_DIR": "/dev/null/x"}, 1, "/dev/null", id="state-dir"),
        pytest.param("key create --name n", {}, 2, "--scope", id="no-scope"),
    ],
)
def test_what_goes_wrong_is_one_line(
    arguments: str, given: dict[str, str], code: int, told: str, here: Here
) -> None:
    ended = here(arguments, **{f"AVAL_{name}": value for name, value in given.items()})
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.count("\n") == 1
    assert told in ended.stderr
    assert "s3cret" not in ended.stderr


@pytest.mark.parametrize(
    ("database", "told"),
    [
        pytest.param("nothing_here", 'database "nothing_here" does not exist', id="database"),
        pytest.param(None, "none (empty)", id="no-schema"),
    ],
)
def test_a_wrong_database_is_one_line(
    database: str | None, told: str, empty_database_url: str, here: Here
) -> None:
    name = re.search(r"aval_test_\w+", empty_database_url)
    assert name is not None
    url = empty_database_url.replace(name[0], database or name[0])
    ended = here("key list", AVAL_DATABASE_URL=url)
    assert ended.returncode == 1
    assert told in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_keys_from_the_terminal(database_url: str, here: Here) -> None:
    given = {"AVAL_DATABASE_URL": database_url}
    made = "key create --name erp --scope score:read check:write"
    assert here(f"{made} --segment nowhere", **given).returncode == 2
    token = here(made, **given).stdout
    assert TOKEN.fullmatch(token.strip())
    told = here("key list", **given).stdout
    assert told.startswith("erp\tworks\tcheck:write,score:read\tevery segment\tmade 20")
    assert token.strip() not in told
    assert "1 key of erp" in here("key revoke erp", **given).stderr
    assert here("key revoke erp", **given).returncode == 2
    misspelt = here("key create --name x --scope chek:write", **given)
    assert misspelt.returncode == 2
    assert "did you mean check:write" in misspelt.stderr


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        pytest.param("key create --scope a b", "key create --scope a --scope b", id="two"),
        pytest.param(
            "key create --scope a b --segment s t --name n",
            "key create --scope a --scope b --segment s --segment t --name n",
            id="both",
        ),
        pytest.param("key create --scope a --scope b", "key create --scope a --scope b", id="own"),
        pytest.param("key create --scope=a b", "key create --scope=a b", id="with-equals"),
        pytest.param("key revoke a b", "key revoke a b", id="other-command"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_several_scopes_may_follow_one_option(given: str, meant: str) -> None:
    assert spread_options(given.split()) == meant.split()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(BusyError("x"), 1, id="busy"),
        pytest.param(SchemaOldError("x"), 1, id="schema"),
        pytest.param(FieldError("x", "f"), 2, id="field"),
        pytest.param(FileNotFoundError(2, "No such file", "f"), 1, id="file"),
    ],
)
def test_exit_codes(error: Exception, code: int) -> None:
    assert explain(error)[0] == code


def test_a_command_shares_a_running_database(tmp_path: Path, ready_state: Path, here: Here) -> None:
    put_state(ready_state, tmp_path)
    with start_embedded(tmp_path, options={"fsync": "off"}):
        ended = here("key list", AVAL_STATE_DIR=str(tmp_path))
    assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_ends_when_its_database_has_ended(
    tmp_path: Path, ready_state: Path, workers: str
) -> None:
    """Else it would answer 503 for good; whoever started it starts it again."""
    state = tmp_path / "state"
    put_state(ready_state, state)
    with serve(tmp_path, "--workers", workers, AVAL_STATE_DIR=str(state)) as service:
        told = (state / "pg" / "postmaster.pid").read_text(encoding="utf-8")
        os.kill(int(told.split()[0]), signal.SIGKILL)
        assert service.process.wait(PATIENCE_S) == 1
    line = f"aval: the embedded PostgreSQL ended (signal 9), and so does the service: {state}"
    assert service.said().splitlines()[-1].startswith(line)


def test_a_schema_of_a_later_program_is_one_line(
    tmp_path: Path, ready_state: Path, here: Here
) -> None:
    put_state(ready_state, tmp_path)
    with start_embedded(tmp_path) as embedded, psycopg.connect(embedded.url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'later'")
        connection.execute("UPDATE schema_terms SET programs_since = 'later'")
    ended = here("key list", AVAL_STATE_DIR=str(tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert "programs that know later" in ended.stderr
    assert head_revision() in ended.stderr


def test_help_lists_every_command(here: Here) -> None:
    told = here("--help").stdout
    assert [name for name in COLUMNS if f"\n  {name} " not in told] == []


def test_a_service_does_not_carry_what_it_does_not_need() -> None:
    """Not in this process, where other tests import them."""
    needless = {"polars", "openpyxl", "lightgbm", "sklearn", "optbinning", "matplotlib"}
    needless |= {"typer", "rich", "pygments", "pydantic.v1", "cryptography", "obstore"}
    look = (
        "import sys, app.cli.main, app.cli.service, app.cli.child, app.cli.child_answer,"
        " app.cli.working; print({name for name in sys.modules if sys.modules[name]}"
        f" & {needless})"
    )
    said = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert said.stdout == "set()\n"


def test_training_from_the_terminal_reads_no_frames_itself() -> None:
    """What needs them is a process of its own."""
    heavy = {"polars", "openpyxl", "lightgbm", "sklearn", "optbinning", "matplotlib"}
    look = f"import sys, app.cli.train; print({heavy} & {{*sys.modules}})"
    said = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert said.stdout == "set()\n"
