"""Slow inputs of decisions: what master data and scores say of an account, version by version.

`data` is `{"active": bool, "kind": …, "country": …, "industry": …, "since": date | null,
"payment_terms_days": int | null, "score": {…} | null}`. Who changes a
part keeps the others; nothing is ever rewritten, so that a decision's version stays what it was.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson
from sqlalchemy import select, text

from app.store import accounts
from app.store.database import Tx
from app.store.schema.parties import account_input

SCORE: Final = """(CASE
    WHEN CAST(i.data -> 'score' -> 'override' ->> 'expires_at' AS timestamptz) <= :at
    THEN i.data -> 'score' -> 'override' -> 'computed' ELSE i.data -> 'score' END)"""
"""What counts at the moment `at` of a stored score, in a statement that names the inputs `i`.

As `domain.scores_json.score_in_force`: once an override has lapsed it is what was computed.
"""

_APPEND = text("""
INSERT INTO account_input (account_id, version, data)
SELECT a.account_id, a.input_version + 1, coalesce(i.data, '{}'::jsonb) || CAST(:patch AS jsonb)
FROM account a
LEFT JOIN account_input i ON i.account_id = a.account_id AND i.version = a.input_version
WHERE a.account_id = any(:ids)
""")

_POINT = text("""
UPDATE account SET input_version = input_version + 1 WHERE account_id = any(:ids)
""")


def change(tx: Tx, account_ids: Collection[int], patch: Mapping[str, object]) -> None:
    """Add a version to each account's inputs: the one before, with the keys of `patch` replaced.

    Locks the accounts, in id order. The lock is a statement of its own, so that the next one sees
    what another transaction added while it was waited for.
    """
    if not account_ids:
        return
    ids = sorted(account_ids)
    accounts.lock(tx, ids)
    tx.execute(_APPEND, {"ids": ids, "patch": orjson.dumps(dict(patch)).decode()})
    tx.execute(_POINT, {"ids": ids})


def get(tx: Tx, account_id: int, version: int) -> dict[str, Any]:
    """Read one version; empty where there is none (version 0)."""
    query = select(account_input.c.data).where(
        account_input.c.account_id == account_id, account_input.c.version == version
    )
    found: dict[str, Any] | None = tx.execute(query).scalar_one_or_none()
    return found or {}
