"""May this order go? One pure function over the situation under the lock.

The rules say which outcome; this file says what the figures are, and what becomes of the order's
reservation on every account of the payer's path.
"""

from collections.abc import Iterator
from typing import Final

from app.domain.cases import Case
from app.domain.context import order_context, path_context
from app.domain.decisions import Figures, Judgement, Question, Situation
from app.domain.errors import OrderClosedError, OrderVersionStaleError
from app.domain.grants import granted, order_seen
from app.domain.orders import Order
from app.domain.rules import Fired, Outcome, RuleSet

NEVER_RELEASED: Final = frozenset({"FORCED_HOLD", "ACCOUNT_STOPPED"})
"""Reasons that a release of the order does not lift."""

DEGRADING: Final = frozenset(
    {
        "LEDGER_QUARANTINE",
        "STALE_LEDGER",
        "STALE_SCORE",
        "NOT_SCORED",
        "FX_RATE_MISSING",
        "MISSING_INPUT",
    }
)
"""Reasons and warnings that tell of a missing or stale input."""


def require_fresh(question: Question, order: Order | None) -> None:
    """Refuse a question about an order that has moved on.

    Raises:
        OrderVersionStaleError: A newer version of the order was seen.
        OrderClosedError: The order was closed by a fact of this or a newer version.

    """
    if order is None:
        return
    asked, closed = question.version, order.closed_version
    if closed is not None and (asked is None or asked <= closed):
        raise OrderClosedError(
            f"order {question.order_id} was closed with version {closed}", "order.version"
        )
    if asked is not None and order.version is not None and asked < order.version:
        raise OrderVersionStaleError(
            f"order {question.order_id} is known in version {order.version}, asked was {asked}",
            "order.version",
        )


def judge(question: Question, situation: Situation, rules: RuleSet, new_id: str) -> Judgement:
    """Judge an order; `new_id` becomes its authorization's id if it needs one.

    Raises:
        OrderVersionStaleError: A newer version of the order was seen.
        OrderClosedError: The order was closed.

    """
    require_fresh(question, situation.order)
    case = Case(question, situation, rules)
    tested = [
        case.figures(account)
        for account in situation.accounts
        if case.tests(account) or case.lacks_rate(account)
    ]
    binding = min(tested, key=_tightness)
    if question.order_type != "sale":
        return Judgement("APPROVE", "APPROVE", (), (), binding, question.amount.minor, None)
    fired = [] if situation.mode == "OFF" else list(_fired(case, tested))
    reasons, warnings = _sorted_out(case, fired)
    judged = _outcome(reasons)
    outcome: Outcome = judged if situation.mode == "ENFORCE" else "APPROVE"
    if situation.mode == "WARN":
        warnings = (*warnings, *reasons)
    missing = any(case.lacks_rate(account) for account in situation.accounts)
    if outcome == "APPROVE" and missing:
        # what cannot be valued cannot be reserved, whatever the mode says
        outcome = judged = "HOLD"
        reasons = reasons or _missing_rate(case, tested)
    judgement = Judgement(
        outcome=outcome,
        judged=judged,
        reasons=reasons,
        warnings=warnings,
        binding=binding,
        ship_up_to=_ship_up_to(case, outcome, reasons, tested),
        order=order_seen(case),
        degraded=_degraded(reasons + warnings),
    )
    return granted(case, judgement, new_id) if outcome == "APPROVE" else judgement


def _tightness(figures: Figures) -> tuple[bool, int]:
    """Rank accounts: one without a rate first, then the least room, the unlimited last."""
    return (not figures.fx_missing, 2**62 if figures.room is None else figures.room)


def _fired(case: Case, tested: list[Figures]) -> Iterator[Fired]:
    order_rows = list(
        case.rules.fire(order_context(case.question, case.situation, tested), "order")
    )
    path_rows: list[Fired] = []
    if case.needed > case.reserved:  # what is reserved already is not tested again
        for figures in tested:
            if not figures.fx_missing:
                account_id = figures.account.account_id
                path_rows += case.rules.fire(path_context(figures), "path", account_id)
    place = {row.rule_id: number for number, row in enumerate(case.rules.rows)}
    yield from sorted(order_rows + path_rows, key=lambda one: place[one.row.rule_id])


def _missing_rate(case: Case, tested: list[Figures]) -> tuple[Fired, ...]:
    context = order_context(case.question, case.situation, tested)
    rows = (row for row in case.rules.fire(context, "order") if row.reason == "FX_RATE_MISSING")
    return tuple(rows)


def _sorted_out(case: Case, fired: list[Fired]) -> tuple[tuple[Fired, ...], tuple[Fired, ...]]:
    """Split what fired into reasons and warnings."""
    reasons = [row for row in fired if row.outcome != "WARN"]
    warnings = [row for row in fired if row.outcome == "WARN"]
    if case.delivered_invoice:
        return (), tuple(warnings + reasons)
    if case.released:
        kept = [row for row in reasons if row.reason in NEVER_RELEASED]
        lifted = [row for row in reasons if row.reason not in NEVER_RELEASED]
        return tuple(kept), tuple(warnings + lifted)
    return tuple(reasons), tuple(warnings)


def _outcome(reasons: tuple[Fired, ...]) -> Outcome:
    outcomes = {row.outcome for row in reasons}
    if "REJECT" in outcomes:
        return "REJECT"
    return "HOLD" if "HOLD" in outcomes else "APPROVE"


def _degraded(fired: tuple[Fired, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.reason for row in fired if row.reason in DEGRADING))


def _ship_up_to(
    case: Case, outcome: Outcome, reasons: tuple[Fired, ...], tested: list[Figures]
) -> int:
    """Give the largest whole amount that passes; nothing where more than a limit is in the way."""
    amount = case.question.amount.minor
    if outcome == "APPROVE":
        return amount
    if any(row.row.scope != "path" for row in reasons):
        return 0
    rooms = [figures.room for figures in tested if figures.room is not None]
    fits = max(case.reserved, min(rooms, default=amount))
    return min(amount, case.situation.use.carried + fits)
