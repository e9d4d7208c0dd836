"""Whose account a fact belongs to: references resolved, accounts and paths found, all at once."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from app.store.database import Tx
from app.store.facts_queries import joined, split

_PAYERS: Final = text(f"""
SELECT r.ref, r.customer_id, a.segment_id, a.account_id, a.path
FROM customer_ref r
CROSS JOIN unnest(CAST(:segments AS text[])) AS s(segment_id)
LEFT JOIN account a ON a.customer_id = r.customer_id AND a.segment_id = s.segment_id
WHERE r.ref = ANY({split("refs")})
""")  # noqa: S608 - a constant
"""Both columns of the account's key are compared with `=`: planned on an empty table, a list of
segments would be looked up by the segment alone, whose accounts are all there are."""
_PATHS: Final = text("SELECT DISTINCT unnest(path) FROM account WHERE account_id = ANY(:ids)")
_KNOWN: Final = text(f"SELECT ref FROM customer_ref WHERE ref = ANY({split('refs')})")  # noqa: S608

_NAMES: Final = text(
    "SELECT o.ref FROM customer_ref r JOIN customer_ref o ON o.customer_id = r.customer_id"
    " WHERE r.ref = :ref ORDER BY o.ref"
)

PayerKey = tuple[str, str]
"""(segment_id, customer id or alias)."""


@dataclass(frozen=True, slots=True)
class Payers:
    """`accounts` by segment and reference; `missing` are customers without an account there.

    A reference that is in neither is nobody's. `paths` are the accounts and all their groups.
    """

    accounts: dict[PayerKey, int]
    missing: list[PayerKey]
    paths: set[int]


def names_of(tx: Tx, ref: str) -> list[str]:
    """List all ids by which a customer goes: its own, aliases, and those of merged records."""
    return list(tx.execute(_NAMES, {"ref": ref}).scalars())


def find_payers(tx: Tx, wanted: Collection[PayerKey]) -> Payers:
    """Find accounts without a lock; `missing` names customers, not references."""
    segments = sorted({segment for segment, _ in wanted})
    refs = sorted({ref for _, ref in wanted})
    accounts: dict[PayerKey, int] = {}
    customers: dict[str, str] = {}
    paths: set[int] = set()
    found = tx.execute(_PAYERS, {"segments": segments, "refs": joined(refs)})
    for ref, customer_id, segment_id, account_id, path in found:
        customers[ref] = customer_id
        if (segment_id, ref) in wanted:
            accounts[segment_id, ref] = account_id
            paths.update(path)
    missing = {
        (segment, customers[ref])
        for segment, ref in wanted
        if ref in customers and (segment, ref) not in accounts
    }
    return Payers(accounts, sorted(missing), paths)


def with_groups(tx: Tx, account_ids: Collection[int]) -> set[int]:
    """Add to accounts the groups on their paths, as they are at the moment."""
    if not account_ids:
        return set()
    return set(tx.execute(_PATHS, {"ids": sorted(account_ids)}).scalars())


def known_refs(tx: Tx, refs: Collection[str]) -> set[str]:
    """Tell which references name a customer."""
    return set(tx.execute(_KNOWN, {"refs": joined(sorted(refs))}).scalars())
