"""The authority matrix, who has which role, delegations, policies, and the evidence of changes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, Table, delete, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.authority import Change, Delegation, Grant, Matrix, Policy, Role, Step
from app.domain.callers import Caller
from app.domain.money import Money
from app.store.database import Tx
from app.store.inputs import SCORE
from app.store.schema.authority import (
    authority_change,
    authority_delegation,
    authority_policy,
    authority_role,
    authority_subject,
)

_LOCK = text("LOCK TABLE authority_role IN SHARE ROW EXCLUSIVE MODE")


def lock(tx: Tx) -> None:
    """Keep others from changing authority until `tx` ends; reading goes on."""
    tx.execute(_LOCK)


def matrix(tx: Tx) -> Matrix:
    """Read all of it; a company has few rows."""
    roles = [_role(row) for row in tx.execute(_sorted(authority_role, "role")).mappings()]
    subjects = tx.execute(_sorted(authority_subject, "subject"))
    lent = tx.execute(_sorted(authority_delegation, "delegation_id"))
    return Matrix(
        roles={one.role: one for one in roles},
        subjects={row.subject: row.role for row in subjects},
        delegations=[
            Delegation(
                row.delegation_id,
                row.from_subject,
                row.to_subject,
                row.valid_from,
                row.valid_to,
                row.note,
            )
            for row in lent
        ],
    )


def _sorted(table: Table, name: str) -> Select[Any]:
    return select(table).order_by(table.c[name].collate("C"))


def _role(row: RowMapping) -> Role:
    grants = tuple(_grant(one) for one in row["grants"])
    return Role(row["role"], row["name_zh"], row["name_en"], grants)


def _grant(data: Mapping[str, Any]) -> Grant:
    most = data["most"]
    return Grant(data["risk_class"], None if most is None else Money(*most), data["segment"])


def role_to_json(role: Role) -> dict[str, Any]:
    """Write a role as it is kept as evidence."""
    return {
        "name_zh": role.name_zh,
        "name_en": role.name_en,
        "grants": [
            {
                "risk_class": one.risk_class,
                "most": None if one.most is None else [one.most.minor, one.most.currency],
                "segment": one.segment_id,
            }
            for one in role.grants
        ],
    }


def policy(tx: Tx, segment_id: str) -> Policy:
    """Read what a segment asks for; without a row it asks for nothing."""
    query = select(authority_policy).where(authority_policy.c.segment_id == segment_id)
    row = tx.execute(query).mappings().one_or_none()
    return Policy(segment_id) if row is None else _policy(row)


def policies(tx: Tx) -> list[Policy]:
    """Read what all segments ask for."""
    rows = tx.execute(_sorted(authority_policy, "segment_id")).mappings()
    return [_policy(row) for row in rows]


def _policy(row: RowMapping) -> Policy:
    above = row["two_above_minor"]
    return Policy(
        row["segment_id"],
        None if above is None else Money(above, row["currency"]),
        tuple(Step(step["role"], step["after_s"]) for step in row["escalation"]),
    )


def put_role(tx: Tx, role: Role, by: Caller, at: datetime) -> None:
    """Store a role with its rows, and the evidence of it."""
    data = role_to_json(role)
    _put(tx, authority_role, {"role": role.role, **data}, (by, at))
    _tell(tx, ("ROLE", role.role, data), by, at)


def put_subject(tx: Tx, names: tuple[str, str], by: Caller, at: datetime) -> None:
    """Give a subject its role; `names` is (subject, role), and the role is there."""
    subject, role = names
    _put(tx, authority_subject, {"subject": subject, "role": role}, (by, at))
    _tell(tx, ("SUBJECT", subject, {"role": role}), by, at)


def put_delegation(tx: Tx, lent: Delegation, by: Caller, at: datetime) -> None:
    """Store who stands in for whom."""
    data = {name: getattr(lent, name) for name in Delegation.__slots__}
    _put(tx, authority_delegation, data, (by, at))
    told = {name: value for name, value in data.items() if name != "delegation_id"}
    _tell(tx, ("DELEGATION", lent.delegation_id, told), by, at)


def put_policy(tx: Tx, policy: Policy, by: Caller, at: datetime) -> None:
    """Store what a segment asks for."""
    above = policy.two_above
    data = {
        "two_above_minor": None if above is None else above.minor,
        "currency": None if above is None else above.currency,
        "escalation": [{"role": one.role, "after_s": one.after_s} for one in policy.escalation],
    }
    _put(tx, authority_policy, {"segment_id": policy.segment_id, **data}, (by, at))
    _tell(tx, ("SEGMENT", policy.segment_id, data), by, at)


_TABLES = {
    "ROLE": (authority_role, "role"),
    "SUBJECT": (authority_subject, "subject"),
    "DELEGATION": (authority_delegation, "delegation_id"),
    "SEGMENT": (authority_policy, "segment_id"),
}


def drop(tx: Tx, thing: tuple[str, str], by: Caller, at: datetime) -> bool:
    """Take a thing away; `thing` is what it is and its name. False where there was none."""
    what, name = thing
    table, key = _TABLES[what]
    gone = tx.execute(delete(table).where(table.c[key] == name)).rowcount == 1
    if gone:
        _tell(tx, (what, name, None), by, at)
    return gone


def delegation(tx: Tx, delegation_id: str) -> Delegation | None:
    """Read one delegation."""
    found = (one for one in matrix(tx).delegations if one.delegation_id == delegation_id)
    return next(found, None)


def _put(tx: Tx, table: Table, values: Mapping[str, Any], stamp: tuple[Caller, datetime]) -> None:
    by, at = stamp
    whole = {**values, "updated_by": by.client, "updated_at": at}
    statement = upsert(table).values(whole)
    keys = [column.name for column in table.primary_key.columns]
    changed = {name: statement.excluded[name] for name in whole if name not in keys}
    tx.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


def _tell(
    tx: Tx, change: tuple[str, str, Mapping[str, Any] | None], by: Caller, at: datetime
) -> None:
    what, name, data = change
    tx.execute(
        insert(authority_change).values(
            what=what, name=name, data=data, client=by.client, actor=by.actor, at=at
        )
    )


def changes(tx: Tx, caller: Caller, before: int | None, most: int) -> list[Change]:
    """Read who changed what, the last change first; `before` is the last id of a page.

    Policies of segments outside the caller's sight are left out, and rows of roles that speak of
    such.
    """
    query = select(authority_change).order_by(authority_change.c.change_id.desc()).limit(most)
    if before is not None:
        query = query.where(authority_change.c.change_id < before)
    if caller.segments is not None:
        seen = authority_change.c.name.in_(caller.segments)
        query = query.where((authority_change.c.what != "SEGMENT") | seen)
    return [_within_sight(Change(**row), caller) for row in tx.execute(query).mappings()]


def _within_sight(change: Change, caller: Caller) -> Change:
    if change.what != "ROLE" or change.data is None:
        return change
    rows = [one for one in change.data["grants"] if _grant(one).is_seen_by(caller)]
    return replace(change, data={**change.data, "grants": rows})


_CLASS = text(f"""
SELECT {SCORE} ->> 'risk_class' FROM account a
JOIN account_input i ON i.account_id = a.account_id AND i.version = a.input_version
WHERE a.account_id = :account_id
""")  # noqa: S608 - a constant


def class_of(tx: Tx, account_id: int | None, at: datetime) -> str:
    """Give the risk class that decisions on an account see at a moment; N where there is none."""
    found = tx.execute(_CLASS, {"account_id": account_id, "at": at}).scalar()
    return str(found) if found else "N"
