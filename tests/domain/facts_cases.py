"""Facts and what an account is used for after them; amounts are yuan unless they say so."""

from collections.abc import Mapping
from typing import Any, Final

from tests.domain.facts_world import fact, line, money

Fact = Mapping[str, Any]


def order(version: int = 1, amount: str = "100", status: str = "OPEN", **more: object) -> Fact:
    """Write an event about order O."""
    return fact("order", "O", version, amount=amount, status=status, **more)


def delivery(
    name: str = "D", amount: str = "40", order_id: str = "O", version: int = 1, **more: object
) -> Fact:
    """Write an event about a delivery for order O; an empty `order_id`: for none."""
    named = {"order_id": order_id} if order_id else {}
    return fact("delivery", name, version, amount=amount, **named, **more)


def invoice(
    name: str = "I", amount: str = "40", *lines: Fact, version: int = 1, **more: object
) -> Fact:
    """Write an event about an invoice with some lines."""
    return fact("invoice", name, version, amount=amount, lines=list(lines), **more)


def pay(
    name: str = "P", amount: str = "40", *parts: Fact, version: int = 1, **more: object
) -> Fact:
    """Write an event about a payment with some allocations."""
    return fact("payment", name, version, amount=amount, allocations=list(parts), **more)


def to(invoice_id: str = "I", amount: str = "40", **more: object) -> Fact:
    """Allocate part of a payment to an invoice."""
    return line(amount, "CNY", invoice_id=invoice_id, **more)


def of(order_id: str = "O", amount: str = "40", **more: object) -> Fact:
    """Bill part of an order."""
    return line(amount, "CNY", order_id=order_id, **more)


BILL = {"note_id": "N", "kind": "BANK", "due_date": "2026-09-30"}
DISCOUNT = {"discount": money("3")}

