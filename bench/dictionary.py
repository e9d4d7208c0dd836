"""The dictionary that decisions are packed against: `python -m bench.dictionary FILE` trains one.

A service of its own decides about orders of many kinds: of customers with and without limits,
groups, scores and overdue invoices, in several currencies, segments and modes. Half of what it
stored makes the dictionary; the other half says what it is worth. What is in use is never trained
again: a better one is a new file under a new number (see `app/store/packing.py`).
"""

import sys
import tempfile
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from time import process_time
from typing import Any, Final
from uuid import UUID

import psycopg
import zstandard

from app.store.packing import pack, unpack
from bench.databases import Side, embedded
from bench.seeds import Call

BYTES: Final = 12_288
LEVEL: Final = 3
_CUSTOMERS: Final = 300
_ORDERS: Final = 8_000
_SEED: Final = 20261126
_POINTS: Final = ("ORDER", "ORDER", "ORDER", "DELIVERY", "GOODS_ISSUE", "INVOICE")
_ROUND: Final = 5


def main() -> int:
    """Train a dictionary into the file that is named; print what it is worth."""
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="aval-bench-") as name, embedded(Path(name)) as side:
        _decide(side)
        with psycopg.connect(side.url) as connection:
            rows = connection.execute("SELECT record FROM decision ORDER BY decision_id").fetchall()
    samples = [b"\n".join(unpack(bytes(row[0]))) for row in rows]
    Random(_SEED).shuffle(samples)
    half = len(samples) // 2
    chosen = _usual(samples[:half])
    trained = zstandard.train_dictionary(BYTES, chosen).as_bytes()
    out.write_bytes(trained)
    print(f"{len(chosen):,} decisions trained {len(trained):,} bytes: {out}")
    print(f"all others, {worth(trained, samples[half:])}")
    return 0


def _usual(samples: list[bytes]) -> list[bytes | bytearray | memoryview]:
    """Keep as many of all others as there are plain approvals, which most decisions are."""
    plain = [one for one in samples if b'"outcome":"APPROVE"' in one and b'"reasons":[]' in one]
    known = set(plain)
    others = [one for one in samples if one not in known]
    return [*plain, *others[: len(plain)]]


def worth(dictionary: bytes, samples: list[bytes]) -> str:
    """Say how well, and how fast, a dictionary packs samples it was not made of."""
    trained = zstandard.ZstdCompressionDict(dictionary)
    trained.precompute_compress(level=LEVEL)
    compress = zstandard.ZstdCompressor(level=LEVEL, dict_data=trained).compress
    halves = [sample.split(b"\n") for sample in samples]
    began = process_time()
    new = sum(len(compress(sample)) for sample in samples)
    taken, again = process_time() - began, process_time()
    old = sum(len(pack(*parts)) for parts in halves)
    spent, count = process_time() - again, len(samples)
    return (
        f"of {sum(map(len, samples)) / count:.0f} bytes: {new / count:.0f} in"
        f" {taken / count * 1e6:.1f} µs; as packed now {old / count:.0f} in"
        f" {spent / count * 1e6:.1f} µs"
    )


