"""Accounts as members of groups: made along a customer's chain, and moved with it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from app.domain.customers import AccountTerms, CurrencySource
from app.domain.scores_refresh import Urgency
from app.domain.segments import Segment
from app.store.database import Tx
from app.store.schema.parties import account

_CREATE = text("""
WITH n AS (SELECT nextval(pg_get_serial_sequence('account', 'account_id')) AS id),
made AS (
    INSERT INTO account (
        account_id, customer_id, segment_id, path, currency, status, input_version)
    OVERRIDING SYSTEM VALUE
    SELECT n.id, :customer_id, :segment_id, ARRAY[n.id] || CAST(:above AS bigint[]), :currency,
        CASE WHEN EXISTS (
            SELECT FROM order_hold h
            WHERE h.customer_id = :customer_id AND h.kind = 'STOP' AND h.status = 'OPEN'
                AND (h.segment_id IS NULL OR h.segment_id = :segment_id)
        ) THEN 'STOPPED' ELSE 'OPEN' END, 1
    FROM n
    ON CONFLICT (customer_id, segment_id) DO NOTHING
    RETURNING account_id
), due AS (
    INSERT INTO score_due (customer_id, rank, since)
    SELECT :customer_id, :adverse, now() FROM made
    WHERE EXISTS (SELECT FROM account a WHERE a.customer_id = :customer_id)
)
INSERT INTO account_input (account_id, version, data)
SELECT made.account_id, 1, (
    SELECT jsonb_build_object('active', active, 'kind', kind, 'country', country,
        'industry', industry, 'since', since)
    FROM customer WHERE customer_id = :customer_id
) || jsonb_build_object(
    'payment_terms_days', NULL,
    'score', (
        SELECT i.data -> 'score' FROM account a
        JOIN account_input i ON i.account_id = a.account_id AND i.version = a.input_version
        WHERE a.customer_id = :customer_id AND jsonb_typeof(i.data -> 'score') = 'object'
        ORDER BY a.account_id LIMIT 1)
) || coalesce((
    SELECT jsonb_build_object('signals', i.data -> 'signals') FROM account a
    JOIN account_input i ON i.account_id = a.account_id AND i.version = a.input_version
    WHERE a.customer_id = :customer_id AND jsonb_typeof(i.data -> 'signals') = 'object'
    ORDER BY i.data -> 'signals' ->> 'checked_on' DESC, a.account_id LIMIT 1), '{}'::jsonb)
FROM made
""").bindparams(bindparam("above", type_=ARRAY(BigInteger)))


def create(tx: Tx, customer_id: str, segment: Segment, above: Sequence[int]) -> None:
    """Make an account in a segment under the accounts `above` unless there is one.

    It starts in the segment's currency, with the customer's master data, score and signals, and
    stopped where the customer is. The customer's chain is locked by the caller.

    Whoever scores the customer meanwhile does not see it, so that the score it starts with may be
    the one before: where other accounts have one, the customer's score is due with it.
    """
    tx.execute(
        _CREATE,
        {
            "customer_id": customer_id,
            "segment_id": segment.segment_id,
            "above": list(above),
            "currency": segment.currency,
            "adverse": Urgency.ADVERSE.value,
        },
    )


_TERMS = (
    account.c.account_id,
    account.c.customer_id,
    account.c.segment_id,
    account.c.currency,
    account.c.currency_source,
    account.c.payment_terms_days,
    account.c.owner,
    account.c.status,
)


def terms(tx: Tx, customer_ids: Collection[str]) -> list[AccountTerms]:
    """Read what master data says of all accounts of customers, by customer and segment."""
    query = (
        select(*_TERMS)
        .where(account.c.customer_id.in_(sorted(customer_ids)))
        .order_by(account.c.customer_id, account.c.segment_id)
    )
    return [AccountTerms(**row) for row in tx.execute(query).mappings()]


def term(tx: Tx, account_id: int) -> AccountTerms:
    """Read what master data says of one account; read it under the account's lock to change it."""
    query = select(*_TERMS).where(account.c.account_id == account_id)
    return AccountTerms(**tx.execute(query).mappings().one())


def set_terms(tx: Tx, account_id: int, payment_terms_days: int | None, owner: str | None) -> None:
    """Replace the terms of an account that was locked in this transaction."""
    statement = update(account).where(account.c.account_id == account_id)
    tx.execute(statement.values(payment_terms_days=payment_terms_days, owner=owner))


def set_currency_source(tx: Tx, account_ids: Collection[int], source: CurrencySource) -> None:
    """Say where the currency of accounts comes from; they were locked in this transaction."""
    statement = update(account).where(account.c.account_id.in_(sorted(account_ids)))
    tx.execute(statement.values(currency_source=source))


def in_segment_currency(tx: Tx, segment_id: str) -> list[int]:
    """List the accounts of a segment that have its currency because they have none of their own."""
    query = select(account.c.account_id).where(
        account.c.segment_id == segment_id, account.c.currency_source == "SEGMENT"
    )
    return list(tx.execute(query.order_by(account.c.account_id)).scalars())


_FAMILY = text("""
WITH RECURSIVE below AS (
    SELECT customer_id, 0 AS step FROM customer WHERE customer_id = :id
    UNION ALL
    SELECT c.customer_id, b.step + 1
    FROM below b JOIN customer c ON c.parent_id = b.customer_id WHERE b.step < 32
)
SELECT a.account_id, a.segment_id, a.path
FROM below b JOIN customer_ref r ON r.customer_id = b.customer_id
JOIN account a ON a.customer_id = r.ref
ORDER BY a.account_id
""")


def family(tx: Tx, customer_id: str) -> dict[int, tuple[str, tuple[int, ...]]]:
    """List the accounts of a customer and its members: id to segment and path.

    Accounts of records that were merged into one of them are among these.
    """
    rows = tx.execute(_FAMILY, {"id": customer_id})
    return {row.account_id: (row.segment_id, tuple(row.path)) for row in rows}


_PATHS = text("""
UPDATE account a SET path = ARRAY(SELECT jsonb_array_elements_text(n.path)::bigint)
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n(account_id bigint, path jsonb)
WHERE a.account_id = n.account_id
""")


def set_paths(tx: Tx, paths: Mapping[int, Sequence[int]]) -> None:
    """Replace the paths of accounts that were locked in this transaction."""
    rows: list[dict[str, Any]] = [
        {"account_id": key, "path": list(path)} for key, path in paths.items()
    ]
    if rows:
        tx.execute(_PATHS, {"rows": orjson.dumps(rows).decode()})
