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
from schemathesis.config import SchemathesisConfig

from app.main import create_app
from app.settings import Settings
from app.store.database import Database
from app.telemetry import set_up_log
from app.usecases.keys import CreateKey
from tests.conftest import Server
from tests.server import Clock, ServiceThread

IN_ALL: Final = 2_000
"""Requests over all operations; every operation gets its share."""

SEED: Final = 20261124

HOLD, AUTHORIZATION, DECISION, LIMIT = (str(uuid.UUID(int=number)) for number in range(1, 5))
"""Stand for ids that the service draws itself: replaced by real ones just before sending."""

KNOWN: Final = {
    "customers": ["C-1001", "C-1002", "G-1"],
    "segments": ["main", "EU"],
    "orders": ["SO-1", "SO-2", "SO-3", "SO-9"],
    "holds": [HOLD],
    "authorizations": [AUTHORIZATION],
    "decisions": [DECISION],
    "limits": [LIMIT],
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
            # GET …/{authorization_id} takes this path too, so `Allow` names more than this template.
            "include-name": "POST /v1/authorizations/release",
            "checks": {"allow_header_conformance": {"enabled": False}},
        }
    ],
    "dictionaries": {name: {"values": values} for name, values in KNOWN.items()},
    "parameters": {
        where: {"dictionary": name, "probability": 0.7}
        for name, places in {
            "customers": ["path.customer_id", "query.customer_id", "body.customer_id", "body.into"],
            "segments": ["path.segment", "query.segment", "body.segment"],
            "orders": ["query.order_id", "body.order_id", "body.order.id"],
            "holds": ["path.order_hold_id"],
            "authorizations": ["path.authorization_id"],
            "decisions": ["path.decision_id"],
            "limits": ["path.limit_id"],
        }.items()
        for where in places
    },
}


def load_schema() -> Any:  # noqa: ANN401 - schemathesis' class is not public
    """Read the document of the application as it is; nothing is connected to."""
    app = create_app(Settings(state_dir=Path("nowhere")), "postgresql://nobody@127.0.0.1/nowhere")
    return schemathesis.openapi.from_dict(
        app.openapi(), config=SchemathesisConfig.from_dict(CONFIG)
    )


SCHEMA: Final = load_schema()
OPERATIONS: Final = sum(1 for _ in SCHEMA.get_all_operations())


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
    with httpx2.Client(base_url=url, headers=headers, trust_env=False) as client:

        def send(method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
            key = {"Idempotency-Key": f"{method} {path} {body}"}
            answer = client.request(method, path, json=body, headers=key)
            assert answer.is_success, answer.text
            told: dict[str, Any] = answer.json()
            return told

        def money(amount: str) -> dict[str, str]:
            return {"amount": amount, "currency": "CNY"}

        send("PUT", "/v1/segments/EU", {"name": "Europe", "currency": "EUR"})
        send("PUT", "/v1/customers/G-1", {"name": "Group"})
        for customer in ("C-1001", "C-1002"):
            send("PUT", f"/v1/customers/{customer}", {"name": customer, "parent_id": "G-1"})
            body = {"kind": "base", "limit": money("1000.00"), "valid_from": "2026-01-01"}
            limit = send("POST", f"/v1/customers/{customer}/limits", {**body, "reason": "fuzz"})
        rate = {"base": "EUR", "quote": "CNY", "rate": "8.1", "rate_date": "2026-06-15"}
        send("POST", "/v1/fx-rates", {**rate, "source": "fuzz"})
        asks = {
            order: send(
                "POST",
                "/v1/authorizations",
                {
                    "customer_id": "C-1001",
                    "check_point": "ORDER",
                    "order": {"id": order, "version": 1},
                    "amount": money(amount),
                },
            )
            for order, amount in {"SO-1": "400.00", "SO-2": "500.00", "SO-3": "900.00"}.items()
        }
    return {
        HOLD: asks["SO-3"]["order_hold_id"],
        AUTHORIZATION: asks["SO-1"]["authorization_id"],
        DECISION: asks["SO-2"]["decision_id"],
        LIMIT: limit["limit_id"],
    }


@SCHEMA.parametrize()
@settings(
    max_examples=-(-IN_ALL // OPERATIONS),
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_documented(case: schemathesis.Case[Any], target: Target) -> None:
    fit(case, target.ids)
    response = case.call_and_validate(
        base_url=target.url, headers={"Authorization": f"Bearer {target.token}"}
    )
    target.statuses[response.status_code] += 1


def fit(case: schemathesis.Case[Any], ids: dict[str, str]) -> None:
    """Put real ids in, and a tag where the generator's first draw misses the header's pattern."""
    places = case.path_parameters or {}
    for name, value in places.items():
        places[name] = ids.get(str(value), value)
    right = case.meta is not None and case.meta.generation.mode.is_positive
    if right and case.headers and case.headers.get("If-Match") == "0":
        case.headers["If-Match"] = '"1"'  # patterns with quotes are beyond its coverage phase
