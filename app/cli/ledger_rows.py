"""An accounts-receivable ledger: a row an invoice, and the ledger events each row stands for.

A file has no history, so each run says only what it knows. The invoice event of a row is the same
whether the row is open or paid, and event ids come from the content: a second run repeats them, a
row paid since adds its payment. A row whose invoice changed is another content under the same
`version` (1 without that column): the ledger quarantines it, and the user either finds the slip or
raises the row's `version`. A payment taken back cannot be told by a file: a row that is open again
is refused (`contradiction`), as is one that would pay an invoice twice.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from app.cli.tables_fields import ID_LENGTH, Fields
from app.cli.tables_shape import Columns
from app.domain.errors import FieldError
from app.domain.money import Money
from app.store.facts_seen import Seen

NAME_LENGTH: Final = 200
COUNTRY_LENGTH: Final = 64
MAX_VERSION: Final = 2**31 - 1

LEDGER_COLUMNS: Final = Columns(
    required=(
        "customer_id",
        "invoice_id",
        "issue_date",
        "due_date",
        "amount",
        "currency",
        "paid_date",
    ),
    optional=("customer_name", "country", "disputed", "order_id", "version"),
    aliases={
        "客户编号": "customer_id",
        "客户名称": "customer_name",
        "发票号": "invoice_id",
        "开票日期": "issue_date",
        "到期日": "due_date",
        "金额": "amount",
        "币种": "currency",
        "付款日期": "paid_date",
        "国家": "country",
        "争议": "disputed",
        "订单号": "order_id",
    },
)


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One invoice of a ledger; `paid_date` None: open. `disputed` None: the file does not say."""

    customer_id: str
    invoice_id: str
    issue_date: date
    due_date: date
    amount: Money
    paid_date: date | None = None
    disputed: bool | None = None
    customer_name: str = ""
    country: str = ""
    order_id: str = ""
    version: int = 1


def parse_ledger_row(row: Mapping[str, str]) -> LedgerRow:
    """Read a row under the contract's column names.

    Raises:
        RowRefusedError: All that is wrong with it, a FieldError each.

    """
    fields = Fields(row)
    parsed = LedgerRow(
        customer_id=fields.id("customer_id"),
        invoice_id=fields.id("invoice_id"),
        issue_date=fields.day("issue_date"),
        due_date=fields.day("due_date"),
        amount=fields.money("amount", "currency", 1),
        paid_date=fields.day_or_none("paid_date"),
        disputed=fields.truth("disputed"),
        customer_name=fields.text("customer_name", NAME_LENGTH),
        country=fields.text("country", COUNTRY_LENGTH),
        order_id=fields.id("order_id", needed=False),
        version=fields.count("version", 1, MAX_VERSION) or 1,
    )
    _check_order(fields, parsed)
    fields.check()
    return parsed


def _check_order(fields: Fields, row: LedgerRow) -> None:
    """Note dates before the invoice's own; a date already found wrong keeps its first fault."""
    if fields.failed("issue_date"):
        return
    if row.due_date < row.issue_date:
        fields.fault("due_date", f"{row.due_date} is before issue_date {row.issue_date}")
    if row.paid_date is not None and row.paid_date < row.issue_date:
        fields.fault("paid_date", f"{row.paid_date} is before issue_date {row.issue_date}")


def row_events(row: LedgerRow, *, source: str, segment: str) -> list[dict[str, Any]]:
    """Write the events of a row: the invoice, and what is known of its payment and dispute.

    `disputed` true opens the dispute. False closes one only under a `version` above 1: under the
    first there is nothing to close, and an event that says so would stand in the way of a dispute
    to come.
    """
    events = [_event(row, "invoice", row.issue_date, _invoice(row))]
    if row.paid_date is not None:
        events.append(_event(row, "payment", row.paid_date, _payment(row)))
    if row.disputed or (row.disputed is False and row.version > 1):
        dispute = {"invoice_id": row.invoice_id, "open": row.disputed}
        events.append(_event(row, "dispute", row.issue_date, dispute))
    for event in events:
        event |= {"source": source, "segment": segment}
        event["event_id"] = _event_id(event)
    return events


def _invoice(row: LedgerRow) -> dict[str, Any]:
    body: dict[str, Any] = {
        "invoice_id": row.invoice_id,
        "amount": _money(row.amount),
        "issue_date": row.issue_date.isoformat(),
        "due_date": row.due_date.isoformat(),
    }
    if row.order_id:
        body["lines"] = [{"order_id": row.order_id, "amount": _money(row.amount)}]
    return body


def _payment(row: LedgerRow) -> dict[str, Any]:
    return {
        "payment_id": payment_id(row.invoice_id),
        "amount": _money(row.amount),
        "paid_date": str(row.paid_date),
        "allocations": [{"invoice_id": row.invoice_id, "amount": _money(row.amount)}],
    }


def payment_id(invoice_id: str) -> str:
    """Name the payment that a ledger row only implies: `paid:<invoice_id>`, hashed if too long."""
    plain = f"paid:{invoice_id}"
    if len(plain) <= ID_LENGTH:
        return plain
    return f"paid:#{_digest(invoice_id)}"


def contradiction(row: LedgerRow, seen: Seen) -> FieldError | None:
    """Say how a row speaks against what is held of its invoice, where its events could not.

    Events are named by their content and versions are the row's: what was sent before is a
    duplicate, and an invoice that something else paid would be paid twice.
    """
    own = payment_id(row.invoice_id)
    version, amount = seen.own or (0, 0)
    if row.paid_date is None and amount:
        return FieldError(
            f"is empty, but the invoice is paid here by {own!r}: a payment taken back is its next"
            f" version, {version + 1} or more, with amount 0 (POST /v1/ledger-events)",
            "paid_date",
        )
    if row.paid_date is not None and not amount:
        if seen.own is not None and version >= row.version:
            return FieldError(
                f"{own!r} was taken back here by version {version}; to pay it again raise the"
                f" row's version above that",
                "version",
            )
        if (other := seen.others.get(row.amount.currency)) is not None:
            return FieldError(
                f"the invoice is already settled by {other}, in part or in whole: paid once more"
                " it would be a prepayment",
                "paid_date",
            )
    if row.disputed is False and row.version == 1 and seen.disputed:
        return FieldError(
            "is false, but the invoice is disputed here: raise the row's version to withdraw it",
            "disputed",
        )
    return None


def new_customer(row: LedgerRow) -> dict[str, str]:
    """Write the body of `PUT /v1/customers/{customer_id}` for a customer not yet known.

    Its name is its id where the ledger has none. `country` is left out unless it looks like
    ISO 3166 (two capitals): a ledger's own country codes mean nothing elsewhere.
    """
    body = {"name": row.customer_name or row.customer_id, "currency": row.amount.currency}
    country = row.country
    if len(country) == len("CN") and country.isascii() and country.isalpha() and country.isupper():
        body["country"] = country
    return body


def _event(row: LedgerRow, kind: str, day: date, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": kind,
        "customer_id": row.customer_id,
        "occurred_at": f"{day.isoformat()}T00:00:00Z",
        "version": row.version,
        **body,
    }


def _event_id(event: Mapping[str, Any]) -> str:
    """Name an event by its content (source, segment and document are part of it)."""
    text = json.dumps(event, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"{event['type']}-{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:48]


def _money(money: Money) -> dict[str, str]:
    return {"amount": money.text, "currency": money.currency}
