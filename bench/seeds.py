"""Many customers from one: a pattern is made through the API, then multiplied in SQL.

What the service wrote for the pattern is copied row by row with other ids, so that every counter
agrees with its documents and `aval check-ledger` finds all exact.
"""

import json
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection
from typing import Any, Final

import psycopg
from psycopg import sql

from bench.databases import Side

LIMIT_MINOR: Final = 10**15
MEMBERS: Final = 100
"""How many customers draw on the limit of the group `G`, where nothing else is said."""

_LIMIT: Final = {
    "kind": "base",
    "limit": {"amount": f"{LIMIT_MINOR // 100}.00", "currency": "CNY"},
    "valid_from": "2020-01-01",
    "reason": "bench",
}
_HUNDRED: Final = {"amount": "100.00", "currency": "CNY"}
_PATTERN: Final = "pattern"

_NAMED: Final = "replace({column}, 'pattern', 'B-' || n)"
_ACCOUNT: Final = "{account} + 1 + n"
_TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "ledger_event": {  # first: nothing that is measured reads it, and the cache is for the others
        "event_id": _NAMED,
        "payload": f"{_NAMED.replace('{column}', '{column}::text')}::json",
    },
    "customer": {"customer_id": _NAMED, "name": _NAMED},
    "customer_ref": {"ref": _NAMED, "customer_id": _NAMED},
    "account": {"account_id": _ACCOUNT, "customer_id": _NAMED, "path": f"ARRAY[{_ACCOUNT}]"},
    "account_input": {"account_id": _ACCOUNT},
    "credit_limit": {"limit_id": "md5(limit_id::text || n)::uuid", "account_id": _ACCOUNT},
    "journal": {
        "account_id": _ACCOUNT,
        "ref": f"CASE kind WHEN 'LIMIT' THEN md5(ref || n)::uuid::text ELSE {_NAMED} END",
    },
    "score": {"score_id": "{score} + 1 + n", "customer_id": _NAMED},
    "customer_score": {
        "customer_id": _NAMED,
        "score_id": "{score} + 1 + n",
        "seen": "jsonb_build_object(({account} + 1 + n)::text, seen -> {own}::text)",
    },
    "invoice": {"invoice_id": _NAMED, "account_id": _ACCOUNT},
    "payment": {"payment_id": _NAMED, "account_id": _ACCOUNT},
    "allocation": {"payment_id": _NAMED, "invoice_id": _NAMED},
}
"""By table: what is written instead of the pattern's own values, for the copy number `n`."""


@dataclass(frozen=True, slots=True)
class Size:
    """So many customers `B-…`, with so many open and paid invoices each.

    From 3 paid ones on a customer has a score, else the class N.
    """

    customers: int
    open_items: int = 1
    paid_items: int = 4
    members: int = MEMBERS


def seed(side: Side, size: Size) -> None:
    """Fill an empty service: customers `B-…`, and a group `G` with members `G-…`.

    Raises:
        RuntimeError: The service refused something.

    """
    with closing(HTTPConnection("127.0.0.1", side.service.port)) as wire:
        call = Call(wire, side.token)
        call("PUT", f"/v1/customers/{_PATTERN}", {"name": _PATTERN})
        call("POST", f"/v1/customers/{_PATTERN}/limits", _LIMIT)
        events = _history(size, datetime.now(UTC).date())
        if events:
            call("POST", "/v1/ledger-events", {"events": events})
        call("POST", f"/v1/customers/{_PATTERN}/score", {})
        call("PUT", "/v1/customers/G", {"name": "G"})
        call("POST", "/v1/customers/G/limits", _LIMIT)
        for number in range(size.members):
            name = f"G-{number}"
            call("PUT", f"/v1/customers/{name}", {"name": name, "parent_id": "G"})
            free = {"kind": "base", "unlimited": True, "valid_from": "2020-01-01"}
            call("POST", f"/v1/customers/{name}/limits", {**free, "reason": "bench"})
    with psycopg.connect(side.url, autocommit=True) as connection:
        with suppress(psycopg.errors.InsufficientPrivilege):
            # copies refer to copies as the pattern's rows did: a third of the time is looking it up
            connection.execute("SET session_replication_role = replica")
        multiply(connection, size.customers)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _history(size: Size, today: date) -> list[dict[str, Any]]:
    """Tell of paid invoices, a day late or not, and of open ones that are not due yet."""
    events = []
    for number in range(size.paid_items + size.open_items):
        paid = number < size.paid_items
        issued = today - timedelta(days=40 * (number + 2)) if paid else today
        name = f"{_PATTERN}-{number}"
        due = issued + timedelta(days=30)
        dates = {"issue_date": issued.isoformat(), "due_date": due.isoformat()}
        events.append(_event("invoice", name, dates))
        if paid:
            settled = {
                "paid_date": (due + timedelta(days=number % 2)).isoformat(),
                "allocations": [{"invoice_id": name, "amount": _HUNDRED}],
            }
            events.append(_event("payment", name, settled))
    return events


