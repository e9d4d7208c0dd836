"""Customers whom rules name: by the id that is theirs, or the row would never reach them.

An order is judged under its payer's own id, whichever of its ids it was asked by.
"""

from collections.abc import Iterator

from app.domain.errors import MergeConflictError
from app.domain.errors_rules import RuleSetRefusedError
from app.domain.rules import RuleSet, read_rule_set
from app.store import customers, rules, segments
from app.store.database import Tx


def need_own_ids(tx: Tx, version: int) -> None:
    """Insist that a version names customers by their own ids; ids of nobody may be of tomorrow.

    Ask after the version was put in force in `tx`: a merge either was before, or sees it.

    Raises:
        RuleSetRefusedError: A row names one by another id; says which, and whose it is.

    """
    named = list(_named(_read(tx, version)))
    owners = customers.owners(tx, {ref for _, ref in named})
    faults = [
        (f"rows[{place}]", f"{ref!r} is another id of {owners[ref]!r}: name that one")
        for place, ref in named
        if owners.get(ref, ref) != ref
    ]
    if faults:
        raise RuleSetRefusedError("a row names a customer by another id", None, faults)


def need_unnamed(tx: Tx, customer_id: str) -> None:
    """Insist that no rule in force or about to be names a record that is to be merged away.

    Segments were locked, shared, in `tx`, so that none comes into force meanwhile.

    Raises:
        MergeConflictError: One does.

    """
    versions = set[int]()
    for one in segments.every(tx):
        versions |= {one.rule_set_version, one.next_rule_set_version or one.rule_set_version}
    for version in sorted(versions):
        policy = _read(tx, version)
        for place, ref in _named(policy):
            if ref == customer_id:
                raise MergeConflictError(
                    f"rule {policy.rows[place].rule_id!r} of version {version} names"
                    f" {customer_id!r}: let a version that does not come into force first"
                )


def _read(tx: Tx, version: int) -> RuleSet:
    return read_rule_set(version, rules.data_of(tx, version))


def _named(policy: RuleSet) -> Iterator[tuple[int, str]]:
    """List whom rows name, in their scopes or excepted from them, with the row's place."""
    for place, row in enumerate(policy.rows):
        for ref in sorted(row.reach.values("customers") | row.reach.values("groups")):
            yield place, ref
