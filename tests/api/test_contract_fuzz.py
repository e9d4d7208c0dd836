"""The service against its own OpenAPI document: 2,000 made-up requests and what is said of them.

Every request is generated from the document, half of them meant to be wrong. Nothing may be
answered with a 5xx, nor with a status, a content type or a body that is not documented; what is
wrong must be refused, what is right taken, unknown methods are 405 and a missing token is 401.
"""

import io
import logging
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import schemathesis
import structlog
from hypothesis import HealthCheck, Phase, settings
from schemathesis import BaseSchema
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.schemas import APIOperation

from app.main import create_app
from app.settings import Settings
from app.store.database import Database
from app.telemetry import set_up_log
from app.usecases.keys import CreateKey
from tests.api.probe import make_app
from tests.conftest import Server
from tests.document import document_in_the_file
from tests.server import NO_TLS, Clock, ServiceThread

IN_ALL: Final = 2_000
"""The least number of requests over all operations."""

SHARE: Final = 18
"""Requests drawn for each operation; at night every field's bounds are tried one by one too."""

SEED: Final = 20261124

AUTHORIZATION, DECISION, LIMIT, *HOLDS = (str(uuid.UUID(int=number)) for number in range(1, 7))
"""Stand for ids that the service draws itself: replaced by real ones just before sending."""

KNOWN: Final = {
    "customers": ["C-1001", "C-1002", "G-1"],
    "spare": ["C-7", "C-8", "C-9"],
    "segments": ["main", "EU"],
    "orders": ["SO-1", "SO-2", "SO-3", "SO-9"],
    "holds": HOLDS,
    "authorizations": [AUTHORIZATION],
    "decisions": [DECISION],
    "limits": [LIMIT],
    "amounts": ["1", "125", "10.00", "0.05"],
    "currencies": ["CNY", "EUR", "JPY", "BHD"],
    "rates": ["8.1", "0.05", "1"],
    "days": ["2026-06-14", "2026-06-15", "2026-12-31"],
}
"""Values that mean something to the service, drawn often; the generator finds its own besides."""

PLACES: Final = {
    "customers": ["path.customer_id", "query.customer_id", "body.customer_id"],
    "segments": ["path.segment", "query.segment", "body.segment"],
    "orders": ["query.order_id", "body.order_id", "body.order.id"],
    "holds": ["path.order_hold_id"],
    "authorizations": ["path.authorization_id"],
    "decisions": ["path.decision_id"],
    "limits": ["path.limit_id"],
    "amounts": ["body.amount.amount", "body.limit.amount", "body.max_amount.amount"],
    "currencies": ["body.amount.currency", "body.limit.currency", "body.base", "body.quote"],
    "rates": ["body.rate"],
    "days": ["body.rate_date", "body.valid_from", "body.valid_to"],
}


def drawn(places: dict[str, list[str]]) -> dict[str, Any]:
    """Say which parameters draw from which of `KNOWN`."""
    return {
        where: {"dictionary": name, "probability": 0.7}
        for name, wheres in places.items()
        for where in wheres
    }


