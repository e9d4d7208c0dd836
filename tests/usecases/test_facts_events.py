"""Facts are read strictly, and the first fault is told with its path."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from app.api import wire
from app.api.facts_models import FACT, FactIn
from app.domain.errors import FieldError
from app.domain.facts import Allocation, Event, InvoiceBody, Line, NoteTerms, PaymentBody
from app.usecases import facts_fields
from app.usecases.facts_events import MOST_EVENTS, parse_event, parse_events
from tests.domain.facts_cases import delivery, invoice, of, order, pay, to
from tests.domain.facts_world import fact, line, money

Fact = Mapping[str, Any]

BILL = {"note_id": "N", "kind": "BANK", "due_date": "2026-09-30"}

GOOD: dict[str, Fact] = {
    "order": order(),
    "order-cancelled": order(amount="0"),
    "delivery": delivery(),
    "delivery-without-order": delivery(order_id=""),
    "invoice": invoice("I", "40", of(), line("0", delivery_id="D", final=True)),
    "invoice-due-on-its-day": invoice(due_date="2026-05-01"),
    "lines-exactly-the-invoice": invoice("I", "40", of("O", "25"), of("O", "15")),
    "payment": pay("P", "40", to("I", "40", discount=money("1")), note=BILL),
    "lines-of-a-cancelled-invoice": invoice("I", "0", of("O", "1")),
    "allocations-of-a-payment-taken-back": pay("P", "0", to("I", "40")),
    "payment-provisional": pay(status="PROVISIONAL", expires_at="2026-07-01T00:00:00Z"),
    "note": fact("note", "N", status="PAID"),
    "note-with-recourse": fact("note", "N", status="ENDORSED", recourse=True),
    "credit-note": fact("credit_note", "C", amount="1", invoice_id="I", date="2026-06-01"),
    "write-off": fact("write_off", "W", amount="1"),
    "dispute": fact("dispute", "I", open=False),
    "nulls-are-absent": {**pay(), "status": None, "note": None, "allocations": None},
    "version-zero": invoice(version=0),
    "largest-version": invoice(version=2**53 - 1),
    "id-of-64": invoice("I" * 64),
    "id-in-chinese-with-a-blank": invoice("发票 1"),
    "largest-amount": invoice("I", "10000000000000.00"),
    "first-day": invoice(issue_date="1970-01-01"),
    "last-day": invoice(due_date="2100-12-31"),
    "offset": {**invoice(), "occurred_at": "2026-06-10T08:00:00.123456789+14:00"},
    "leap-day": invoice(issue_date="2024-02-29"),
}

WITHOUT_AMOUNT = {key: value for key, value in invoice().items() if key != "amount"}

BAD: dict[str, tuple[object, str | None]] = {
    "no-object": ("invoice", None),
    "no-type": ({**invoice(), "type": None}, "type"),
    "unknown-type": ({**invoice(), "type": "quote"}, "type"),
    "unknown-field": ({**invoice(), "colour": "red"}, "colour"),
    "field-of-another-type": ({**invoice(), "paid_date": "2026-06-01"}, "paid_date"),
    "no-source": ({**invoice(), "source": None}, "source"),
    "empty-id": (invoice(""), "invoice_id"),
    "id-of-65": (invoice("I" * 65), "invoice_id"),
    "id-with-tab": (invoice("I\t"), "invoice_id"),
    "id-with-line-break-last": (invoice("I\n"), "invoice_id"),
    "id-invisible": (invoice("I\u200b"), "invoice_id"),
    "id-is-a-number": ({**invoice(), "invoice_id": 7}, "invoice_id"),
    "version-missing": ({**invoice(), "version": None}, "version"),
    "version-below-zero": (invoice(version=-1), "version"),
    "version-too-large": (invoice(version=2**53), "version"),
    "version-in-text": ({**invoice(), "version": "1"}, "version"),
    "version-is-true": ({**invoice(), "version": True}, "version"),
    "no-amount": (WITHOUT_AMOUNT, "amount"),
    "amount-a-number": ({**invoice(), "amount": 40}, "amount"),
    "amount-below-zero": (invoice("I", "-1"), "amount.amount"),
    "amount-in-numbers": (
        {**invoice(), "amount": {"amount": 1, "currency": "CNY"}},
        "amount.amount",
    ),
    "three-digits-of-yuan": (invoice("I", "1.001"), "amount.amount"),
    "digits-of-yen": ({**invoice(), "amount": money("1.0", "JPY")}, "amount.amount"),
    "too-large": (invoice("I", "10000000000000.01"), "amount.amount"),
    "currency-of-nobody": ({**invoice(), "amount": money("1", "XXX")}, "amount.currency"),
    "currency-missing": ({**invoice(), "amount": {"amount": "1"}}, "amount.currency"),
    "more-in-money": ({**invoice(), "amount": {**money("1"), "tax": "0"}}, "amount.tax"),
    "no-such-day": (invoice(issue_date="2026-02-29"), "issue_date"),
    "day-in-other-words": (invoice(issue_date="20260501"), "issue_date"),
    "day-too-early": (invoice(issue_date="1969-12-31"), "issue_date"),
    "day-too-late": (invoice(due_date="2101-01-01"), "due_date"),
    "time-without-offset": ({**invoice(), "occurred_at": "2026-06-10T08:00:00"}, "occurred_at"),
    "time-is-a-day": ({**invoice(), "occurred_at": "2026-06-10"}, "occurred_at"),
    "time-too-early": ({**invoice(), "occurred_at": "1969-12-31T23:59:59Z"}, "occurred_at"),
    "status-unknown": (order(status="DONE"), "status"),
    "status-missing": ({**order(), "status": None}, "status"),
    "lines-no-array": ({**invoice(), "lines": {}}, "lines"),
    "line-unknown-field": (invoice("I", "40", line("1", tax="0")), "lines[0].tax"),
    "final-in-text": (invoice("I", "40", line("1", final="yes")), "lines[0].final"),
    "more-than-1000-lines": (invoice("I", "40", *[line("0")] * 1001), "lines"),
    "note-kind-unknown": (pay(note={**BILL, "kind": "CASH"}), "note.kind"),
    "note-no-object": (pay(note="N"), "note"),
    "note-status-open": (fact("note", "N", status="OPEN"), "status"),
    "dispute-open-missing": ({**fact("dispute", "I", open=True), "open": None}, "open"),
    "allocation-without-invoice": (pay("P", "40", line("1")), "allocations[0].invoice_id"),
}

BEYOND: dict[str, tuple[Fact, str]] = {
    "due-before-issue": (invoice(due_date="2026-04-30"), "due_date"),
    "lines-one-cent-over": (invoice("I", "40", of("O", "40.01")), "lines"),
    "line-in-another-currency": (
        invoice("I", "40", line("1", "USD", order_id="O")),
        "lines[0].amount.currency",
    ),
    "allocations-one-cent-over": (pay("P", "40", to("I", "40"), to("J", "0.01")), "allocations"),
    "allocation-in-another-currency": (
        pay("P", "40", line("1", "USD", invoice_id="I")),
        "allocations[0].amount.currency",
    ),
    "discount-in-another-currency": (
        pay("P", "40", to("I", "1", discount=money("1", "USD"))),
        "allocations[0].discount.currency",
    ),
}
"""What no schema says: fields that do not fit each other."""


@pytest.mark.parametrize("name", GOOD)
def test_what_the_contract_says_is_read(name: str) -> None:
    told = GOOD[name]
    event = parse_event(told)
    assert (event.kind, event.version) == (told["type"], told["version"])
    assert orjson.loads(event.payload) == told
    FACT.validate_python(told)


@pytest.mark.parametrize("amount", ["0", "40"])
def test_what_is_taken_back_is_of_no_part(amount: str) -> None:
    """Who takes a document back repeats its parts; that it is of none is no other content."""
    bill = parse_event(invoice("I", amount, of("O", "40"))).body
    paid = parse_event(pay("P", amount, to("I", "40"))).body
    assert isinstance(bill, InvoiceBody)
    assert isinstance(paid, PaymentBody)
    assert (len(bill.lines), len(paid.allocations)) == ((0, 0) if amount == "0" else (1, 1))


@pytest.mark.parametrize("name", BAD)
def test_what_it_does_not_say_is_refused(name: str) -> None:
    told, field = BAD[name]
    with pytest.raises(FieldError) as refused:
        parse_event(told)
    assert refused.value.field == field
    with pytest.raises(ValidationError):
        FACT.validate_python(told)


@pytest.mark.parametrize("name", BEYOND)
def test_what_does_not_fit_is_refused(name: str) -> None:
    told, field = BEYOND[name]
    with pytest.raises(FieldError) as refused:
        parse_event(told)
    assert refused.value.field == field


def test_the_examples_of_openapi_are_read() -> None:
    kinds = set()
    for model in FactIn.__subclasses__():
        example = model.model_json_schema()["examples"][0]
        kinds.add(parse_event(example).kind)
    assert len(kinds) == 8


def test_ids_versions_and_dates_are_those_of_the_wire() -> None:
    assert facts_fields.PRINTABLE == wire.PRINTABLE
    assert facts_fields.MOST_VERSION == wire.MOST_VERSION
    assert (facts_fields.FIRST_DATE, facts_fields.LAST_DATE) == (wire.FIRST_DATE, wire.LAST_DATE)


def test_an_invoice_is_read_whole() -> None:
    told = invoice("I", "40", of("O", "30", final=True), line("10", delivery_id="D"))
    assert parse_event(told).body == InvoiceBody(
        4000,
        "CNY",
        date(2026, 5, 1),
        date(2026, 6, 30),
        (Line("O", None, 3000, final=True), Line(None, "D", 1000, final=False)),
    )


def test_a_payment_is_read_whole() -> None:
    told = pay("P", "40", to("I", "30", discount=money("1")), note=BILL, status="PROVISIONAL")
    assert parse_event({**told, "expires_at": "2026-07-01T08:00:00+08:00"}).body == PaymentBody(
        4000,
        "CNY",
        date(2026, 6, 1),
        "PROVISIONAL",
        datetime(2026, 7, 1, tzinfo=UTC),
        (Allocation("I", 3000, 100),),
        NoteTerms("N", "BANK", date(2026, 9, 30)),
    )


def digests(told: Fact) -> tuple[bytes, bytes]:
    event: Event = parse_event(told)
    return event.content, event.digest


SAME: dict[str, Fact] = {
    "digits": invoice("I", "40.00"),
    "occurred": {**invoice(), "occurred_at": "2030-01-01T00:00:00Z"},
    "source": {**invoice(), "source": "other", "event_id": "x"},
    "nulls": {**invoice(), "lines": None},
}


@pytest.mark.parametrize("name", SAME)
def test_what_is_not_content(name: str) -> None:
    assert digests(SAME[name]) == digests(invoice())


def test_what_is_content() -> None:
    told = digests(invoice())
    assert digests(invoice("I", "40", of())) != told
    assert digests(invoice(due_date="2026-07-01")) != told
    assert digests(invoice(version=2)) == (told[0], digests(invoice(version=2))[1])
    assert digests(invoice(version=2))[1] != told[1]
    assert digests(invoice(customer_id="bert"))[1] != told[1]


@pytest.mark.parametrize(
    ("size", "taken"),
    [
        pytest.param(0, False, id="none"),
        pytest.param(1, True, id="one"),
        pytest.param(MOST_EVENTS, True, id="5000"),
        pytest.param(MOST_EVENTS + 1, False, id="5001"),
    ],
)
def test_how_many_events_a_batch_has(size: int, taken: bool) -> None:
    batch = [invoice()] * size
    if taken:
        assert len(parse_events(batch)) == size
    else:
        with pytest.raises(FieldError) as refused:
            parse_events(batch)
        assert refused.value.field == "events"


def test_the_path_of_a_fault_says_which_event() -> None:
    wrong = {**invoice(), "amount": money("1", "XXX")}
    with pytest.raises(FieldError) as refused:
        parse_events([invoice(), wrong])
    assert refused.value.field == "events[1].amount.currency"
