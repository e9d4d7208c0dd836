"""A service that is told to stop answers what its lanes have taken, and what waits there."""

import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from app.store.checker import check_ledger
from tests.erp import Erp
from tests.gates import gate_of
from tests.server import NO_TLS
from tests.test_serve import PATIENCE_S, await_refusal, free_port, get, serve
from tests.waits import wait_for

ASKED = 12


def test_orders_in_the_lanes_are_answered_after_the_signal(
    tmp_path: Path, database_url: str, admin_token: str
) -> None:
    """Some are being decided, others wait behind them; each answer is true of the ledger."""
    headers = {"Authorization": f"Bearer {admin_token}"}
    ops = free_port()
    given = {
        "AVAL_DATABASE_URL": database_url,
        "AVAL_OPS_PORT": str(ops),
        "AVAL_LANES": "1",
        "AVAL_LANE_BATCH": "2",
    }
    with (
        gate_of(database_url) as gate,
        serve(tmp_path, **given) as service,
        httpx2.Client(
            base_url=service.url, headers=headers, timeout=60, trust_env=False, verify=NO_TLS
        ) as client,
        ThreadPoolExecutor(ASKED) as pool,
    ):
        erp = Erp(client)
        erp.customer("C-1", "1000.00")
        gate.close()
        asking = [pool.submit(erp.ask, f"SO-{number}", "10.00") for number in range(ASKED)]
        gate.wait()
        wait_for(lambda: came(ops) == ASKED)
        service.process.send_signal(signal.SIGTERM)
        await_refusal(int(service.url.rpartition(":")[2]))
        time.sleep(0.5)  # longer than a server needs that waits for nobody
        assert service.process.poll() is None
        assert not any(one.done() for one in asking)
        gate.open()
        told = [one.result(PATIENCE_S) for one in asking]
        assert service.process.wait(PATIENCE_S) == 0
        assert "Traceback" not in service.said()
    assert [one["outcome"] for one in told] == ["APPROVE"] * ASKED
    report = check_ledger(database_url)
    assert report.clean, report.difference


def came(ops: int) -> float:
    """Count the orders that lanes have taken or let wait, by the service's own metrics."""
    page = get(f"http://127.0.0.1:{ops}/metrics").text
    found = re.findall(
        r"^aval_(?:lane_queue|batch_size_sum)(?:{[^}]*})? (\S+)$", page, re.MULTILINE
    )
    return sum(map(float, found))
