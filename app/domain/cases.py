"""A question held against its situation: what is reserved, what is needed, what fits where."""

from dataclasses import dataclass, field

from app.domain.accounts import Account, Use, force
from app.domain.decisions import Figures, Question, Situation
from app.domain.horizons import counts_from
from app.domain.money import Rate, convert
from app.domain.orders import Order
from app.domain.rules import RuleSet


@dataclass(slots=True)
class Case:
    """The question against the situation, with what both follow from."""

    question: Question
    situation: Situation
    rules: RuleSet
    order: Order | None = field(init=False)
    """The order as it stands; None for a new one."""
    same_grant: bool = field(init=False)
    """Whether the order's reservation is this payer's, in this currency."""
    tested: int = field(init=False)
    """Up to which amount this very grant was held to the limits, or is let pass to this day."""
    reserved: int = field(init=False)
    """What is already reserved for this very grant, and need not be tested again."""
    needed: int = field(init=False)
    """What must be reserved now: the order's value less what facts carry.

    Nothing for returns, and for what does not count yet.
    """
    tests_limits: bool = field(init=False)
    """Whether limits are asked: goods would leave that no ask was held to them for.

    What was billed before it is delivered needs nothing more, and is no reason to let it go.
    """

    def __post_init__(self) -> None:
        """Work out once what every step asks for."""
        question, order = self.question, self.situation.order
        same = (
            order is not None
            and order.account_id == self.situation.accounts[0].account_id
            and order.currency == question.amount.currency
        )
        counts = question.order_type == "sale" and counts_from(question, self.situation) is None
        use, minor = self.situation.use, question.amount.minor
        self.order, self.same_grant = order, same
        self.needed = max(0, minor - use.carried) if counts else 0
        self.tested = self.reserved = 0
        # what began to count by itself was never held to a limit: the next ask tests all of it
        if order is not None and same and not order.untested and self._stands(order):
            self.tested, self.reserved = order.authorized, order.reserved
        self.tests_limits = counts and minor > max(self.tested, use.delivered)

    def _stands(self, order: Order) -> bool:
        """Tell whether an authorization still is one, and rests on no release that has ended."""
        return order.lives(self.situation.at) and self.release_lasts(order)

    @property
    def payer(self) -> Account:
        """The account of the customer who shall pay."""
        return self.situation.accounts[0]

    @property
    def released(self) -> bool:
        """Whether a person lets the order pass, up to this amount and until now at least."""
        order = self.order
        if order is None or order.released_max is None:
            return False
        within = self.question.amount.minor <= order.released_max
        return within and self.release_lasts(order)

    def release_lasts(self, order: Order) -> bool:
        """Tell whether the order was never released by a person, or that release still holds.

        Without an end of its own it ends as the grant does.
        """
        if order.released_max is None or self.situation.releasing:
            return True
        at, until = self.situation.at, order.released_until
        return self.same_grant and (order.lives(at) if until is None else at <= until)

    @property
    def delivered_invoice(self) -> bool:
        """Whether this only bills goods that have left."""
        delivered = self.situation.use.delivered
        return self.question.check_point == "INVOICE" and self.question.amount.minor <= delivered

    def bare(self, account: Account) -> Account:
        """Give the account without the order's own reservation."""
        order = self.order
        if order is None or not order.reserved:
            return account
        holders = self.situation.freed or self.situation.accounts
        if all(held.account_id != account.account_id for held in holders):
            return account
        return force(account, order.currency, Use(authorized=-order.reserved), None)

    def rate(self, account: Account) -> Rate | None:
        """Give the rate from the order's currency to an account's; None: none stored or needed."""
        return self.situation.rates.get(account.currency)

    def tests(self, account: Account) -> bool:
        """Whether the order must fit here: its own account, and every group ever given a limit."""
        return account.account_id == self.payer.account_id or account.has_limit

    def lacks_rate(self, account: Account) -> bool:
        """Whether something must be reserved here that no fresh rate values."""
        foreign = self.question.amount.currency != account.currency
        return foreign and self.needed > 0 and self.rate(account) is None

    def booking_rate(self, account: Account) -> Rate | None:
        """Give the rate to book by: a fresh one, else that of the position that is there."""
        held = account.foreign.get(self.question.amount.currency)
        return self.rate(account) or (held.rate if held else None)

    @property
    def unbookable(self) -> bool:
        """Whether more is to be reserved somewhere than can be valued."""
        if self.needed <= self.reserved:
            return False
        return True in [self.lacks_rate(account) for account in self.situation.accounts]

    def ceiling(self, account: Account) -> int | None:
        """Up to where a grant may go: effective limit and tolerance; None where unlimited."""
        if account.unlimited:
            return None
        return self.rules.ceiling(account.limit_minor or 0)

    def figures(self, account: Account) -> Figures:
        """Say how the order meets one account."""
        bare, ceiling = self.bare(account), self.ceiling(account)
        if account.currency == self.question.amount.currency:
            room = None if ceiling is None else ceiling - bare.use.total
            return Figures(account, bare, self.needed, ceiling, room)
        if self.lacks_rate(account):
            none = None if ceiling is None else 0
            return Figures(account, bare, 0, ceiling, none, fx_missing=True)
        needed = self.with_need(bare).use.total - bare.use.total
        room = None if ceiling is None else self._room(bare, ceiling)
        return Figures(account, bare, needed, ceiling, room)

    def with_need(self, bare: Account) -> Account:
        """Add what must be reserved, at a fresh rate, to an account without the order's own."""
        if not self.needed:
            return bare
        need = Use(authorized=self.needed)
        return force(bare, self.question.amount.currency, need, self.rate(bare))

    def _room(self, bare: Account, ceiling: int) -> int:
        """How much of another currency fits under a ceiling of the account's, exactly."""
        currency, rate = self.question.amount.currency, self.rate(bare)
        if rate is None:
            return 0
        # a position is rounded as a whole, so what fits is the most it may become, less itself
        bare = force(bare, currency, Use(), rate)
        reserved = bare.position(currency).authorized
        factor = rate.factor(currency, bare.currency)
        most = convert(reserved, factor, up=True) + ceiling - bare.use.total
        return convert(most, 1 / factor, up=False) - reserved
