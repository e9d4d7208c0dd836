"""Authorizations: read them, give them back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.domain.authorizations import Authorization, ended, freed
from app.domain.callers import Caller
from app.domain.errors import NotFoundError
from app.domain.ids import need_id
from app.domain.orders import Order
from app.store import accounts, authorizations, orders, segments
from app.store.authorizations import AuthorizationFilter
from app.store.database import Database, Tx
from app.usecases.asks import Answer
from app.usecases.books import Books
from app.usecases.dates import business_date
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.score_reads import find_customer

Render = Callable[[Authorization], Answer]


def give_back(tx: Tx, order: Order, at: datetime) -> Order:
    """Free what is reserved for a locked order, on all accounts of its payer's path.

    Returns the order as it is then, still to be written.

    Raises:
        BusyError: The payer was moved to another group meanwhile.

    """
    if order.reserved:
        books = Books.of_payers(tx, [order.account_id], at)
        books.settle(books.locked, business_date(segments.read(tx, order.segment_id), at))
        for entry in freed(order, books.path(order.account_id)):
            books.post(entry)
        books.close()
    return ended(order)


@dataclass(frozen=True, slots=True)
class ListAuthorizations:
    """Read a page of authorizations."""

    database: Database

    def __call__(self, caller: Caller, wanted: AuthorizationFilter) -> list[Authorization]:
        """Return a page, newest first; `customer_id` may be an alias.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.

        """
        with self.database.read() as tx:
            return authorizations.page(tx, _resolved(tx, caller, wanted))


def _resolved(tx: Tx, caller: Caller, wanted: AuthorizationFilter) -> AuthorizationFilter:
    if wanted.segment is not None:
        caller.visit(wanted.segment)
        segments.read(tx, wanted.segment)
    customer_id = wanted.customer_id and find_customer(tx, caller, wanted.customer_id)
    return AuthorizationFilter(
        most=wanted.most,
        before=wanted.before,
        customer_id=customer_id,
        segment=wanted.segment,
        order_id=wanted.order_id,
        status=wanted.status,
        segments=caller.segments,
    )


@dataclass(frozen=True, slots=True)
class ReadAuthorization:
    """Read one authorization."""

    database: Database

    def __call__(self, caller: Caller, authorization_id: str) -> Authorization:
        """Return it as it stands.

        Raises:
            NotFoundError: There is none within sight.

        """
        with self.database.read() as tx:
            return _need(tx, caller, authorization_id)


def _need(tx: Tx, caller: Caller, authorization_id: str) -> Authorization:
    found = authorizations.get(tx, need_id(authorization_id, "authorization"))
    if found is None or not caller.sees(found.segment_id):
        raise NotFoundError(f"no authorization has the id {authorization_id[:64]!r}")
    return found


@dataclass(frozen=True, slots=True)
class OrderRef:
    """An order by its ids; `customer_id` may be an alias of the payer."""

    customer_id: str
    segment_id: str
    order_id: str


@dataclass(frozen=True, slots=True)
class ReleaseAuthorization:
    """Give back what is left of an authorization; a second time changes nothing."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, keyed: Keyed, authorization_id: str, render: Render) -> Answer:
        """Release by id; what ended already is answered as it is.

        Raises:
            NotFoundError: There is none within sight.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else works on the order.

        """
        with self.database.begin() as tx:

            def act() -> Answer:
                found = _need(tx, keyed.caller, authorization_id)
                self._release(tx, (found.segment_id, found.order_id), authorization_id)
                return render(_need(tx, keyed.caller, authorization_id))

            return once(tx, keyed.caller, keyed.key, keyed.digest, act)

    def by_order(self, keyed: Keyed, ref: OrderRef, render: Render) -> Answer:
        """Release what an order has reserved for a customer.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.
            NotFoundError: The order never had an authorization for this customer.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else works on the order.

        """
        keyed.caller.visit(ref.segment_id)
        with self.database.begin() as tx:

            def act() -> Answer:
                found = self._newest(tx, ref)
                self._release(tx, (ref.segment_id, ref.order_id), found.authorization_id)
                return render(_need(tx, keyed.caller, found.authorization_id))

            return once(tx, keyed.caller, keyed.key, keyed.digest, act)

    def _newest(self, tx: Tx, ref: OrderRef) -> Authorization:
        """Find the order's current authorization for a customer, else the last one it had.

        Ids are those of the asks that brought them, which may have overtaken each other: the
        current one need not have the highest.
        """
        segments.read(tx, ref.segment_id)
        wanted = AuthorizationFilter(
            most=1,
            customer_id=accounts.customer_of(tx, ref.customer_id),
            segment=ref.segment_id,
            order_id=ref.order_id,
        )
        key = (ref.segment_id, ref.order_id)
        order = orders.lock(tx, [key]).get(key)
        if order is not None and order.authorization_id is not None:
            current = authorizations.get(tx, order.authorization_id)
            if current is not None and current.customer_id == wanted.customer_id:
                return current
        found = authorizations.page(tx, wanted)
        if not found:
            raise NotFoundError(f"order {ref.order_id!r} has no authorization for this customer")
        return found[0]

    def _release(self, tx: Tx, key: tuple[str, str], authorization_id: str) -> None:
        order = orders.lock(tx, [key]).get(key)
        if order is None or order.authorization_id != authorization_id or order.state != "LIVE":
            return  # it ended before
        orders.write(tx, [give_back(tx, order, self.now())])
