"""Authority: who may release what, checked before a release and put by administrators."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, Literal

from app.domain.authority import (
    Change,
    Delegation,
    Matrix,
    Policy,
    Role,
    check_policy,
    check_role,
    weigh,
    worth,
)
from app.domain.callers import Caller
from app.domain.errors import (
    AboveAuthorityError,
    AuthorityInUseError,
    FieldError,
    RateMissingError,
)
from app.domain.holds import OrderHold
from app.domain.money import Money, Rate
from app.domain.rates import find_rate
from app.domain.segments import MAIN
from app.store import authority, rates, segments
from app.store.database import Database, Tx
from app.usecases.dates import business_date
from app.usecases.sight import need_everywhere

What = Literal["ROLE", "SUBJECT", "DELEGATION", "SEGMENT"]

_ADMIN: Final = "admin"


@dataclass(frozen=True, slots=True)
class Question:
    """Whether a caller may release a hold up to an amount, at a moment."""

    tx: Tx
    caller: Caller
    hold: OrderHold
    most: Money
    at: datetime

    @property
    def segment_id(self) -> str:
        """The segment whose matrix and days count."""
        return self.hold.segment_id or MAIN


def need_authority(asked: Question) -> None:
    """Insist that the caller's role, or one lent to it today, may release the amount.

    Without a matrix everybody may who may release at all; `admin` always may.

    Raises:
        AboveAuthorityError: It may not; names amount, role and what that may.
        RateMissingError: Only in another currency could it be told, and no rate is fresh.

    """
    matrix = authority.matrix(asked.tx)
    if not matrix.configured or asked.caller.may(_ADMIN):
        return
    today, find = _conversion(asked, _currencies(matrix))
    risk_class = authority.class_of(asked.tx, asked.hold.account_id, asked.at)
    roles = matrix.roles_of(asked.caller.client, today)
    standing = weigh(asked.most, roles, (asked.segment_id, risk_class), find)
    if standing.allowed:
        return
    if standing.rate_missing and standing.best is None:
        raise RateMissingError(f"no fresh rate values {asked.most} in a currency of the matrix")
    may = "nothing"
    if standing.best is not None:
        may = f"up to {standing.best[1]} as {standing.best[0]}"
    named = ", ".join(role.role for role in roles) or "no role"
    raise AboveAuthorityError(
        f"{asked.most} for a customer of class {risk_class} is more than"
        f" {asked.caller.client[:64]!r} ({named}) may release: {may}"
    )


def needs_second(asked: Question) -> bool:
    """Tell whether two persons must agree to the amount, whoever asks.

    What no fresh rate values needs them too.
    """
    above = authority.policy(asked.tx, asked.segment_id).two_above
    if above is None:
        return False
    _, find = _conversion(asked, {above.currency})
    found = worth(asked.most, above.currency, find)
    return found is None or found.minor > above.minor


def _currencies(matrix: Matrix) -> set[str]:
    rows = (grant for role in matrix.roles.values() for grant in role.grants)
    return {grant.most.currency for grant in rows if grant.most is not None}


def _conversion(
    asked: Question, currencies: set[str]
) -> tuple[date, Callable[[str, str], Rate | None]]:
    today = business_date(segments.read(asked.tx, asked.segment_id), asked.at)
    foreign = currencies - {asked.most.currency}
    known = rates.recent(asked.tx, foreign | {asked.most.currency}, today) if foreign else []
    return today, lambda source, target: find_rate(known, source, target, today)


@dataclass(frozen=True, slots=True)
class Configured:
    """All that is configured, as one answer."""

    matrix: Matrix
    policies: list[Policy]


@dataclass(frozen=True, slots=True)
class Authorities:
    """Read and change the matrix, its subjects, delegations and the segments' policies.

    Only administrators change it, save that a subject may lend its own authority and take it back.
    A policy is its segment's; the rest counts in all segments, and is for who sees them all.
    """

    database: Database
    now: Callable[[], datetime]

    def read(self, caller: Caller) -> Configured:
        """Read what is configured, without rows and policies of segments outside its sight."""
        with self.database.read() as tx:
            matrix, policies = authority.matrix(tx), authority.policies(tx)
        roles = {
            name: replace(role, grants=tuple(one for one in role.grants if one.is_seen_by(caller)))
            for name, role in matrix.roles.items()
        }
        seen = [one for one in policies if caller.sees(one.segment_id)]
        return Configured(replace(matrix, roles=roles), seen)

    def changes(self, caller: Caller, before: int | None, most: int) -> list[Change]:
        """Read who changed what within its sight, the last change first."""
        with self.database.read() as tx:
            return authority.changes(tx, caller, before, most)

    def put_role(self, caller: Caller, role: Role) -> Role:
        """Put a role with all its rows.

        Raises:
            FieldError: Two rows speak of the same segment and class.
            SegmentUnknownError: A row names a segment that is none.
            ForbiddenError: The caller does not see every segment.

        """
        caller.need(_ADMIN)
        check_role(role)
        with self.database.begin() as tx:
            authority.lock(tx)
            need_everywhere(tx, caller)
            for segment_id in {one.segment_id for one in role.grants if one.segment_id}:
                segments.read(tx, segment_id)
            authority.put_role(tx, role, caller, self.now())
        return role

    def put_subject(self, caller: Caller, subject: str, role: str) -> None:
        """Give a client (the name of its key, or its `client_id`) a role.

        Raises:
            FieldError: There is no such role.
            ForbiddenError: The caller does not see every segment.

        """
        caller.need(_ADMIN)
        with self.database.begin() as tx:
            authority.lock(tx)
            need_everywhere(tx, caller)
            _need_role(authority.matrix(tx), role, "role")
            authority.put_subject(tx, (subject, role), caller, self.now())

    def put_delegation(self, caller: Caller, lent: Delegation) -> Delegation:
        """Lend a subject's authority to another.

        Raises:
            FieldError: Subjects or dates do not fit together.
            ForbiddenError: The caller lends, or takes, what is another's.

        """
        if lent.from_subject == lent.to_subject:
            raise FieldError("must be another than `from`", "to")
        if lent.valid_to < lent.valid_from:
            raise FieldError(f"{lent.valid_to} is before valid_from {lent.valid_from}", "valid_to")
        with self.database.begin() as tx:
            authority.lock(tx)
            before = authority.delegation(tx, lent.delegation_id)
            for one in (lent, before):
                _need_owner(tx, caller, one)
            authority.put_delegation(tx, lent, caller, self.now())
        return lent

    def put_policy(self, caller: Caller, policy: Policy) -> Policy:
        """Say from which amount on two persons agree, and to whom holds escalate.

        Raises:
            FieldError: A step is not later than the one before, or names no role.
            SegmentUnknownError: No such segment within sight.

        """
        caller.need(_ADMIN)
        caller.visit(policy.segment_id)
        check_policy(policy)
        with self.database.begin() as tx:
            authority.lock(tx)
            segments.read(tx, policy.segment_id)
            matrix = authority.matrix(tx)
            for place, step in enumerate(policy.escalation):
                _need_role(matrix, step.role, f"escalation[{place}].role")
            authority.put_policy(tx, policy, caller, self.now())
        return policy

    def drop(self, caller: Caller, what: What, name: str) -> None:
        """Take something away; what was not there is no refusal.

        Raises:
            AuthorityInUseError: A role that somebody has, or that holds escalate to.
            ForbiddenError: The caller takes what is another's, or does not see every segment.
            SegmentUnknownError: The policy's segment lies out of sight.

        """
        with self.database.begin() as tx:
            authority.lock(tx)
            if what == "DELEGATION":
                _need_owner(tx, caller, authority.delegation(tx, name))
            else:
                caller.need(_ADMIN)
            if what == "SEGMENT":
                caller.visit(name)
            elif what != "DELEGATION":
                need_everywhere(tx, caller)
            if what == "ROLE":
                _need_unused(tx, name)
            authority.drop(tx, (what, name), caller, self.now())


def _need_role(matrix: Matrix, role: str, field: str) -> None:
    if role not in matrix.roles:
        raise FieldError(f"there is no role {role[:64]!r}", field)


def _need_owner(tx: Tx, caller: Caller, lent: Delegation | None) -> None:
    if lent is not None and lent.from_subject != caller.client:
        caller.need(_ADMIN)
        need_everywhere(tx, caller)


def _need_unused(tx: Tx, role: str) -> None:
    holders = [who for who, has in authority.matrix(tx).subjects.items() if has == role]
    places = [
        one.segment_id
        for one in authority.policies(tx)
        if any(step.role == role for step in one.escalation)
    ]
    if holders or places:
        raise AuthorityInUseError(f"{role!r} is still the role of {(holders + places)[0]!r}")
