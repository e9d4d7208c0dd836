"""Credit accounts: find, lock in id order, and write back with their journal entries."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import and_, any_, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from app.domain.accounts import Account, Entry, Use
from app.domain.accounts_json import foreign_from_json, foreign_to_json
from app.domain.errors import CustomerUnknownError
from app.store.copies import copy_in
from app.store.database import Tx
from app.store.schema.evidence import journal
from app.store.schema.parties import account, customer_ref


def from_row(row: Any) -> Account:  # noqa: ANN401 - a lane's row or SQLAlchemy's
    """Read a row of `account`."""
    # by position, in the order of the fields: by name costs twice as much
    return Account(
        row.account_id,
        row.customer_id,
        row.segment_id,
        tuple(row.path),
        row.currency,
        row.status,
        row.limit_minor,
        row.unlimited,
        row.limit_expired,
        row.limit_withheld,
        row.limit_changes_on,
        Use(
            row.authorized_minor,
            row.open_delivery_minor,
            row.open_item_minor,
            row.note_receivable_minor,
            row.prepayment_minor,
        ),
        foreign_from_json(row.foreign_use) if row.foreign_use else {},
        row.forced_minor,
        row.seq,
        row.input_version,
        row.quarantined,
    )


def to_row(held: Account) -> dict[str, Any]:
    """Write an account's balances and limit as columns of `account` and of `journal`."""
    return {
        "account_id": held.account_id,
        "seq": held.seq,
        "authorized_minor": held.use.authorized,
        "open_delivery_minor": held.use.open_delivery,
        "open_item_minor": held.use.open_item,
        "note_receivable_minor": held.use.note_receivable,
        "prepayment_minor": held.use.prepayment,
        "limit_minor": held.limit_minor,
        "unlimited": held.unlimited,
        "forced_minor": held.forced,
        "foreign_use": foreign_to_json(held.foreign),
    }


def customer_of(tx: Tx, ref: str) -> str:
    """Find the customer that an id or alias names.

    Raises:
        CustomerUnknownError: Nobody has this id.

    """
    found = tx.execute(
        select(customer_ref.c.customer_id).where(customer_ref.c.ref == ref)
    ).scalar_one_or_none()
    if found is None:
        raise CustomerUnknownError(f"no customer has the id {ref[:64]!r}", "customer_id")
    return str(found)


def find(tx: Tx, customer_id: str, segment_id: str) -> Account | None:
    """Read a customer's account in a segment without a lock; None where there is none yet."""
    row = tx.execute(
        select(account).where(
            and_(account.c.customer_id == customer_id, account.c.segment_id == segment_id)
        )
    ).one_or_none()
    return from_row(row) if row else None


def get_many(tx: Tx, ids: Collection[int]) -> dict[int, Account]:
    """Read accounts by id without a lock."""
    query = select(account).where(_among(ids))
    return {row.account_id: from_row(row) for row in tx.execute(query)}


def lock(tx: Tx, ids: Collection[int]) -> dict[int, Account]:
    """Read accounts and keep other decisions on them waiting until `tx` ends.

    The lock closes the gap between checking a limit and recording its use: two orders of 60
    against a headroom of 100 must not both be approved. Rows are locked in id order, whoever
    asks, so that no two transactions wait for each other.
    """
    query = (
        select(account)
        .where(_among(ids))
        .order_by(account.c.account_id)
        .with_for_update(key_share=True)
    )
    return {row.account_id: from_row(row) for row in tx.execute(query)}


def with_foreign(tx: Tx, after: int, most: int) -> list[Account]:
    """Read accounts that hold a position in another currency, by id, above `after`, unlocked."""
    query = (
        select(account)
        .where(account.c.foreign_use.is_not(None), account.c.account_id > after)
        .order_by(account.c.account_id)
        .limit(most)
    )
    return [from_row(row) for row in tx.execute(query)]


