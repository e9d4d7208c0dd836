"""What a decision is made of: the question, the situation it is asked in, and the judgement.

Amounts are minor units; of the order's currency where they belong to the order, of the account's
where they belong to an account.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Literal

from app.domain.accounts import Account, Kind
from app.domain.money import Money, Rate
from app.domain.orders import Order, OrderUse
from app.domain.rules import Fired, Outcome
from app.domain.values import quick

CheckPoint = Literal["QUOTE", "ORDER", "DELIVERY", "GOODS_ISSUE", "INVOICE"]
Mode = Literal["OFF", "SHADOW", "WARN", "ENFORCE"]
OrderType = Literal["sale", "return", "internal"]


@quick
@dataclass(frozen=True, slots=True)
class Question:
    """May this order go? `amount` is the whole value of the order as it stands.

    `expires_in` are seconds (None: until released); those of the check point, as nobody said any,
    where `expires_by_default`, which only an ask with a ship date tells.

    `order_pd_ppm` is the order's probability of default, in millionths, as it was computed before
    the question was decided; None: not known. `order_pd_model` is the version that said so, name
    and number.
    """

    customer_id: str
    segment_id: str
    check_point: CheckPoint
    order_id: str
    amount: Money
    version: int | None = None
    order_type: OrderType = "sale"
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    delivery_id: str | None = None
    payment_terms_days: int | None = None
    ship_date: date | None = None
    expires_in: int | None = None
    order_pd_ppm: int | None = None
    order_pd_model: tuple[str, int] | None = None
    expires_by_default: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Overdue:
    """What is past due: minor units by currency, open items by currency, days of the oldest."""

    amounts: Mapping[str, int]
    open_items: Mapping[str, int]
    days: int


@quick
@dataclass(frozen=True, slots=True)
class Inputs:
    """Slow inputs, stored once by version: master data and the last score (as JSON).

    `more` is all of them as they are stored: master data that only some policies read.
    """

    version: int
    active: bool
    score: Mapping[str, Any] | None
    more: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@quick
@dataclass(frozen=True, slots=True)
class Situation:
    """Everything a judgement rests on, as it stood under the lock.

    `accounts` holds the payer's account first, then its groups upwards; `freed` those of another
    payer that the order leaves. `rates` maps an account currency to the rate from the order's
    currency (absent: none is stored, or none is needed). `ledger_at` is the last report of facts.
    `releasing`: a person releases the order with this very question, up to its `released_max`.
    `horizon_days`: an order that ships later than so many days after `today` does not count yet.
    """

    at: datetime
    today: date
    mode: Mode
    accounts: tuple[Account, ...]
    inputs: Inputs
    overdue: Overdue
    order: Order | None = None
    use: OrderUse = field(default_factory=OrderUse)
    freed: tuple[Account, ...] = ()
    rates: Mapping[str, Rate] = field(default_factory=lambda: MappingProxyType({}))
    ledger_at: datetime | None = None
    releasing: bool = False
    horizon_days: int | None = None


@quick
@dataclass(frozen=True, slots=True)
class Figures:
    """One account as the order meets it, its own reservation left out; the account's currency.

    `room` is in the order's currency: how much of it still fits, negative where the account is
    over already, None where nothing limits it.
    """

    account: Account
    bare: Account
    needed: int
    ceiling: int | None
    room: int | None
    fx_missing: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Judgement:
    """What was decided, and what becomes of order and accounts.

    `tested` are all accounts that the order must fit, `binding` the tightest of them. `order` is
    None where nothing becomes of it. `let_go`: it is let go without an authorization, whatever it
    has from before. `after` are the accounts that change, with the kind of their journal entry;
    empty wherever nothing is reserved or freed. `ceilings` maps account ids to the ceiling that a
    grant rested on.
    """

    outcome: Outcome
    judged: Outcome
    reasons: tuple[Fired, ...]
    warnings: tuple[Fired, ...]
    binding: Figures
    ship_up_to: int
    order: Order | None
    after: tuple[tuple[Account, Kind], ...] = ()
    ceilings: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    degraded: tuple[str, ...] = ()
    tested: tuple[Figures, ...] = ()
    let_go: bool = False

    @property
    def lets_pass(self) -> bool:
        """Whether it authorizes the order."""
        return self.outcome == "APPROVE" and self.order is not None and not self.let_go
