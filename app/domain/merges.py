"""What changes when two records of one payer become one, besides whose documents they are.

An invoice under one record may now cover a delivery under the other, so what orders carry is
computed anew from all documents, and reservations may shrink.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from app.domain.accounts import Use
from app.domain.facts_book import Book, UseKey
from app.domain.orders import Order, OrderUse


@dataclass(slots=True)
class Rejoined:
    """`orders` are those that changed, `uses` what orders carry now, `deltas` by currency."""

    orders: list[Order] = field(default_factory=list)
    uses: dict[UseKey, OrderUse] = field(default_factory=dict)
    deltas: dict[str, Use] = field(default_factory=dict)

    def add(self, currency: str, delta: Use) -> None:
        """Count a change of a position."""
        after = self.deltas.pop(currency, Use()) + delta
        if after:
            self.deltas[currency] = after


def rejoin(
    before: Mapping[UseKey, OrderUse],
    book: Book,
    orders: Iterable[Order],
    target_id: int,
    order_ids: AbstractSet[str],
) -> Rejoined:
    """Say what orders carry for the record that goes on, and by how much its positions change.

    `before` is what they carried under either record, `book` holds their documents as the
    target's, `orders` are the target's by now. `order_ids` are those the book holds wholly: of
    others that share a delivery with them it has a part, and for them nothing changes.
    """
    found = Rejoined()
    named = {key for key in _named(book) if key[0] in order_ids}
    for order_id, currency in sorted({(key[0], key[2]) for key in before} | named):
        key = (order_id, target_id, currency)
        found.uses[key] = book.use_of(key)
        found.add(currency, Use(open_delivery=found.uses[key].open_delivery))
    for key, use in before.items():
        found.add(key[2], Use(open_delivery=-use.open_delivery))
    for order in orders:
        use = found.uses.get((order.order_id, target_id, order.currency), OrderUse())
        left = order.left(use)
        if left != order.reserved:
            found.orders.append(replace(order, reserved=left))
            found.add(order.currency, Use(authorized=left - order.reserved))
    return found


def _named(book: Book) -> set[tuple[str, str]]:
    of_deliveries = {
        (key[0], key[2])
        for delivery_id, _ in book.deliveries
        for key in book.uses_of_delivery(delivery_id)
    }
    of_invoices = {
        (key[0], key[2]) for invoice_id in book.invoices for key in book.uses_of_invoice(invoice_id)
    }
    return of_deliveries | of_invoices
