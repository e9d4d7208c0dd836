"""Idempotency keys of a batch: it claims them as it begins, and learns what is known of others.

Keys are taken to be new until one is met that was claimed before: to look a key up before it is
written costs a fifth more. Its batch is read a second time then, and batches after it look.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.domain.errors import BusyError
from app.store.arrays import blobs, rows_of, texts
from app.store.lane_rows import Claim, Known
from app.store.packing import unpack
from app.store.wire import Rows, Statement
from app.telemetry import LANE_KEYS

_CLAIM: Final = f"""
INSERT INTO request_key (client, key, hash, decision_id)
SELECT client, key, hash, decision_id::uuid
FROM {rows_of("client clients, key keys, hash hashes, decision_id decisions")}
ORDER BY client COLLATE "C", key COLLATE "C"
"""  # noqa: S608 - put together from our own constants

_LOOK: Final = f"""{_CLAIM}ON CONFLICT DO NOTHING
RETURNING client, key
"""

_KNOWN: Final = """
SELECT k.client, k.key, k.hash, d.status, d.record
FROM unnest(%(clients)s, %(keys)s) AS n(client, key)
JOIN request_key k ON k.client = n.client AND k.key = n.key
LEFT JOIN decision d ON d.decision_id = k.decision_id
"""

_FORGET: Final = """
DELETE FROM request_key k USING unnest(%(clients)s, %(keys)s) AS n(client, key)
WHERE k.client = n.client AND k.key = n.key
"""

_LOOKS: Final = 64
"""How many batches of a lane look their keys up, from one on that met a key from before.

Who repeats much, as after an outage, would else have nearly every batch read twice.
"""

_TRUSTED, _LOOKED, _TAKEN = map(LANE_KEYS.labels, ("trusted", "looked", "taken"))


@dataclass(slots=True)
class Claims:
    """How a lane claims keys at present."""

    looks: int = 0

    @property
    def trusting(self) -> bool:
        """Whether keys are taken to be new; then claiming fails where one is not."""
        return self.looks == 0

    def statement(self, claims: Sequence[Claim]) -> Statement:
        """Write the statement that claims keys; unless it is `trusting`, it gives the new ones."""
        (_TRUSTED if self.trusting else _LOOKED).inc()
        columns = {
            "clients": texts([claim.client for claim in claims]),
            "keys": texts([claim.key for claim in claims]),
            "hashes": blobs([claim.hash for claim in claims]),
            "decisions": texts([claim.decision_id for claim in claims]),
        }
        return (_CLAIM if self.trusting else _LOOK), columns

    def taken(self) -> None:
        """Note that a key was there: the next batches look."""
        _TAKEN.inc()
        self.looks = _LOOKS

    def left(self, claims: Sequence[Claim], claimed: Rows) -> list[Claim]:
        """Name those that were there before; `claimed` is what the statement gave."""
        if self.trusting:
            return []
        self.looks -= 1
        fresh = set(claimed)
        return [claim for claim in claims if (claim.client, claim.key) not in fresh]


def ask_known(claims: Sequence[Claim]) -> Statement:
    """Write the statement that reads what is known of keys."""
    return _KNOWN, _pairs([(claim.client, claim.key) for claim in claims])


def known(claims: Sequence[Claim], rows: Rows) -> dict[Any, Known]:
    """Read what is known of keys, by (client, key).

    Raises:
        BusyError: One of them is there no longer.

    """
    if len(rows) != len(claims):
        raise BusyError("a key is being cleared away; try again")
    return {
        (row.client, row.key): Known(
            row.hash, row.status or 0, unpack(row.record)[1] if row.record else b""
        )
        for row in rows
    }


def forget(pairs: Sequence[tuple[str, str]]) -> Statement:
    """Write the statement that frees keys, (client, key) each."""
    return _FORGET, _pairs(pairs)


def _pairs(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "clients": texts([client for client, _ in pairs]),
        "keys": texts([key for _, key in pairs]),
    }
