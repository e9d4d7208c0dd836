"""What changes when two records of one payer become one, besides whose documents they are."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.domain.accounts import Use
from app.domain.orders import Order, OrderUse


@dataclass(frozen=True, slots=True)
class SharedUse:
    """One order in one currency, of which facts came in under both records."""

    segment_id: str
    order_id: str
    currency: str
    source: OrderUse
    target: OrderUse

    @property
    def joined(self) -> OrderUse:
        """What the facts of both say together."""
        return OrderUse(
            self.source.delivered + self.target.delivered,
            self.source.invoiced + self.target.invoiced,
        )


def rejoin(
    shared: SharedUse, order: Order | None, payers: Iterable[int]
) -> tuple[Order | None, Use]:
    """Say how an order and its use change when both records' facts count as one payer's.

    An invoice under one record may now cover a delivery under the other, and a reservation may
    shrink. `payers` are the accounts of both records; the use is in the order's currency.
    """
    joined = shared.joined
    delivered = joined.open_delivery - shared.source.open_delivery - shared.target.open_delivery
    same = order is not None and order.account_id in payers and order.currency == shared.currency
    if order is None or not same:
        return order, Use(open_delivery=delivered)
    after = replace(order, reserved=order.left(joined))
    freed = after.reserved - order.reserved
    return after, Use(authorized=freed, open_delivery=delivered)
