"""Idempotency keys: who claimed which, with what question, and the answer it got."""

from dataclasses import dataclass

from sqlalchemy import text

from app.store.database import Tx
from app.store.packing import unpack


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What a key was used for: the question's hash, and the answer byte for byte."""

    digest: bytes
    status: int
    body: bytes


_CLAIM = text(
    "INSERT INTO request_key (client, key, hash) VALUES (:client, :key, :hash)"
    " ON CONFLICT DO NOTHING"
)

# Rows that a lane wrote name a decision, which has the answer. `::text` of `json` is what was sent.
_FIND = text(
    "SELECT k.hash, coalesce(k.status, d.status) AS status, k.answer::text AS answer, d.record"
    " FROM request_key AS k LEFT JOIN decision AS d ON d.decision_id = k.decision_id"
    " WHERE k.client = :client AND k.key = :key"
)

_KEEP = text(
    "UPDATE request_key SET status = :status, answer = CAST(:answer AS json)"
    " WHERE client = :client AND key = :key"
)


def claim(tx: Tx, client: str, key: str, digest: bytes) -> bool:
    """Take a key for this transaction; false if somebody had it.

    Waits for a twin that claimed it and has not ended: if it commits, the key is taken, if it
    fails, the key is ours.
    """
    taken = tx.execute(_CLAIM, {"client": client, "key": key, "hash": digest})
    return taken.rowcount == 1


def find(tx: Tx, client: str, key: str) -> StoredAnswer | None:
    """Read what a key was used for; None if nobody used it."""
    row = tx.execute(_FIND, {"client": client, "key": key}).one_or_none()
    if row is None:
        return None
    packed = row.answer is None and row.record is not None
    body = unpack(row.record)[1] if packed else (row.answer or "").encode()
    return StoredAnswer(bytes(row.hash), row.status, body)


def keep(tx: Tx, client: str, key: str, answer: tuple[int, bytes]) -> None:
    """Store status and body of the answer that a claimed key got; an empty body is no JSON."""
    status, body = answer
    tx.execute(
        _KEEP,
        {"client": client, "key": key, "status": status, "answer": body.decode() or None},
    )