def _decide(side: Side) -> None:
    """Make a small company, and ask about its orders."""
    draw = Random(_SEED)
    with closing(HTTPConnection("127.0.0.1", side.service.port)) as wire:
        call = Call(wire, side.token)
        _segments(call)
        customers = [_customer(call, draw, number) for number in range(_CUSTOMERS)]
        for turn in range(_ORDERS // 500):
            items = [_item(draw, customers, 500 * turn + number) for number in range(500)]
            call("POST", "/v1/authorizations/batch", {"items": items})
            for item in items[:25]:
                del item["idempotency_key"]
                call("POST", "/v1/limit-checks", item)


def _segments(call: Call) -> None:
    modes = {"main": ("ENFORCE", "CNY"), "apac": ("WARN", "USD"), "emea": ("ENFORCE", "EUR")}
    for segment, (mode, currency) in modes.items():
        fields = {"name": segment, "currency": currency, "time_zone": "Asia/Shanghai"}
        call("PUT", f"/v1/segments/{segment}", {**fields, "mode": mode})
    for base, rate in (("USD", "7.1234"), ("EUR", "7.8612")):
        told = {"base": base, "quote": "CNY", "rate": rate, "source": "PBOC"}
        call("POST", "/v1/fx-rates", {**told, "rate_date": datetime.now(UTC).date().isoformat()})
    call("PUT", "/v1/customers/G-1", {"name": "G"})
    call("POST", "/v1/customers/G-1/limits", _limit("main", "CNY", 90_000_000))


def _customer(call: Call, draw: Random, number: int) -> tuple[str, str, str]:
    """Make one; returns its id, its segment and its currency."""
    segment, currency = draw.choice((("main", "CNY"),) * 6 + (("apac", "USD"), ("emea", "EUR")))
    name = draw.choice((f"C-{1000 + number}", f"{number:010}", f"CUST_{number}", _uuid(draw)))
    parent = {"parent_id": "G-1"} if segment == "main" and number % _ROUND == 0 else {}
    call("PUT", f"/v1/customers/{name}", {"name": name, "payment_terms_days": 60, **parent})
    if draw.random() < 0.9:  # noqa: PLR2004 - one of ten has no limit
        sized = draw.choice((5_000, 250_000, 5_000_000, 50_000_000))
        call("POST", f"/v1/customers/{name}/limits", _limit(segment, currency, sized))
    if events := _history(draw, name, segment, currency):
        call("POST", "/v1/ledger-events", {"events": events})
        call("POST", f"/v1/customers/{name}/score", {})
    return name, segment, currency


def _limit(segment: str, currency: str, amount: int) -> dict[str, Any]:
    limit = {"amount": f"{amount}.00", "currency": currency}
    return {"kind": "base", "limit": limit, "segment": segment, "reason": "bench"}


def _history(draw: Random, name: str, segment: str, currency: str) -> list[dict[str, Any]]:
    """Bill some; a few are overdue."""
    events = []
    for number in range(draw.randrange(_ROUND)):
        issued = date.today() - timedelta(days=draw.randrange(75))  # noqa: DTZ011 - any will do
        events.append(
            {
                "source": "bench",
                "event_id": f"invoice-{name}-{number}",
                "type": "invoice",
                "customer_id": name,
                "segment": segment,
                "occurred_at": datetime.now(UTC).isoformat(),
                "invoice_id": f"INV-{name[:12]}-{number}",
                "version": 1,
                "amount": {"amount": _amount(draw), "currency": currency},
                "issue_date": issued.isoformat(),
                "due_date": (issued + timedelta(days=30)).isoformat(),
            }
        )
    return events


def _item(draw: Random, customers: list[tuple[str, str, str]], number: int) -> dict[str, Any]:
    name, segment, currency = draw.choice(customers)
    style = draw.choice((f"SO-2026-{number:06}", f"45{number:08}", f"SO-{number}", _uuid(draw)))
    order: dict[str, Any] = {"id": style}
    item: dict[str, Any] = {
        "idempotency_key": f"{style}-{number}",
        "customer_id": name,
        "segment": segment,
        "check_point": draw.choice(_POINTS),
        "order": order,
        "amount": {"amount": _amount(draw), "currency": currency},
    }
    if draw.random() < 0.5:  # noqa: PLR2004 - half name a version
        order["version"] = draw.randrange(9)
    if draw.random() < 0.2:  # noqa: PLR2004 - some say more
        item |= {"delivery_id": f"DN-{number}", "payment_terms_days": draw.choice((30, 45, 60))}
    return item


def _amount(draw: Random) -> str:
    return f"{draw.choice((1, 10, 100, 1000)) * draw.randrange(10, 100)}.{draw.randrange(100):02}"


def _uuid(draw: Random) -> str:
    return str(UUID(int=draw.getrandbits(128)))


if __name__ == "__main__":
    sys.exit(main())
