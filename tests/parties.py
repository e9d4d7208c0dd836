"""Customers with accounts and limits, put straight into a test's database."""

import uuid
from datetime import date

from sqlalchemy import insert, select, update

from app.store.database import Database
from app.store.schema.parties import account, account_input, credit_limit, customer, customer_ref

FIRST_DAY = date(2020, 1, 1)
CURRENCY = "CNY"


def add_customer(
    database: Database,
    customer_id: str,
    limit_minor: int | None = None,
    *,
    parent: str | None = None,
    unlimited: bool = False,
) -> int:
    """Add an active customer with an account of CNY in `main`; returns the account's id.

    `limit_minor` None and not `unlimited`: no limit at all. `parent` is there already.
    """
    with database.begin() as tx:
        tx.execute(
            insert(customer).values(customer_id=customer_id, name=customer_id, parent_id=parent)
        )
        tx.execute(insert(customer_ref).values(ref=customer_id, customer_id=customer_id))
        above: list[int] = []
        if parent is not None:
            query = select(account.c.path).where(account.c.customer_id == parent)
            above = list(tx.execute(query).scalar_one())
        added = tx.execute(
            insert(account)
            .values(
                customer_id=customer_id,
                segment_id="main",
                path=[],
                currency=CURRENCY,
                limit_minor=limit_minor,
                unlimited=unlimited,
                input_version=1,
            )
            .returning(account.c.account_id)
        )
        account_id = int(added.scalar_one())
        tx.execute(
            update(account)
            .where(account.c.account_id == account_id)
            .values(path=[account_id, *above])
        )
        data = {"active": True, "payment_terms_days": None, "score": None}
        tx.execute(insert(account_input).values(account_id=account_id, version=1, data=data))
        if limit_minor is not None or unlimited:
            tx.execute(insert(credit_limit).values(_limit(account_id, limit_minor, unlimited)))
    return account_id


def _limit(account_id: int, limit_minor: int | None, unlimited: bool) -> dict[str, object]:
    return {
        "limit_id": str(uuid.uuid4()),
        "account_id": account_id,
        "kind": "base",
        "limit_minor": limit_minor,
        "currency": CURRENCY,
        "unlimited": unlimited,
        "valid_from": FIRST_DAY,
        "status": "APPROVED",
        "proposed_by": "tests",
    }
