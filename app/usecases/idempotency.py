"""One effect a key: a repeated question gets the stored answer, byte for byte."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256

import orjson

from app.domain.callers import Caller
from app.domain.errors import BusyError, KeyReusedError
from app.store import requests
from app.store.database import Tx
from app.usecases.asks import Answer


def fingerprint(method: str, route: str, path: Mapping[str, str], body: object) -> bytes:
    """Hash a question: `route` is the template, `path` its parameters, `body` validated JSON.

    `body` holds the fields that were sent, not the defaults, so that a new optional field does not
    change what an old question hashes to.
    """
    told = orjson.dumps([method, route, dict(path), body], option=orjson.OPT_SORT_KEYS)
    return sha256(told).digest()


def once(tx: Tx, caller: Caller, key: str, digest: bytes, act: Callable[[], Answer]) -> Answer:
    """Act unless the client's key was used before; `digest` is the question's `fingerprint`.

    Claim, effect and stored answer share `tx`: a refusal that `act` raises takes the claim back.

    Raises:
        KeyReusedError: The key was used with another question.
        BusyError: A twin of this question is still being answered.

    """
    if requests.claim(tx, caller.client, key, digest):
        answer = act()
        requests.keep(tx, caller.client, key, (answer.status, answer.body))
        return replace(answer, replayed=False)
    known = requests.find(tx, caller.client, key)
    if known is None:  # it was purged between the two statements
        raise BusyError("the key is being cleared away; try again")
    if known.digest != digest:
        raise KeyReusedError("this Idempotency-Key was used with another request")
    return Answer(known.status, known.body, replayed=True)
