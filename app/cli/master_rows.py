"""Master data and limits from a file: a row is the body of the same request over HTTP.

An empty cell leaves its field out of the body, which clears what a PUT replaces; a column that the
file lacks is not spoken of at all, see `CustomerRow.keeps`. Whether a USCC's check
digit holds, a parent exists or a country is known is for the use case to say; here only the shape
is read.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.cli.tables_fields import ID_LENGTH, Fields, is_printable, rewritten
from app.cli.tables_shape import Columns
from app.domain.money import Money

NAME_LENGTH: Final = 200
TEXT_LENGTH: Final = 64
REASON_LENGTH: Final = 500
MAX_TERMS_DAYS: Final = 3650

KINDS: Final = ("company", "sole_trader", "person")
SIZES: Final = ("LARGE", "MEDIUM", "SMALL", "MICRO")
REPLACED: Final = ("kind", "country", "uscc", "lei", "industry", "since", "active", "size")
"""Fields of a customer that a PUT replaces even where it does not name them."""

LIMIT_KINDS: Final = ("base", "temporary")

CUSTOMER_COLUMNS: Final = Columns(
    required=("customer_id", "name"),
    optional=(
        "kind",
        "country",
        "uscc",
        "lei",
        "industry",
        "parent_id",
        "since",
        "active",
        "size",
        "aliases",
        "currency",
        "payment_terms_days",
        "owner",
    ),
    aliases={
        "客户编号": "customer_id",
        "客户名称": "name",
        "国家": "country",
        "统一社会信用代码": "uscc",
        "行业": "industry",
        "企业规模": "size",
        "上级客户编号": "parent_id",
        "币种": "currency",
        "账期": "payment_terms_days",
        "信用专员": "owner",
    },
)

LIMIT_COLUMNS: Final = Columns(
    required=("customer_id", "limit", "currency"),
    optional=("kind", "unlimited", "valid_from", "valid_to", "reason", "segment"),
    aliases={
        "客户编号": "customer_id",
        "信用额度": "limit",
        "币种": "currency",
        "生效日期": "valid_from",
        "失效日期": "valid_to",
        "原因": "reason",
    },
)

_USCC: Final = re.compile(r"[0-9A-HJ-NPQRTUWXY]{18}", re.ASCII)
_LEI: Final = re.compile(r"[0-9A-Z]{18}[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer; `body` is what `PUT /v1/customers/{customer_id}` takes.

    `keeps` are fields that a PUT would clear or give their default though the file has no such
    column: who is known keeps them. An empty `active` lets nobody in or out either.
    """

    customer_id: str
    body: dict[str, Any]
    keeps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A limit; `body` is what `POST /v1/customers/{customer_id}/limits` takes."""

    customer_id: str
    body: dict[str, Any]

    @property
    def key(self) -> str:
        """The first Idempotency-Key of the row: made of its content, a second run repeats it."""
        text = json.dumps([self.customer_id, self.body], sort_keys=True, ensure_ascii=False)
        return f"import-limit-{hashlib.sha256(text.encode()).hexdigest()}"


def parse_customer_row(row: Mapping[str, str]) -> CustomerRow:
    """Read a customer. An empty `parent_id` keeps the parent it has; HTTP's null clears it.

    Raises:
        RowRefusedError: All that is wrong with the row, a FieldError each.

    """
    fields = Fields(row)
    customer_id = fields.id("customer_id")
    if not fields.raw("name"):
        fields.fault("name", "is empty")
    since = fields.day_or_none("since")
    found: dict[str, Any] = {
        "name": fields.text("name", NAME_LENGTH),
        "kind": fields.one_of("kind", KINDS),
        "country": fields.text("country", TEXT_LENGTH),
        "uscc": _shaped(fields, "uscc", _USCC),
        "lei": _shaped(fields, "lei", _LEI),
        "industry": fields.text("industry", TEXT_LENGTH),
        "parent_id": _parent(fields, customer_id),
        "since": since.isoformat() if since else "",
        "active": fields.truth("active"),
        "size": fields.one_of("size", SIZES),
        "aliases": _aliases(fields, customer_id),
        "currency": fields.currency("currency"),
        "payment_terms_days": fields.count("payment_terms_days", 0, MAX_TERMS_DAYS),
        "owner": fields.text("owner", TEXT_LENGTH),
    }
    fields.check()
    keeps = [name for name in REPLACED if name not in row]
    if "active" in row and not fields.raw("active"):
        keeps.append("active")
    return CustomerRow(customer_id, _given(found), tuple(keeps))


def parse_limit_row(row: Mapping[str, str]) -> LimitRow:
    """Read a limit: an amount (0 grants no credit) or `unlimited`, never neither and never both.

    Raises:
        RowRefusedError: All that is wrong with the row, a FieldError each.

    """
    fields = Fields(row)
    customer_id = fields.id("customer_id")
    kind = fields.one_of("kind", LIMIT_KINDS) or "base"
    unlimited = fields.truth("unlimited")
    valid_from, valid_to = fields.day_or_none("valid_from"), fields.day_or_none("valid_to")
    found: dict[str, Any] = {
        "kind": kind,
        "limit": None if unlimited else _limit(fields),
        "unlimited": unlimited or None,
        "valid_from": valid_from.isoformat() if valid_from else "",
        "valid_to": valid_to.isoformat() if valid_to else "",
        "reason": fields.prose("reason", REASON_LENGTH),
        "segment": fields.id("segment", needed=False),
    }
    if unlimited:
        fields.currency("currency")
    if unlimited and fields.raw("limit"):
        fields.fault("limit", "must be empty where unlimited is true")
    if valid_from and valid_to and valid_to < valid_from:
        fields.fault("valid_to", f"{valid_to} is before valid_from {valid_from}")
    if kind == "temporary" and not fields.raw("valid_to"):
        fields.fault("valid_to", "is empty; a temporary limit must end")
    fields.check()
    return LimitRow(customer_id, _given(found))


def _limit(fields: Fields) -> dict[str, str]:
    if not fields.raw("limit"):
        fields.fault("limit", "is empty; 0 grants no credit, unlimited=true any")
    money: Money = fields.money("limit", "currency", 0)
    if fields.failed("limit") or fields.failed("currency"):
        return {}
    return {"amount": money.text, "currency": money.currency}


def _given(found: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what the file does not say; false and 0 are said."""
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def _shaped(fields: Fields, name: str, shape: re.Pattern[str]) -> str:
    text = fields.raw(name)
    if text and not shape.fullmatch(text):
        fields.fault(name, f"{text[:40]!r} has not the form of a {name.upper()}")
    return text


def _parent(fields: Fields, customer_id: str) -> str:
    parent_id = fields.id("parent_id", needed=False)
    if parent_id and parent_id == customer_id:
        fields.fault("parent_id", "is the customer itself")
    return parent_id


def _aliases(fields: Fields, customer_id: str) -> list[str]:
    """Read ids separated by `|`; blanks around them and empty ones do not count."""
    aliases = [text for part in fields.raw("aliases").split("|") if (text := part.strip())]
    for alias in aliases:
        if len(alias) > ID_LENGTH or not is_printable(alias):
            fields.fault("aliases", f"{alias[:40]!r} is not an id of 1 to 64 printable characters")
        elif why := rewritten(alias):
            fields.fault("aliases", why)
    if len(set(aliases)) < len(aliases) or customer_id in aliases:
        fields.fault("aliases", "an id is named twice, or is the customer's own")
    return aliases