CONFIG: Final[dict[str, Any]] = {
    "seed": SEED,
    "checks": {
        # 404: an id that names nothing. 409 and 412: what has moved on meanwhile. 422: what a
        # schema cannot say (digits by currency, an order of dates, a check digit, a key's reuse).
        "positive_data_acceptance": {"expected-statuses": ["2xx", 404, 409, 412, 422]},
    },
    # Headers are UTF-8 here; the generator would send what is beyond ASCII as Latin-1.
    "generation": {"exclude-header-characters": "".join(map(chr, range(0x7F, 0x100)))},
    "operations": [
        {
            # GET …/{authorization_id} takes this path too, so `Allow` names more than is asked.
            "include-name": "POST /v1/authorizations/release",
            "checks": {"allow_header_conformance": {"enabled": False}},
        },
        {
            # The same; and what is wrong with one item is answered in its place, within a 200.
            "include-name": "POST /v1/authorizations/batch",
            "checks": {
                "allow_header_conformance": {"enabled": False},
                "negative_data_rejection": {"enabled": False},
            },
        },
        {
            # Merged and stopped customers would leave nothing to grant to those that come later.
            "include-name": "POST /v1/customers/{customer_id}/merge",
            "parameters": drawn({"spare": ["path.customer_id", "body.into"]}),
        },
        {
            "include-name": "POST /v1/order-holds",
            "parameters": drawn({"spare": ["body.customer_id"]}),
        },
        {
            # Eight kinds of events have 2,500 bounds to try one by one: minutes. They are drawn.
            "include-name": "POST /v1/ledger-events",
            "phases": {"coverage": {"enabled": False}},
        },
        {
            # A thousand limits, each a transaction of its own, are no request of ten seconds.
            "include-name": "POST /v1/limits/bulk",
            "phases": {"coverage": {"enabled": False}},
        },
        {
            # A whole policy has as many; `tests/domain/test_rules_read.py` tries its columns.
            "include-name": "POST /v1/rule-sets",
            "phases": {"coverage": {"enabled": False}},
        },
        {
            # Who drafted and proposed may not approve: there is one client here.
            "include-name": "POST /v1/rule-sets/{version}/approve",
            "checks": {
                "positive_data_acceptance": {"expected-statuses": ["2xx", 403, 404, 409, 412, 422]},
            },
        },
        {
            "include-name": "POST /v1/rule-sets/lint",
            "phases": {"coverage": {"enabled": False}},
        },
        {
            # GET …/{version} takes this path too, and says that this is no version.
            "include-name": "POST /v1/rule-sets/follow-default",
            "checks": {"unsupported_method": {"enabled": False}},
        },
    ],
    "dictionaries": {name: {"values": values} for name, values in KNOWN.items()},
    "parameters": drawn(PLACES),
}


def load_schema(document: dict[str, Any], *, bounds: bool) -> BaseSchema:
    """Read the document of an application.

    `bounds`: also try every field's bounds one by one, which takes minutes.
    """
    phases = {} if bounds else {"phases": {"coverage": {"enabled": False}}}
    return schemathesis.openapi.from_dict(
        document, config=SchemathesisConfig.from_dict({**CONFIG, **phases})
    )


def operations_of(schema: BaseSchema) -> dict[str, Any]:
    """List what can be read, by name."""
    found = (one.ok() for one in schema.get_all_operations() if isinstance(one, Ok))
    return {one.label: one for one in found}


