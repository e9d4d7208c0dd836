"""Open invoices of accounts, summed."""

from collections.abc import Collection
from datetime import date

from sqlalchemy import any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from app.store.database import Tx
from app.store.schema.documents import invoice


def overdue(
    tx: Tx, account_ids: Collection[int], today: date
) -> tuple[dict[str, int], date | None]:
    """Sum what was due before `today` and is still owed, by currency, in its minor units.

    Returns the sums and the oldest due date among them.
    """
    query = (
        select(invoice.c.currency, func.sum(invoice.c.open_minor), func.min(invoice.c.due_date))
        .where(
            invoice.c.account_id == any_(literal(sorted(account_ids), ARRAY(BigInteger))),
            invoice.c.open_minor > 0,
            invoice.c.due_date < today,
        )
        .group_by(invoice.c.currency)
    )
    rows = tx.execute(query).all()
    return {row[0]: int(row[1]) for row in rows}, min((row[2] for row in rows), default=None)