def _event(kind: str, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": "bench",
        "event_id": f"{name}-{kind}",
        "type": kind,
        "customer_id": _PATTERN,
        "segment": "main",
        "occurred_at": datetime.now(UTC).isoformat(),
        f"{kind}_id": name,
        "version": 1,
        "amount": _HUNDRED,
        **fields,
    }


@dataclass(slots=True)
class Call:
    """A client that counts its idempotency keys."""

    wire: HTTPConnection
    token: str
    keys: int = 0

    def __call__(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        """Insist on success.

        Raises:
            RuntimeError: The service refused.

        """
        self.keys += 1
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"seed-{self.keys}",
        }
        self.wire.request(method, path, json.dumps(body), headers)
        answer = self.wire.getresponse()
        said = answer.read()
        if answer.status >= 300 or b'"quarantined"' in said:  # noqa: PLR2004 - what HTTP calls good
            message = f"{method} {path}: {answer.status} {said[:300].decode(errors='replace')}"
            raise RuntimeError(message)


def multiply(connection: psycopg.Connection[Any], customers: int) -> None:
    """Copy everything of the pattern as `B-0`, `B-1`, …, table by table.

    The service goes on meanwhile and scores customers anew: ids are set aside first, and all is
    copied from one snapshot.
    """
    for table, name in (("account", "account_id"), ("score", "score_id")):
        connection.execute(_SET_ASIDE, {"table": table, "name": name, "customers": customers})
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        rows = connection.execute(_IDS, {"customers": customers}).fetchone()
        pattern, account, score = rows or (0, 0, 0)
        ids = {"own": pattern, "account": account, "score": score}
        for table, given in _TABLES.items():
            columns = connection.execute(_COLUMNS, (table,)).fetchall()
            chosen = {name: given.get(name, "{column}") for (name,) in columns}
            connection.execute(_copy(table, chosen, ids), {**ids, "customers": customers})


_SET_ASIDE: Final = """
SELECT setval(seq, nextval(seq) + %(customers)s)
FROM (SELECT pg_get_serial_sequence(%(table)s, %(name)s)::regclass AS seq) AS s
"""

_IDS: Final = """
SELECT (SELECT account_id FROM account WHERE customer_id = 'pattern'),
    currval(pg_get_serial_sequence('account', 'account_id')) - %(customers)s - 1,
    currval(pg_get_serial_sequence('score', 'score_id')) - %(customers)s - 1
"""
"""Below the ids that were set aside: copy n of the pattern is account `account + 1 + n`."""

_COLUMNS: Final = """
SELECT attname FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


def _copy(table: str, chosen: Mapping[str, str], ids: Mapping[str, int]) -> sql.Composed:
    """Write the statement that copies the pattern's rows of a table, in the order of the copies."""
    values = [
        text.format(column=sql.Identifier("t", name).as_string(), **ids)
        for name, text in chosen.items()
    ]
    mine = "t.account_id = %(own)s" if "account_id" in chosen else "t.{key} LIKE 'pattern%%'"
    if table == "score":  # of several the one that counts
        mine += " AND t.score_id = (SELECT score_id FROM customer_score WHERE {key} = 'pattern')"
    key = next((name for name in ("customer_id", "payment_id") if name in chosen), "event_id")
    return sql.SQL(
        "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {values}"
        " FROM generate_series(0, %(customers)s - 1) AS n,"
        " (SELECT * FROM {table} AS t WHERE {mine}) AS t ORDER BY n"
    ).format(
        table=sql.Identifier(table),
        columns=sql.SQL(", ").join(map(sql.Identifier, chosen)),
        values=sql.SQL(", ").join(map(sql.SQL, values)),
        mine=sql.SQL(mine).format(key=sql.Identifier(key)),
    )