DOCUMENT: Final = document_in_the_file()
SCHEMA: Final = load_schema(DOCUMENT, bounds=False)
OPERATIONS: Final = operations_of(SCHEMA)
BOUNDS: Final = operations_of(load_schema(DOCUMENT, bounds=True))
DRAWN: Final = settings(
    max_examples=SHARE,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
Operation = APIOperation[Any, Any, Any, Any]


@dataclass
class Target:
    """Where requests go, as whom, and the ids that stand for those of `KNOWN`."""

    url: str
    token: str
    ids: dict[str, str]
    statuses: Counter[int]


@contextmanager
def quiet() -> Iterator[io.StringIO]:
    """Log as in production: a bug's traceback, drawn with all variables, would take seconds."""
    before = logging.getLogger().handlers, logging.getLogger().level
    stream = io.StringIO()
    set_up_log("error", "json", stream)
    yield stream
    logging.getLogger().handlers, level = before
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def target(server: Server) -> Iterator[Target]:
    name = f"aval_fuzz_{uuid.uuid4().hex}"
    with ExitStack() as undo:
        undo.enter_context(quiet())
        undo.callback(server.drop, name)
        url = server.create(name, server.template)
        folder = Path("nowhere")
        service = undo.enter_context(
            ServiceThread(create_app(Settings(state_dir=folder), url, Clock()))
        )
        database = undo.enter_context(closing(Database(url)))
        token = CreateKey(database, Clock())("fuzz", ["admin"])
        yield Target(service.url, token, fill(service.url, token), Counter())


def fill(url: str, token: str) -> dict[str, str]:
    """Put customers, limits, orders and facts in, so that requests have something to meet."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(
        base_url=url, headers=headers, timeout=20, trust_env=False, verify=NO_TLS
    ) as client:

        def send(method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
            key = {"Idempotency-Key": f"{method} {path} {body}"}
            answer = client.request(method, path, json=body, headers=key)
            assert answer.is_success, answer.text
            told: dict[str, Any] = answer.json()
            return told

        def money(amount: str) -> dict[str, str]:
            return {"amount": amount, "currency": "CNY"}

        def ask(order: str, amount: str) -> dict[str, Any]:
            told = {"customer_id": "C-1001", "check_point": "ORDER", "order": {"id": order}}
            return send("POST", "/v1/authorizations", {**told, "amount": money(amount)})

        send("PUT", "/v1/segments/EU", {"name": "Europe", "currency": "EUR"})
        for customer in ("G-1", *KNOWN["spare"]):
            send("PUT", f"/v1/customers/{customer}", {"name": customer})
        for customer in ("C-1001", "C-1002"):
            send("PUT", f"/v1/customers/{customer}", {"name": customer, "parent_id": "G-1"})
        body = {"kind": "base", "limit": money("1000.00"), "valid_from": "2026-01-01"}
        limit = send("POST", "/v1/customers/C-1001/limits", {**body, "reason": "fuzz"})
        rate = {"base": "EUR", "quote": "CNY", "rate": "8.1", "rate_date": "2026-06-15"}
        send("POST", "/v1/fx-rates", {**rate, "source": "fuzz"})
        first, second = ask("SO-1", "400.00"), ask("SO-2", "500.00")
        held = [ask(f"SO-{number}", "900.00") for number in (3, 4, 5)]
    return {
        AUTHORIZATION: first["authorization_id"],
        DECISION: second["decision_id"],
        LIMIT: limit["limit_id"],
        **{name: one["order_hold_id"] for name, one in zip(HOLDS, held, strict=True)},
    }


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_answer_is_as_documented(operation: Operation, target: Target) -> None:
    put_all(operation, target)


@pytest.mark.nightly
@pytest.mark.parametrize("operation", BOUNDS.values(), ids=BOUNDS)
def test_every_bound_is_as_documented(operation: Operation, target: Target) -> None:
    put_all(operation, target)


def test_a_bug_would_be_found() -> None:
    """The control: one operation of another application, which always fails."""
    app = make_app()
    document = schemathesis.openapi.from_dict(app.openapi())
    with quiet(), ServiceThread(app) as service, pytest.raises(FailureGroup, match="Server error"):
        put_all(document["/v1/bug"]["GET"], Target(service.url, "", {}, Counter()))


def put_all(operation: Operation, target: Target) -> None:
    """Ask every question made up for an operation.

    Schemathesis' own parametrisation is not used: it gives all operations one node id, of which
    xdist runs one.
    """

    def ask(case: schemathesis.Case[Any]) -> None:
        examine(case, target)

    build_operation_test(
        config=operation.schema.config,
        operation=operation,
        test_func=ask,
        given_kwargs={},
        feedback=NO_FEEDBACK,
        explicit_settings=DRAWN,
    )()


def examine(case: schemathesis.Case[Any], target: Target) -> None:
    """Send a request and apply all checks to its answer.

    Raises:
        FailureGroup: What is not as documented, with a line to send the request again.

    """
    fit(case, target)
    response = case.call_and_validate(
        base_url=target.url, headers={"Authorization": f"Bearer {target.token}"}
    )
    target.statuses[response.status_code] += 1


def test_every_operation_can_be_read() -> None:
    methods = [method for path in SCHEMA.raw_schema["paths"].values() for method in path]
    assert len(OPERATIONS) == len(methods)


def test_enough_was_asked_and_enough_was_granted(target: Target) -> None:
    """Counts what the test above asked; a run of refusals alone would say little."""
    asked = target.statuses.total()
    granted = sum(count for status, count in target.statuses.items() if status < 300)
    assert asked >= IN_ALL, target.statuses
    assert granted > asked / 10, target.statuses


def fit(case: schemathesis.Case[Any], target: Target) -> None:
    """Put real ids in; a right request gets a key of its own, or most would hear `key_reused`."""
    places = case.path_parameters or {}
    for name, value in places.items():
        places[name] = target.ids.get(str(value), value)
    headers = case.headers
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = f"{target.statuses.total()} {case.operation.label}"
    if headers.get("If-Match") == "0":
        headers["If-Match"] = '"1"'  # patterns with quotes are beyond the generator's first draw