def lock_idle(tx: Tx, ids: Collection[int]) -> dict[int, Account]:
    """Lock those of accounts that nobody else works on at the moment; nobody is waited for."""
    query = (
        select(account)
        .where(_among(ids))
        .order_by(account.c.account_id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return {row.account_id: from_row(row) for row in tx.execute(query)}


def _among(ids: Collection[int]) -> Any:  # noqa: ANN401 - a column expression
    return account.c.account_id == any_(literal(sorted(ids), ARRAY(BigInteger)))


_WRITE = text("""
UPDATE account AS a SET
    seq = n.seq, authorized_minor = n.authorized_minor, open_delivery_minor = n.open_delivery_minor,
    open_item_minor = n.open_item_minor, note_receivable_minor = n.note_receivable_minor,
    prepayment_minor = n.prepayment_minor, limit_minor = n.limit_minor, unlimited = n.unlimited,
    limit_expired = n.limit_expired, limit_withheld = n.limit_withheld,
    limit_changes_on = n.limit_changes_on,
    forced_minor = n.forced_minor, foreign_use = n.foreign_use, currency = n.currency,
    path = ARRAY(SELECT jsonb_array_elements_text(n.path)::bigint)
FROM jsonb_to_recordset(:rows) AS n(
    account_id bigint, seq bigint, authorized_minor bigint, open_delivery_minor bigint,
    open_item_minor bigint, note_receivable_minor bigint, prepayment_minor bigint,
    limit_minor bigint, unlimited boolean, limit_expired boolean, limit_withheld boolean,
    limit_changes_on date,
    forced_minor bigint, foreign_use jsonb, currency text, path jsonb, locked_seq bigint)
WHERE a.account_id = n.account_id AND a.seq = n.locked_seq
""")

_ENTRY: Final = (
    *("account_id", "seq", "kind", "ref", "decision_id", "at", "authorized_minor"),
    *("open_delivery_minor", "open_item_minor", "note_receivable_minor", "prepayment_minor"),
    *("limit_minor", "unlimited", "forced_minor", "foreign_use"),
)


def _entry(entry: Entry, at: datetime) -> tuple[object, ...]:
    """Write an entry as values of `_ENTRY`."""
    held, use = entry.account, entry.account.use
    return (
        held.account_id,
        held.seq,
        entry.kind,
        entry.ref,
        entry.decision_id,
        at,
        use.authorized,
        use.open_delivery,
        use.open_item,
        use.note_receivable,
        use.prepayment,
        held.limit_minor,
        held.unlimited,
        held.forced,
        foreign_to_json(held.foreign),
    )


def journal_row(entry: Entry, at: datetime) -> dict[str, Any]:
    """Write an entry as a row of `journal`, ready for JSON."""
    return {
        **to_row(entry.account),
        "kind": entry.kind,
        "ref": entry.ref,
        "decision_id": entry.decision_id,
        "at": at,
    }


def write(
    tx: Tx, locked: Mapping[int, Account], entries: Sequence[Entry], at: datetime
) -> dict[int, Account]:
    """Write entries (in order) and how the accounts stand after the last of each.

    `locked` are the accounts as they were locked in this transaction; their `seq` guards the
    update. Returns all of `locked` as they stand now.
    """
    after = {**locked, **{entry.account.account_id: entry.account for entry in entries}}
    changed = [held for key, held in after.items() if held != locked[key]]
    if not changed:
        return after
    rows = [
        {
            **to_row(held),
            "limit_expired": held.limit_expired,
            "limit_withheld": held.limit_withheld,
            "limit_changes_on": held.limit_changes_on,
            "currency": held.currency,
            "path": list(held.path),
            "locked_seq": locked[held.account_id].seq,
        }
        for held in changed
    ]
    written = tx.execute(_WRITE, {"rows": _json(rows)}).rowcount
    if written != len(changed):
        message = f"{len(changed)} accounts were locked but {written} could be written"
        raise AssertionError(message)
    if entries:
        copy_in(tx, journal, _ENTRY, [_entry(entry, at) for entry in entries])
    return after


def _json(rows: Iterable[object]) -> str:
    return orjson.dumps(list(rows)).decode()


def count(tx: Tx) -> int:
    """Count the accounts."""
    return int(tx.execute(select(func.count()).select_from(account)).scalar_one())
