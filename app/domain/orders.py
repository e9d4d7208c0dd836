"""An order as the credit desk sees it: what is reserved for it and what its facts carry.

All amounts are minor units of the order's currency.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from app.domain.values import quick

State = Literal["NONE", "LIVE", "RELEASED", "EXPIRED"]
HoldKind = Literal["AUTOMATIC", "FORCED"]


@quick
@dataclass(frozen=True, slots=True)
class OrderUse:
    """What facts say of one order for one payer in one currency."""

    delivered: int = 0
    invoiced: int = 0

    @property
    def carried(self) -> int:
        """What needs no reservation any more: the larger of delivered and invoiced."""
        return max(self.delivered, self.invoiced)

    @property
    def open_delivery(self) -> int:
        """What was delivered and not yet invoiced."""
        return max(0, self.delivered - self.invoiced)


@quick
@dataclass(frozen=True, slots=True)
class Order:
    """The root that is locked first. `authorized` is the whole value, `reserved` what is left.

    `version` is the newest seen in asks and facts; `closed_version` that of the closing fact.
    Until `released_until` (inclusive) the order passes up to `released_max`: a person said so.
    Before `counts_from` (a business date; None: it counts) nothing is reserved for a live order;
    one that began to count by itself, or that facts recorded or raised, is `untested` until an ask
    holds it to the limits.
    """

    segment_id: str
    order_id: str
    account_id: int
    currency: str
    version: int | None = None
    closed_version: int | None = None
    authorization_id: str | None = None
    state: State = "NONE"
    authorized: int = 0
    reserved: int = 0
    expires_at: datetime | None = None
    authorized_at: datetime | None = None
    released_max: int | None = None
    released_until: datetime | None = None
    rejected: bool = False
    hold_id: str | None = None
    hold_kind: HoldKind | None = None
    counts_from: date | None = None
    untested: bool = False

    def lives(self, at: datetime) -> bool:
        """Tell whether it is authorized at a moment, its expiry included, swept or not."""
        return self.state == "LIVE" and (self.expires_at is None or at <= self.expires_at)

    def left(self, use: OrderUse) -> int:
        """Say what must be reserved now: nothing unless live and counting, else what is uncarried.

        Carried is what facts account for.
        """
        if self.state != "LIVE" or self.counts_from is not None:
            return 0
        return max(0, self.authorized - use.carried)

    @property
    def status(self) -> Literal["OPEN", "CONSUMED", "RELEASED", "EXPIRED"] | None:
        """The authorization's status on the wire; None where there never was one."""
        match self.state:
            case "NONE":
                return None
            case "LIVE":
                return "OPEN" if self.reserved or self.counts_from else "CONSUMED"
            case "RELEASED" | "EXPIRED":
                return self.state