CASES: Final[dict[str, tuple[list[Fact], dict[str, int]]]] = {
    "order-is-reserved": ([order()], {"authorized": 10000}),
    "order-changed": ([order(), order(2, "80")], {"authorized": 8000}),
    "order-closed": ([order(), order(2, status="CLOSED")], {}),
    "order-cancelled-by-zero": ([order(), order(2, "0")], {}),
    "order-opened-again": (
        [order(), order(2, status="CLOSED"), order(3, "70")],
        {"authorized": 7000},
    ),
    "older-order-after-its-closing": ([order(2, status="CLOSED"), order(1)], {}),
    "two-amendments-in-the-wrong-order": (
        [order(), order(3, "80"), order(2, "120")],
        {"authorized": 8000},
    ),
    "cancel-overtakes-its-order": ([order(2, "0"), order(1)], {}),
    "order-corrected-below-what-was-delivered": (
        [order(), delivery("D", "60"), order(2, "50")],
        {"open_delivery": 6000},
    ),
    "order-moves-to-another-payer": ([order(), order(2, customer_id="bert")], {}),
    "delivery-consumes-the-order": (
        [order(), delivery()],
        {"authorized": 6000, "open_delivery": 4000},
    ),
    "delivery-before-its-order": (
        [delivery(), order()],
        {"authorized": 6000, "open_delivery": 4000},
    ),
    "delivery-beyond-the-order": ([order(), delivery("D", "130")], {"open_delivery": 13000}),
    "delivery-cancelled": (
        [order(), delivery(), delivery("D", "0", version=2)],
        {"authorized": 10000},
    ),
    "delivery-corrected-downwards": (
        [order(), delivery("D", "60"), delivery("D", "20", version=2)],
        {"authorized": 8000, "open_delivery": 2000},
    ),
    "delivery-for-two-orders": (
        [order(), delivery(), delivery("D", "7", "O2")],
        {"authorized": 6000, "open_delivery": 4700},
    ),
    "delivery-without-order": ([delivery("D", "40", "")], {"open_delivery": 4000}),
    "delivery-corrected-to-another-payer": (
        [delivery(), delivery(version=2, customer_id="chie")],
        {},
    ),
    "invoice-takes-over-the-delivery": (
        [order(), delivery(), invoice("I", "40", of())],
        {"authorized": 6000, "open_item": 4000},
    ),
    "invoice-before-delivery": (
        [order(), invoice("I", "40", of()), delivery()],
        {"authorized": 6000, "open_item": 4000},
    ),
    "invoice-without-delivery": (
        [order(), invoice("I", "60", of("O", "60"))],
        {"authorized": 4000, "open_item": 6000},
    ),
    "line-without-order-or-delivery": (
        [order(), delivery(), invoice("I", "40", line("40"))],
        {"authorized": 6000, "open_delivery": 4000, "open_item": 4000},
    ),
    "line-of-a-delivery-alone": (
        [order(), delivery(), invoice("I", "40", line("40", delivery_id="D"))],
        {"authorized": 6000, "open_item": 4000},
    ),
    "line-of-a-delivery-that-comes-later": (
        [order(), invoice("I", "40", line("40", delivery_id="D")), delivery()],
        {"authorized": 6000, "open_item": 4000},
    ),
    "line-of-a-delivery-without-order": (
        [delivery("D", "40", ""), invoice("I", "30", line("30", delivery_id="D"))],
        {"open_delivery": 1000, "open_item": 3000},
    ),
    "line-of-a-delivery-for-two-orders-goes-to-the-first": (
        [
            delivery("D", "40", "O2"),
            delivery("D", "40", "O1"),
            invoice("I", "80", line("80", delivery_id="D")),
        ],
        {"open_delivery": 4000, "open_item": 8000},
    ),
    "line-follows-a-delivery-to-its-right-order": (
        [
            delivery("D", "40", "O1"),
            invoice("I", "40", line("40", delivery_id="D")),
            delivery("D", "0", "O1", 2),
            delivery("D", "40", "O2"),
        ],
        {"open_item": 4000},
    ),
    "billed-less-than-delivered": (
        [order(), delivery(), invoice("I", "30", of("O", "30"))],
        {"authorized": 6000, "open_delivery": 1000, "open_item": 3000},
    ),
    "billed-less-and-final-for-the-delivery": (
        [
            order(),
            delivery(),
            delivery("D2", "20"),
            invoice("I", "30", of("O", "30", delivery_id="D", final=True)),
        ],
        {"authorized": 5000, "open_delivery": 2000, "open_item": 3000},
    ),
    "billed-less-and-final-for-the-order": (
        [
            order(),
            delivery(),
            delivery("D2", "20"),
            invoice("I", "30", of("O", "30", final=True)),
        ],
        {"authorized": 7000, "open_item": 3000},
    ),
    "final-comes-before-the-delivery": (
        [order(), invoice("I", "30", of("O", "30", delivery_id="D", final=True)), delivery()],
        {"authorized": 7000, "open_item": 3000},
    ),
    "final-of-a-cancelled-invoice": (
        [
            order(),
            delivery(),
            invoice("I", "30", of("O", "30", final=True)),
            invoice("I", "0", version=2),
        ],
        {"authorized": 6000, "open_delivery": 4000},
    ),
    "invoice-in-another-currency-than-its-delivery": (
        [
            delivery(),
            invoice("I", "0", version=1),
            fact(
                "invoice",
                "J",
                amount=money("1", "USD"),
                lines=[line("1", "USD", order_id="O")],
            ),
        ],
        {"open_delivery": 4000, "open_item": 713},
    ),
    "invoice-in-another-currency-than-its-order": (
        [
            order(),
            fact("invoice", "J", amount=money("1", "USD"), lines=[line("1", "USD", order_id="O")]),
        ],
        {"authorized": 10000, "open_item": 713},
    ),
    "dates-of-1970-and-2100": (
        [
            invoice("I", "40", issue_date="1970-01-01", due_date="2100-12-31"),
            invoice("J", "10", issue_date="1970-01-01", due_date="1970-01-01"),
            pay("P", "15", to("I", "15"), paid_date="1970-01-01"),
            pay("Q", "5", to("J", "5"), paid_date="2100-12-31"),
        ],
        {"open_item": 3000},
    ),
    "thirty-deliveries-on-one-monthly-invoice": (
        [
            *(delivery(f"D{day:02d}", "10", "") for day in range(30)),
            invoice(
                "I",
                "300",
                *(line("10", delivery_id=f"D{day:02d}") for day in range(30)),
            ),
        ],
        {"open_item": 30000},
    ),
    "thirty-orders-billed-together-less-a-rebate": (
        [
            *(fact("order", f"O{day:02d}", amount="12", status="OPEN") for day in range(30)),
            *(delivery(f"D{day:02d}", "10", f"O{day:02d}") for day in range(30)),
            invoice(
                "I",
                "297",
                *(line("9.90", delivery_id=f"D{day:02d}", final=True) for day in range(30)),
            ),
        ],
        {"authorized": 30 * 210, "open_item": 29700},
    ),
    "invoice-paid": ([invoice(), pay("P", "40", to())], {}),
    "payment-before-its-invoice": ([pay("P", "40", to())], {"prepayment": 4000}),
    "payment-finds-its-invoice": ([pay("P", "40", to()), invoice()], {}),
    "invoice-paid-in-part": ([invoice(), pay("P", "15", to("I", "15"))], {"open_item": 2500}),
    "payment-with-discount": ([invoice(), pay("P", "37", to("I", "37", **DISCOUNT))], {}),
    "discount-leaves-cash-over": (
        [invoice(), pay("P", "39", to("I", "39", **DISCOUNT))],
        {"prepayment": 200},
    ),
    "invoice-paid-twice": (
        [invoice(), pay("P", "40", to()), pay("Q", "25", to("I", "25"))],
        {"prepayment": 2500},
    ),
    "payment-allocated-in-part": ([invoice(), pay("P", "70", to())], {"prepayment": 3000}),
    "payment-in-another-currency": (
        [
            invoice(),
            fact(
                "payment",
                "P",
                amount=money("1", "USD"),
                allocations=[line("1", "USD", invoice_id="I")],
            ),
        ],
        {"open_item": 4000, "prepayment": 712},
    ),
    "payment-of-another-payer": (
        [invoice(), pay("P", "40", to(), customer_id="chie")],
        {},
    ),
    "payment-larger-than-everything-owed": (
        [invoice(), invoice("J", "10"), pay("P", "500", to(), to("J", "10"))],
        {"prepayment": 45000},
    ),
    "invoice-corrected-below-what-was-paid": (
        [invoice(), pay("P", "40", to()), invoice("I", "25", version=2)],
        {"prepayment": 1500},
    ),
    "bounced-payment-of-two-invoices": (
        [
            invoice(),
            invoice("J", "10"),
            pay("P", "50", to(), to("J", "10")),
            pay("P", "0", version=2),
        ],
        {"open_item": 5000},
    ),
    "disputed-and-then-written-off": (
        [
            invoice(),
            fact("dispute", "I", open=True),
            fact("write_off", "W", amount="40", invoice_id="I"),
        ],
        {},
    ),
    "bounced-payment": (
        [invoice(), pay("P", "40", to()), pay("P", "0", version=2)],
        {"open_item": 4000},
    ),
    "provisional-payment-counts-nothing": (
        [invoice(), pay("P", "40", to(), status="PROVISIONAL")],
        {"open_item": 4000},
    ),
    "provisional-payment-becomes-final": (
        [invoice(), pay("P", "40", to(), status="PROVISIONAL"), pay("P", "40", to(), version=2)],
        {},
    ),
    "payment-moved-to-another-invoice": (
        [invoice(), invoice("J"), pay("P", "40", to()), pay("P", "40", to("J"), version=2)],
        {"open_item": 4000},
    ),
    "invoice-cancelled-after-payment": (
        [invoice(), pay("P", "40", to()), invoice("I", "0", version=2)],
        {"prepayment": 4000},
    ),
    "paid-by-a-bill": (
        [invoice(), pay("P", "40", to(), note=BILL)],
        {"note_receivable": 4000},
    ),
    "bill-paid": (
        [invoice(), pay("P", "40", to(), note=BILL), fact("note", "N", status="PAID")],
        {},
    ),
    "bill-passed-on-with-recourse": (
        [
            invoice(),
            pay("P", "40", to(), note=BILL),
            fact("note", "N", status="ENDORSED", recourse=True),
        ],
        {"note_receivable": 4000},
    ),
    "bill-passed-on-without-recourse": (
        [
            invoice(),
            pay("P", "40", to(), note=BILL),
            fact("note", "N", status="DISCOUNTED", recourse=False),
        ],
        {},
    ),
    "bounced-bill": (
        [invoice(), pay("P", "40", to(), note=BILL), fact("note", "N", status="DISHONOURED")],
        {"open_item": 4000},
    ),
    "bill-reported-on-before-its-payment": (
        [invoice(), fact("note", "N", status="DISHONOURED"), pay("P", "40", to(), note=BILL)],
        {"open_item": 4000},
    ),
    "credit-note-lowers-the-invoice": (
        [invoice(), fact("credit_note", "C", amount="15", invoice_id="I")],
        {"open_item": 2500},
    ),
    "credit-note-of-a-paid-invoice": (
        [
            invoice(),
            pay("P", "40", to()),
            fact("credit_note", "C", amount="15", invoice_id="I"),
        ],
        {"prepayment": 1500},
    ),
    "credit-note-before-its-invoice": (
        [fact("credit_note", "C", amount="15", invoice_id="I")],
        {"prepayment": 1500},
    ),
    "credit-note-without-invoice": (
        [invoice(), fact("credit_note", "C", amount="15")],
        {"open_item": 4000, "prepayment": 1500},
    ),
    "write-off-lowers-the-invoice": (
        [invoice(), fact("write_off", "W", amount="15", invoice_id="I")],
        {"open_item": 2500},
    ),
    "write-off-waits-for-its-invoice": (
        [fact("write_off", "W", amount="15", invoice_id="I")],
        {},
    ),
    "write-off-of-a-paid-invoice-leaves-cash-over": (
        [
            invoice(),
            pay("P", "40", to()),
            fact("write_off", "W", amount="15", invoice_id="I"),
        ],
        {"prepayment": 1500},
    ),
    "write-off-beyond-the-invoice-is-nobodys": (
        [
            invoice(),
            pay("P", "5", to("I", "5")),
            fact("write_off", "W", amount="60", invoice_id="I"),
        ],
        {"prepayment": 500},
    ),
    "write-off-and-credit-note-of-one-id": (
        [
            invoice(),
            fact("write_off", "X", amount="5", invoice_id="I"),
            fact("credit_note", "X", amount="6", invoice_id="I"),
        ],
        {"open_item": 2900},
    ),
    "dispute-moves-no-money": ([invoice(), fact("dispute", "I", open=True)], {"open_item": 4000}),
}
