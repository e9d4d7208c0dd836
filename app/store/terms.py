"""What terms are looked at with: classes of accounts, and interest on what is late."""

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import text

from app.domain.terms import DAYS_A_YEAR
from app.store.database import Tx
from app.store.inputs import SCORE

_CLASSES: Final = text(f"""
SELECT a.account_id, coalesce({SCORE} ->> 'risk_class', 'N') AS risk_class
FROM account a
LEFT JOIN account_input i ON i.account_id = a.account_id AND i.version = a.input_version
WHERE a.account_id = ANY(:ids)
""")  # noqa: S608 - a constant

_INTEREST: Final = text("""
SELECT currency, sum(floor(open_minor * (CAST(:today AS date) - due_date)
    * CAST(:percent AS numeric) / (100 * :year)))::bigint AS minor
FROM invoice
WHERE account_id = :account_id AND open_minor > 0 AND due_date < :today
GROUP BY currency ORDER BY currency
""")


def classes(tx: Tx, account_ids: Collection[int], at: datetime) -> dict[int, str]:
    """Read the risk class at a moment by account; N where it was never scored."""
    rows = tx.execute(_CLASSES, {"ids": sorted(account_ids), "at": at})
    return {row.account_id: row.risk_class for row in rows}


def late_interest(tx: Tx, account_id: int, percent: Decimal, today: date) -> dict[str, int]:
    """Sum simple interest on an account's own late invoices, each rounded down, by currency."""
    told = {"account_id": account_id, "percent": percent, "today": today, "year": DAYS_A_YEAR}
    return {row.currency: int(row.minor) for row in tx.execute(_INTEREST, told)}
