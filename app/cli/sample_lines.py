"""Three lines to paste into a terminal; whom they name is found by asking the service itself."""

import http.client
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

_LOOKED_AT: Final = 100
_SMALL: Final = "1000.00"
_CURRENCY: Final = "CNY"
_TIMEOUT_S: Final = 20.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Service:
    """The running service, as a client sees it; `place` is the file with the key."""

    url: str
    token: str
    place: Path

    def ask(self, method: str, path: str, body: Json | None = None) -> Json | None:
        """Return the answer; None for a refusal."""
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(
            where.hostname or "", where.port, timeout=_TIMEOUT_S
        )
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
        }
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            told = answer.read()
        except http.client.HTTPException:
            return None
        finally:
            connection.close()
        found: Json | None = json.loads(told) if answer.status < http.client.BAD_REQUEST else None
        return found

    def curl(self, path: str, body: Json, *headers: str) -> str:
        """Write a request as a line for a shell."""
        key = f'-H "Authorization: Bearer $(cat {shlex.quote(str(self.place))})"'
        others = " ".join(f"-H '{one}'" for one in ("Content-Type: application/json", *headers))
        return f"curl -sS {self.url}{path} {key} {others} -d {shlex.quote(json.dumps(body))}"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A small order, and what a limit check says to it."""

    body: Json
    told: Json

    @property
    def key(self) -> str:
        """The header; a key of the order's own, so that another day's lines never clash."""
        return f"Idempotency-Key: {self.body['order']['id']}"

    @property
    def codes(self) -> str:
        return ", ".join(reason["code"] for reason in self.told["reasons"])

    @property
    def ways(self) -> list[str]:
        return [str(step["en"]) for step in self.told["unblock"]]

    @property
    def approved(self) -> bool:
        return bool(self.told["outcome"] == "APPROVE")

    @property
    def payable(self) -> bool:
        return any(step["action"] == "PAY" for step in self.told["unblock"])


def lines_to_try(url: str, token: str, place: Path) -> Iterator[str]:
    """Yield a check that approves, an authorization, and one that is held with what would help.

    Raises:
        OSError: The service does not answer.

    """
    service = _Service(url, token, place)
    passing: _Asked | None = None
    held: _Asked | None = None
    for asked in _ask_all(service):
        passing = passing or (asked if asked.approved else None)
        held = held or (asked if asked.payable else None)
        if passing and held:
            break
    if passing:
        yield "\na limit check, which approves and changes nothing:"
        yield "  " + service.curl("/v1/limit-checks", passing.body)
        yield "an authorization, which reserves; the same key again gets the same answer:"
        yield "  " + service.curl("/v1/authorizations", passing.body, passing.key)
    if held:
        yield f"an authorization that is held ({held.codes}):"
        yield "  " + service.curl("/v1/authorizations", held.body, held.key)
        yield "what would unblock it:"
        yield from (f"  - {way}" for way in held.ways)


def _ask_all(service: _Service) -> Iterator[_Asked]:
    page = service.ask("GET", f"/v1/customers?limit={_LOOKED_AT}") or {}
    for customer in page.get("items", ()):
        if customer["currency"] == _CURRENCY:  # others would need a rate first
            body = {
                "customer_id": customer["customer_id"],
                "check_point": "ORDER",
                "order": {"id": f"TRY-{customer['customer_id']}"},
                "amount": {"amount": _SMALL, "currency": _CURRENCY},
            }
            told = service.ask("POST", "/v1/limit-checks", body)
            if told is not None:
                yield _Asked(body, told)
