"""A question held against its situation: what is reserved, what is needed, what fits where."""

from dataclasses import dataclass
from fractions import Fraction

from app.domain.accounts import Account, Use, force
from app.domain.decisions import Figures, Question, Situation
from app.domain.money import Rate, convert
from app.domain.orders import Order
from app.domain.rules import RuleSet


@dataclass(frozen=True, slots=True)
class Case:
    """The question against the situation, with what both follow from."""

    question: Question
    situation: Situation
    rules: RuleSet

    @property
    def order(self) -> Order | None:
        """The order as it stands; None for a new one."""
        return self.situation.order

    @property
    def payer(self) -> Account:
        """The account of the customer who shall pay."""
        return self.situation.accounts[0]

    @property
    def same_grant(self) -> bool:
        """Whether the order's reservation is this payer's, in this currency."""
        return (
            self.order is not None
            and self.order.account_id == self.payer.account_id
            and self.order.currency == self.question.amount.currency
        )

    @property
    def reserved(self) -> int:
        """What is already reserved for this very grant."""
        return self.order.reserved if self.order is not None and self.same_grant else 0

    @property
    def needed(self) -> int:
        """What must be reserved: the order's value less what facts carry; none for returns."""
        if self.question.order_type != "sale":
            return 0
        return max(0, self.question.amount.minor - self.situation.use.carried)

    @property
    def released(self) -> bool:
        """Whether a person let the order pass, up to this amount and until now at least."""
        order = self.order
        return (
            order is not None
            and self.same_grant
            and order.released_max is not None
            and self.question.amount.minor <= order.released_max
            and (order.released_until is None or self.situation.at <= order.released_until)
        )

    @property
    def delivered_invoice(self) -> bool:
        """Whether this only bills goods that have left."""
        carried = self.situation.use.carried
        return self.question.check_point == "INVOICE" and 0 < self.question.amount.minor <= carried

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
        """Whether the order must fit here: its own account, and every group with a limit."""
        return account.account_id == self.payer.account_id or account.has_limit

    def lacks_rate(self, account: Account) -> bool:
        """Whether something must be reserved here that cannot be valued."""
        foreign = self.question.amount.currency != account.currency
        return foreign and self.needed > 0 and self.rate(account) is None

    def ceiling(self, account: Account) -> int | None:
        """Up to where a grant may go: effective limit and tolerance; None where unlimited."""
        if account.unlimited:
            return None
        limit = account.limit_minor or 0
        return limit + int(limit * Fraction(self.rules.tolerance_percent) / 100)

    def figures(self, account: Account) -> Figures:
        """Say how the order meets one account."""
        bare, ceiling = self.bare(account), self.ceiling(account)
        currency = self.question.amount.currency
        if self.lacks_rate(account):
            return Figures(
                account, bare, 0, ceiling, None if ceiling is None else 0, fx_missing=True
            )
        asked = force(bare, currency, Use(authorized=self.needed), self.rate(account))
        needed = asked.use.total - bare.use.total
        if ceiling is None:
            return Figures(account, bare, needed, None, None)
        return Figures(account, bare, needed, ceiling, self._room(bare, ceiling))

    def _room(self, bare: Account, ceiling: int) -> int:
        """How much more of the order's currency fits under a ceiling of the account's."""
        left = max(0, ceiling - bare.use.total)
        currency = self.question.amount.currency
        rate = self.rate(bare)
        if currency == bare.currency or rate is None:
            return left if currency == bare.currency else 0
        room = convert(left, 1 / rate.factor(currency, bare.currency), up=False)
        while room and force(bare, currency, Use(authorized=room), rate).use.total > ceiling:
            room -= 1  # the position as a whole rounds up once more
        return room
