"""Customers: put and read; `customer_lists` beside it lists them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from app.domain.callers import Caller
from app.domain.changes import account_change, customer_change
from app.domain.customers import (
    KEEP,
    AccountTerms,
    Customer,
    CustomerChange,
    Keep,
    told_to_rules,
)
from app.domain.errors import (
    AliasTakenError,
    BusyError,
    CustomerUnknownError,
    FieldError,
    VersionStaleError,
)
from app.domain.groups import check_place
from app.domain.scores_refresh import Urgency
from app.domain.segments import MAIN
from app.store import accounts, changes, customers, groups, inputs, score_due
from app.store.database import Database, Tx
from app.usecases.causes import Requeue, announce
from app.usecases.groups import ensure_accounts, regroup
from app.usecases.identifiers import check_country, check_lei, check_uscc
from app.usecases.sight import need_sight
from app.usecases.terms import apply_terms, check_terms

MOST_ALIASES: Final = 100


@dataclass(frozen=True, slots=True)
class CustomerView:
    """A customer with those of its accounts that the caller may see, by segment."""

    customer: Customer
    accounts: list[AccountTerms]
    created: bool = False


def view(tx: Tx, caller: Caller, customer_id: str, *, created: bool = False) -> CustomerView:
    """Read a customer as a caller may see it.

    Raises:
        CustomerUnknownError: Nobody has this id, or no account of it lies within sight.

    """
    terms = groups.terms(tx, [customer_id])
    seen = [term for term in terms if caller.sees(term.segment_id)]
    if caller.segments is not None and not seen:
        raise CustomerUnknownError(f"no customer has the id {customer_id[:64]!r}", "customer_id")
    return CustomerView(customers.read(tx, customer_id), seen, created)


@dataclass(frozen=True, slots=True)
class ReadCustomer:
    """Read one customer by id or alias."""

    database: Database

    def __call__(self, caller: Caller, ref: str) -> CustomerView:
        """Return the customer that `ref` names.

        Raises:
            CustomerUnknownError: Nobody has this id, or it lies out of sight.

        """
        with self.database.read() as tx:
            return view(tx, caller, accounts.customer_of(tx, ref))


@dataclass(frozen=True, slots=True)
class PutCustomer:
    """Make a customer or replace its master data, and let its accounts follow.

    `requeue` applies the facts that waited for one of its ids.
    """

    database: Database
    now: Callable[[], datetime]
    requeue: Requeue

    def __call__(
        self,
        caller: Caller,
        customer_id: str,
        change: CustomerChange,
        expected: Collection[int] | None = None,
    ) -> CustomerView:
        """Return the customer as it stands after; a PUT that changes nothing keeps its version.

        `expected` are the versions the caller may have read (`If-Match`); None: any, even none.

        Raises:
            FieldError: A field breaks a rule; says which.
            AliasTakenError: The id, or one of the aliases, belongs to another customer.
            CurrencyFixedError: The account's currency cannot change any more.
            RateMissingError: A new group cannot value what is open.
            VersionStaleError: The customer has none of the expected versions.
            ForbiddenError: A move reaches into segments that the caller does not see.
            BusyError: Somebody else changes the same records.

        """
        caller.visit(MAIN)
        _check(customer_id, change)
        with self.database.begin() as tx:
            put = _Put(tx, caller, customer_id, change, self.now())
            causes = put.run(expected)
            found = view(tx, caller, customer_id, created=put.created)
        announce(self.requeue, causes)
        return found

    def if_new(self, caller: Caller, customer_id: str, change: CustomerChange) -> CustomerView:
        """Make a customer, and return whose the id is: who has it by then stays as it is.

        Raises:
            FieldError: A field breaks a rule; says which.
            AliasTakenError: One of the aliases belongs to another customer.
            CurrencyFixedError: The account's currency cannot be that.
            BusyError: Somebody else changes the same records.

        """
        caller.visit(MAIN)
        _check(customer_id, change)
        with self.database.begin() as tx:
            put = _Put(tx, caller, customer_id, change, self.now())
            causes = put.make()
            owner = accounts.customer_of(tx, customer_id)
            found = view(tx, caller, owner, created=put.created)
        announce(self.requeue, causes)
        return found


def _check(customer_id: str, change: CustomerChange) -> None:
    if change.uscc is not None:
        check_uscc(change.uscc)
    if change.lei is not None:
        check_lei(change.lei)
    if change.country is not None:
        check_country(change.country)
    check_terms(change.account)
    if change.aliases is KEEP:
        return
    if len(change.aliases) > MOST_ALIASES:
        raise FieldError(f"at most {MOST_ALIASES} are taken", "aliases")
    for place, alias in enumerate(change.aliases):
        if alias == customer_id:
            raise FieldError("is the customer's own id", f"aliases[{place}]")
        if alias in change.aliases[:place]:
            raise FieldError(f"{alias!r} is named twice", f"aliases[{place}]")


@dataclass(slots=True)
class _Put:
    """One PUT within its transaction."""

    tx: Tx
    caller: Caller
    customer_id: str
    change: CustomerChange
    at: datetime
    created: bool = False

    def run(self, expected: Collection[int] | None) -> list[str]:
        """Do it; returns the causes that facts may have waited for."""
        parent_id = self._claim()
        before = customers.read(self.tx, self.customer_id)
        if expected is not None and (self.created or before.version not in expected):
            raise VersionStaleError("the customer was changed since it was read", "If-Match")
        return self._replace(before, parent_id)

    def make(self) -> list[str]:
        """Do it where nobody has the id, else nothing; returns as `run` does."""
        if self.customer_id in customers.owners(self.tx, [self.customer_id]):
            return []
        parent_id = self._claim()
        if not self.created:  # somebody else made it meanwhile
            return []
        return self._replace(customers.read(self.tx, self.customer_id), parent_id)

    def _replace(self, before: Customer, parent_id: str | Keep | None) -> list[str]:
        after = self._replaced(before, before.parent_id if parent_id is KEEP else parent_id)
        fresh, aliases = self._take_refs(before)
        after = replace(after, aliases=aliases)
        change = customer_change(None if self.created else before, after)
        if change:
            customers.write(self.tx, after)
            changes.add(self.tx, self.caller, change)
        if (self._follow(before, after) or change) and not self.created:
            customers.touch(self.tx, self.customer_id)
        return [f"customer:{ref}" for ref in sorted(fresh)]

    def _claim(self) -> str | Keep | None:
        """Lock the customer, made where missing, and both chains; returns the parent's own id."""
        new = Customer(self.customer_id, self.change.name)
        self.created = not self._owned() and customers.create(self.tx, new)
        parent = self.change.parent_id
        if isinstance(parent, str):
            parent = self._claim_under(parent)
        elif parent is KEEP:
            customers.lock(self.tx, self.customer_id)
        else:
            customers.lock_with_groups(self.tx, [self.customer_id])
        if not self.created:
            self._owned()  # it may have been merged while its lock was waited for
        return parent

    def _owned(self) -> bool:
        owner = customers.owners(self.tx, [self.customer_id]).get(self.customer_id)
        if owner not in {None, self.customer_id}:
            raise AliasTakenError(
                f"{self.customer_id!r} is another id of the customer {owner!r}", "customer_id"
            )
        return owner is not None

    def _claim_under(self, ref: str) -> str:
        parent_id = customers.owners(self.tx, [ref]).get(ref)
        if self.customer_id in {ref, parent_id}:
            raise FieldError("a customer is not its own group", "parent_id")
        if parent_id is None:
            raise FieldError(f"no customer has the id {ref!r}", "parent_id")
        chains = customers.lock_with_groups(self.tx, [self.customer_id, parent_id])
        if customers.owners(self.tx, [ref]).get(ref) != parent_id:
            raise BusyError("the parent is being merged; try again")
        levels = customers.levels_below(self.tx, self.customer_id)
        check_place(self.customer_id, [parent_id, *chains[parent_id]], levels)
        return parent_id

    def _take_refs(self, before: Customer) -> tuple[set[str], tuple[str, ...]]:
        """Claim the id and new aliases, drop old ones; ids of merged records are never dropped.

        Returns what was claimed, and the aliases after it.
        """
        current = {*before.aliases}
        wanted = current if self.change.aliases is KEEP else {*self.change.aliases}
        dropped = current - wanted - customers.merged(self.tx, self.customer_id)
        customers.drop_refs(self.tx, self.customer_id, dropped)
        fresh = (wanted - current) | ({self.customer_id} if self.created else set())
        taken = customers.add_refs(self.tx, self.customer_id, fresh)
        if self.customer_id in taken:
            raise AliasTakenError(
                f"{self.customer_id!r} is another id of another customer", "customer_id"
            )
        if taken and self.change.aliases is not KEEP:
            first = next(one for one in enumerate(self.change.aliases) if one[1] in taken)
            raise AliasTakenError(
                f"{first[1]!r} belongs to another customer", f"aliases[{first[0]}]"
            )
        return fresh, tuple(sorted(current - dropped | fresh - {self.customer_id}))

    def _replaced(self, before: Customer, parent_id: str | None) -> Customer:
        change = self.change
        return replace(
            before,
            name=change.name,
            kind=change.kind,
            country=change.country,
            uscc=change.uscc,
            lei=change.lei,
            industry=change.industry,
            since=change.since,
            active=change.active,
            size=change.size,
            parent_id=parent_id,
        )

    def _follow(self, before: Customer, after: Customer) -> bool:
        """Let accounts follow: made in the default segment, moved, their fields and inputs set."""
        tx, customer_id = self.tx, self.customer_id
        account_id = ensure_accounts(tx, customer_id, MAIN).account_id
        moved = after.parent_id != before.parent_id and not self.created
        if moved:
            need_sight(tx, self.caller, customer_id)
            regroup(tx, customer_id, f"{before.parent_id or ''}>{after.parent_id or ''}", self.at)
        if moved or after.since != before.since:
            score_due.add(tx, [customer_id], Urgency.EVENT, self.at)
        own = [term.account_id for term in groups.terms(tx, [customer_id])]
        told = told_to_rules(after)
        if told != told_to_rules(before) and not self.created:
            inputs.change(tx, own, told)
        if not self.change.account:
            return False
        accounts.lock(tx, own)
        held = groups.term(tx, account_id)
        now_is = apply_terms(tx, held, self.change.account, self.at)
        changes.add(tx, self.caller, account_change(None if self.created else held, now_is))
        return now_is != held
