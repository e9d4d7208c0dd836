"""What would unblock an order, on the wire."""

from pydantic import Field

from app.api.wire import AnswerModel, MoneyOut


class RemovedOut(AnswerModel):
    """A reason that is gone once an advice is followed."""

    code: str
    rule_id: str
    customer_id: str


class UnblockOut(AnswerModel):
    """One thing that would help, and the reasons that it removes; `suffices`: it removes all.

    What does not suffice alone does together with advice for the other reasons. `subject` is the
    customer of a limit or cover, a pair of currencies or a rule. `scope` is the right it needs;
    null: it is up to the customer or whoever sells. `percent` is a share of the
    order's value, `days` are payment terms.
    """

    action: str
    amount: MoneyOut | None
    invoices: list[str]
    until: str | None
    percent: str | None = None
    days: int | None = None
    subject: str | None = None
    scope: str | None = None
    removes: list[RemovedOut] = Field(default_factory=list)
    suffices: bool = False
    zh: str
    en: str
