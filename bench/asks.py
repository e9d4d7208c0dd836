"""The requests that the load sends, written out byte for byte."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final

APPROVED: Final = b'"outcome":"APPROVE"'
"""Stands once in the answer to each order that was approved, here and in `bench.naive`."""

_WANTED: Final = {
    "echo": b'"customer_id":',
    "authorize": APPROVED,
    "check": APPROVED,
    "batch": APPROVED,
}


@dataclass(frozen=True, slots=True)
class Source:
    """An endless load: orders of 10.00 of customers, or reads of them.

    Customers are `<prefix>-0`, `<prefix>-1`, … below `customers`, drawn uniformly. `run` makes
    keys and orders unique, `form` is one of `FORMS`, `size` is of a batch.
    """

    form: str
    run: str
    customers: int
    token: str = ""
    prefix: str = "B"
    size: int = 1

    @property
    def wanted(self) -> bytes:
        """What a good answer holds once an item; empty: its status says it."""
        return _WANTED.get(self.form, b"")

    def requests(self, place: int) -> Iterator[bytes]:
        """Write the requests of one connection."""
        return FORMS[self.form](self, place)


def head(method: str, path: str, token: str) -> bytes:
    """Write the part of a request that never changes, without the empty line after it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join(lines).encode()


def request(start: bytes, key: str, body: bytes) -> bytes:
    """Complete a request with its idempotency key and JSON body."""
    return (
        b"%b\r\nContent-Type: application/json\r\nIdempotency-Key: %b\r\nContent-Length: %d"
        b"\r\n\r\n%b" % (start, key.encode(), len(body), body)
    )


def _order(customer: str, name: str) -> str:
    return (
        f'"customer_id":"{customer}","check_point":"ORDER","order":{{"id":"{name}"}}'
        ',"amount":{"amount":"10.00","currency":"CNY"}'
    )


def _orders(source: Source, place: int, path: str) -> Iterator[bytes]:
    draw = Random(f"{source.run} {place}").randrange
    start = head("POST", path, source.token)
    for number in count():
        name = f"{source.run}-{place}-{number}"
        body = f"{{{_order(f'{source.prefix}-{draw(source.customers)}', name)}}}"
        yield request(start, name, body.encode())


def _authorize(source: Source, place: int) -> Iterator[bytes]:
    return _orders(source, place, "/v1/authorizations")


def _check(source: Source, place: int) -> Iterator[bytes]:
    return _orders(source, place, "/v1/limit-checks")


def _batch(source: Source, place: int) -> Iterator[bytes]:
    draw = Random(f"{source.run} {place}").randrange
    start = head("POST", "/v1/authorizations/batch", source.token)
    for number in count():
        items = []
        for item in range(source.size):
            name = f"{source.run}-{place}-{number}-{item}"
            customer = f"{source.prefix}-{draw(source.customers)}"
            items.append(f'{{{_order(customer, name)},"idempotency_key":"{name}"}}')
        yield request(start, f"{place}-{number}", f'{{"items":[{",".join(items)}]}}'.encode())


def _reads(source: Source, place: int, what: str) -> Iterator[bytes]:
    draw = Random(f"{source.run} {place}").randrange
    while True:
        path = f"/v1/customers/{source.prefix}-{draw(source.customers)}/{what}"
        yield head("GET", path, source.token) + b"\r\n\r\n"


def _account(source: Source, place: int) -> Iterator[bytes]:
    return _reads(source, place, "account")


def _score(source: Source, place: int) -> Iterator[bytes]:
    return _reads(source, place, "score")


def _card(source: Source, place: int) -> Iterator[bytes]:
    return _reads(source, place, "card")


FORMS: Final[Mapping[str, Callable[[Source, int], Iterator[bytes]]]] = {
    "echo": _authorize,
    "authorize": _authorize,
    "check": _check,
    "batch": _batch,
    "account": _account,
    "score": _score,
    "card": _card,
}
