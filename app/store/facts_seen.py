"""What is held of invoices that a ledger file speaks of: read without a lock, by id."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import text

from app.store.database import Tx
from app.store.facts_queries import joined, split

# every part is a constant of this file; bills that bounced count as if they had never paid
_LOWERED: Final = text(f"""
SELECT a.invoice_id, 'payment ' || p.payment_id AS ref, p.currency
FROM allocation a
JOIN payment p ON p.segment_id = a.segment_id AND p.payment_id = a.payment_id
LEFT JOIN note n ON n.segment_id = p.segment_id AND n.note_id = p.note_id
WHERE a.segment_id = :segment AND a.invoice_id = ANY({split("invoices")})
  AND p.amount_minor > 0 AND p.status = 'FINAL' AND n.status IS DISTINCT FROM 'DISHONOURED'
UNION ALL
SELECT invoice_id, replace(kind, '_', ' ') || ' ' || credit_id, currency
FROM credit
WHERE segment_id = :segment AND invoice_id = ANY({split("invoices")}) AND amount_minor > 0
ORDER BY 1, 2
""")  # noqa: S608
_OWN: Final = text(
    "SELECT payment_id, version, amount_minor FROM payment"  # noqa: S608
    f" WHERE segment_id = :segment AND payment_id = ANY({split('payments')})"
)
_DISPUTED: Final = text(
    "SELECT invoice_id FROM dispute"  # noqa: S608
    f" WHERE segment_id = :segment AND invoice_id = ANY({split('invoices')}) AND open"
)


@dataclass(slots=True)
class Seen:
    """What is held of an invoice: the payment that a file implies, and what else lowers it.

    `own` is (version, amount in minor units) of that payment, None: it never came. `others` name
    a document each (`payment PAY-77`) by the currency it is in.
    """

    own: tuple[int, int] | None = None
    others: dict[str, str] = field(default_factory=dict)
    disputed: bool = False


def read_seen(tx: Tx, segment_id: str, payments: Mapping[str, str]) -> dict[str, Seen]:
    """Read it for invoices; `payments` names the payment that a file would imply for each."""
    wanted = {"segment": segment_id, "invoices": joined(payments)}
    found = {invoice_id: Seen() for invoice_id in payments}
    owners = {payment_id: invoice_id for invoice_id, payment_id in payments.items()}
    for invoice_id, ref, currency in tx.execute(_LOWERED, wanted):
        if ref != f"payment {payments[invoice_id]}":
            found[invoice_id].others.setdefault(currency, ref)
    by_id = {"segment": segment_id, "payments": joined(owners)}
    for payment_id, version, amount in tx.execute(_OWN, by_id):
        found[owners[payment_id]].own = (version, amount)
    for row in tx.execute(_DISPUTED, wanted):
        found[row.invoice_id].disputed = True
    return found
