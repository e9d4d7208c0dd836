"""The work list on the wire: filters, sorting, cursors."""

import re
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import Field

from app.api.pages import id_of, moment_after
from app.api.wire import Id, Instant, Page, QueryInt, encode_cursor
from app.domain.errors import FieldError
from app.domain.holds import After, HoldFilter, Kind, OrderHold, Sort, Status
from app.domain.money import DIGITS

_AMOUNT: Final = r"^(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,3})?$"
_SORTED_BY: Final = re.compile(r"-1|\d{1,18}(?:\.\d{1,3})?", re.ASCII)
_MOST_AGE_S: Final = 10 * 366 * 86_400


class HoldQuery(Page):
    """Which holds; who polls takes `updated_since` a minute before the newest one seen.

    `sort`: `updated_at` (what changed longest ago first), `opened_at` (the oldest first) or
    `amount` (the largest first, in the order's own currency). `older_than` are seconds.
    `min_amount` is a decimal in the order's own currency; `currency` says which orders are meant.
    """

    sort: Sort = "updated_at"
    status: Status | None = None
    kind: Kind | None = None
    owner: Id | None = None
    segment: Id | None = None
    customer_id: Id | None = None
    order_id: Id | None = None
    reason: Id | None = None
    min_amount: Annotated[str, Field(max_length=20, pattern=_AMOUNT)] | None = None
    currency: Annotated[str, Field(json_schema_extra={"enum": [*sorted(DIGITS)]})] | None = None
    older_than: Annotated[QueryInt, Field(ge=0, le=_MOST_AGE_S)] | None = None
    updated_since: Instant | None = None
    escalated_to: Id | None = None
    proposed: Literal["true", "false"] | None = None

    def to_filter(self) -> HoldFilter:
        """Ask for one more than is shown, to see whether there is more.

        Raises:
            FieldError: The cursor is none of this list's, or no such currency exists.

        """
        if self.currency is not None and self.currency not in DIGITS:
            raise FieldError(
                f"{self.currency[:10]!r} is not an ISO 4217 currency in circulation", "currency"
            )
        names = ("sort", "status", "kind", "owner", "segment", "customer_id", "order_id", "reason")
        more = ("currency", "updated_since", "escalated_to")
        return HoldFilter(
            most=self.limit + 1,
            after=self._after(),
            least=None if self.min_amount is None else Decimal(self.min_amount),
            older_than_s=self.older_than,
            proposed=None if self.proposed is None else self.proposed == "true",
            **{name: getattr(self, name) for name in names + more},
        )

    def _after(self) -> After | None:
        if self.sort != "amount":
            return moment_after(self)
        key = self.after(str, str)
        if key is None:
            return None
        if not _SORTED_BY.fullmatch(key[0]):
            raise FieldError("is not a cursor of this list", "cursor")
        return Decimal(key[0]), id_of(key[1])


def cursor_after(hold: OrderHold, sort: Sort) -> str:
    """Make the cursor that goes on after a hold."""
    if sort == "amount":
        value = "-1" if hold.amount is None else hold.amount.text
    else:
        value = (hold.updated_at if sort == "updated_at" else hold.opened_at).isoformat()
    return encode_cursor((value, hold.hold_id))
