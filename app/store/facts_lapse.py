"""PROVISIONAL payments whose time is over: find them, and let them count nothing any more."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from app.store.database import Tx
from app.store.orders import EVERYBODY, Whose
from app.store.schema.documents import LAPSING

_DUE: Final = text(f"""
SELECT segment_id, payment_id, account_id, currency, prepayment_minor FROM payment
WHERE {LAPSING} AND expires_at <= :at AND account_id <> ALL(CAST(:but AS bigint[]))
    AND account_id = coalesce(CAST(:only AS bigint), account_id)
ORDER BY expires_at LIMIT :most
""")  # noqa: S608 - a constant
_DUE_ON: Final = text(f"""
SELECT p.segment_id, p.payment_id, p.account_id, p.currency, p.prepayment_minor
FROM payment p JOIN account a ON a.account_id = p.account_id
WHERE p.{LAPSING} AND p.expires_at <= :at AND p.prepayment_minor > 0
    AND a.path && CAST(:on AS bigint[])
ORDER BY p.expires_at LIMIT :most
""")  # noqa: S608 - a constant
_ANNOUNCED: Final = text("""
SELECT payment_id FROM payment
WHERE account_id = :account AND currency = :currency
    AND status = 'PROVISIONAL' AND amount_minor > :counts * prepayment_minor
UNION ALL
SELECT p.payment_id
FROM invoice v
JOIN allocation x ON x.segment_id = v.segment_id AND x.invoice_id = v.invoice_id
JOIN payment p ON p.segment_id = x.segment_id AND p.payment_id = x.payment_id
WHERE v.account_id = :account AND v.open_minor > 0 AND p.currency = :currency
    AND p.status = 'PROVISIONAL' AND p.amount_minor > :counts * p.prepayment_minor
LIMIT 1
""")
_LAPSE: Final = text(f"""
WITH due AS (
    SELECT p.segment_id, p.payment_id, p.prepayment_minor
    FROM unnest(CAST(:segments AS text[]), CAST(:ids AS text[])) AS n(segment_id, payment_id)
    JOIN payment p ON p.segment_id = n.segment_id AND p.payment_id = n.payment_id
    WHERE {LAPSING} AND p.expires_at <= :at AND p.account_id = ANY(:accounts)
    ORDER BY p.segment_id, p.payment_id FOR UPDATE OF p SKIP LOCKED
)
UPDATE payment p SET prepayment_minor = 0, lapsed_at = :at
FROM due
WHERE p.segment_id = due.segment_id AND p.payment_id = due.payment_id
RETURNING p.segment_id, p.payment_id, p.account_id, p.currency, due.prepayment_minor
""")  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True, order=True)
class Lapsing:
    """A payment, and what it counts as prepayment in minor units of its currency."""

    segment_id: str
    payment_id: str
    account_id: int
    currency: str
    prepayment: int


def due(
    tx: Tx,
    at: datetime,
    most: int,
    on: Collection[int] | None = None,
    whose: Whose = EVERYBODY,
) -> list[Lapsing]:
    """List payments that have expired at a moment or before it, the oldest first, unlocked.

    `on`: only what counts on one of these accounts, whether its payer's own or a group's, and then
    whoever paid.
    """
    values: dict[str, object] = {"at": at, "most": most}
    if on is None:
        values |= {"only": whose.only, "but": list(whose.but)}
        return [Lapsing(*row) for row in tx.execute(_DUE, values)]
    return [Lapsing(*row) for row in tx.execute(_DUE_ON, values | {"on": sorted(on)})]


def announced(tx: Tx, account_id: int, currency: str, *, in_part: bool) -> str | None:
    """Name a payment that is PROVISIONAL, lapsed or not; `in_part`: one that counts not in full.

    It is the account's own, or is to settle one of its open invoices.
    """
    values = {"account": account_id, "currency": currency, "counts": int(in_part)}
    found: str | None = tx.execute(_ANNOUNCED, values).scalar()
    return found


def lapse(
    tx: Tx, found: Collection[Lapsing], locked: Collection[int], at: datetime
) -> list[Lapsing]:
    """Let payments lapse that still are to, of accounts that are `locked`; returns those, by id.

    What they counted is to be taken from their accounts in the same transaction.
    """
    values = {
        "segments": [one.segment_id for one in found],
        "ids": [one.payment_id for one in found],
        "accounts": sorted(locked),
        "at": at,
    }
    return sorted(Lapsing(*row) for row in tx.execute(_LAPSE, values))
