"""What waits and what drifts is told anew, whoever changed it, and from the first pass on."""

from prometheus_client import REGISTRY

from app.store.database import Database
from app.telemetry import QUARANTINE_SIZE
from app.telemetry.snapshots import (
    SNAPSHOT_DRIFT_ACCOUNTS,
    SNAPSHOT_DRIFT_AMOUNT,
    SNAPSHOT_TIMESTAMP,
)
from app.usecases.facts_tally import TallyFacts
from tests.domain.facts_cases import invoice
from tests.server import Clock
from tests.usecases.facts_ledger import Ledger
from tests.usecases.figures_town import Nightly


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_a_process_that_saw_nothing_of_it_tells_what_is_there(
    database: Database, clock: Clock
) -> None:
    ledger = Ledger.found(database, clock)
    night = Nightly(ledger.town)
    ledger.apply(invoice(customer_id="dora"), invoice("J", customer_id="emil"))
    night.compare(night.told("anna", "OPEN_ITEM", 7))
    QUARANTINE_SIZE.set(0)  # as in a process that has just been started
    SNAPSHOT_DRIFT_ACCOUNTS.labels("OPEN_ITEM").set(0)
    SNAPSHOT_DRIFT_AMOUNT.labels("CNY").set(0)
    SNAPSHOT_TIMESTAMP.set(0)
    assert TallyFacts(database)().after is None
    assert value("aval_quarantine_size") == 2
    assert value("aval_snapshot_drift_accounts", category="OPEN_ITEM") == 1
    assert value("aval_snapshot_drift_amount", currency="CNY") == 0.07
    assert value("aval_snapshot_timestamp_seconds") == clock().timestamp()
    night.compare(night.told("anna", "OPEN_ITEM", 0))
    ledger.town.put("dora")
    ledger.town.facts.requeue("customer:dora")
    QUARANTINE_SIZE.set(2)  # as in a process that did not let it go
    TallyFacts(database)()
    assert value("aval_quarantine_size") == 1
    assert value("aval_snapshot_drift_accounts", category="OPEN_ITEM") == 0
