"""May this order go? One pure function over the situation under the lock.

The rules say which outcome; this file says what the figures are, and what becomes of the order's
reservation on every account of the payer's path.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from app.domain.cases import Case
from app.domain.context import order_context, path_context
from app.domain.decisions import Figures, Judgement, Question, Situation
from app.domain.errors import OrderClosedError, OrderVersionStaleError
from app.domain.grants import NO_GRANT, grant_of, order_let_go, order_seen
from app.domain.money import Money
from app.domain.orders import Order
from app.domain.rules import Fired, Outcome, RuleSet, Subject, Value, read_rule_set, settled
from app.domain.rules_context import more_context, subject_of
from app.domain.rules_standard import STANDARD
from app.domain.snoozes import split_snoozed
from app.domain.terms_context import terms_context

NEVER_RELEASED: Final = frozenset({"FORCED_HOLD", "ACCOUNT_STOPPED", "ORDER_REJECTED"})
"""Reasons that a release of the order does not lift."""

DEGRADING: Final = frozenset(
    {
        "LEDGER_QUARANTINE",
        "STALE_LEDGER",
        "STALE_SCORE",
        "NOT_SCORED",
        "FX_RATE_MISSING",
        "MISSING_INPUT",
        "RULE_ERROR",
    }
)
"""Reasons and warnings that tell of a missing or stale input."""

_NO_RATE: Final = "FX_RATE_MISSING"

_SIZES: Final = frozenset({"order_amount_minor", "limit_needed_minor", "prepay_missing_minor"})
"""Names by which a policy lets an order be so large and no larger."""

_OF_THE_LIMIT: Final = frozenset({"limit_excess_minor", "limit_needed_minor"})
"""Rows that read one of these test what an order needs: only what is not reserved for it yet."""

_ALWAYS: Final = replace(
    (_standard := read_rule_set(0, STANDARD)),
    rows=tuple(
        row
        for row in _standard.rows
        if row.scope == "path" or row.reason in NEVER_RELEASED | {_NO_RATE}
    ),
)
"""What no policy can do without: a limit that is passed, or cannot be told, holds the order; so
does what a person placed."""


def require_fresh(question: Question, order: Order | None) -> None:
    """Refuse a question about an order that has moved on.

    Raises:
        OrderVersionStaleError: A newer version of the order was seen.
        OrderClosedError: The order was closed by a fact of this or a newer version.

    """
    if order is None:
        return
    closed = order.closed_version
    # who names no version asks about the newest; a newer one than the closing opens it again
    asked = order.version if question.version is None else question.version
    if closed is not None and (asked is None or asked <= closed):
        raise OrderClosedError(
            f"order {question.order_id} was closed with version {closed}", "order.version"
        )
    if asked is not None and order.version is not None and asked < order.version:
        raise OrderVersionStaleError(
            f"order {question.order_id} is known in version {order.version}, asked was {asked}",
            "order.version",
        )


def require_unmoved(question: Question, seen: int | None, situation: Situation) -> None:
    """Insist that what is put again as it was held is not of an order that is another by now.

    Who named no version asked about the newest, which is known as `seen` (-1: none was): a newer
    one that says something else has taken its place.

    Raises:
        OrderVersionStaleError: A newer version has another amount, payer or currency.

    """
    order = situation.order
    if seen is None or order is None or order.version is None or order.version <= seen:
        return
    told = order.account_id, order.currency, order.authorized
    amount = question.amount
    if told != (situation.accounts[0].account_id, amount.currency, amount.minor):
        raise OrderVersionStaleError(
            f"order {question.order_id} was held before version {order.version} changed it",
            "order.version",
        )


def judge(question: Question, situation: Situation, rules: RuleSet, new_id: str) -> Judgement:
    """Judge an order; `new_id` becomes its authorization's id if it needs one.

    Raises:
        OrderVersionStaleError: A newer version of the order was seen.
        OrderClosedError: The order was closed.
        FieldError: The amount is beyond what an account can hold.

    """
    require_fresh(question, situation.order)
    case = Case(question, situation, rules)
    tested = _tested(case)
    if question.order_type != "sale":
        return _passed(case, tested)
    reasons, warnings = _verdict(case, tested)
    judged = _outcome(reasons)
    outcome: Outcome = judged if situation.mode == "ENFORCE" else "APPROVE"
    if situation.mode == "WARN":
        warnings = (*warnings, *reasons)
    approved = outcome == "APPROVE"
    # what cannot be valued cannot be reserved: in a mode that stops nothing it goes without
    grant = grant_of(case, new_id) if approved and not case.unbookable else NO_GRANT
    let_go = approved and grant.order is None
    order = (grant.order or order_let_go(case)) if approved else order_seen(case)
    # by position, in the order of the fields: by name costs twice as much
    return Judgement(
        outcome,
        judged,
        reasons,
        warnings,
        _binding(tested),
        question.amount.minor if approved else _ship_up_to(case, tested, reasons),
        order,
        grant.after,
        grant.ceilings,
        _degraded(case, reasons + warnings),
        tested,
        let_go,
    )


def reasons_of(question: Question, situation: Situation, rules: RuleSet) -> tuple[Fired, ...]:
    """List what would hold an order back in a situation that is only imagined; none: it passes."""
    case = Case(question, situation, rules)
    return _verdict(case, _tested(case))[0]


def _tested(case: Case) -> tuple[Figures, ...]:
    if len(case.situation.accounts) == 1:
        return (case.figures(case.payer),)
    return tuple(
        case.figures(account)
        for account in case.situation.accounts
        if case.tests(account) or case.lacks_rate(account)
    )


def _passed(case: Case, tested: tuple[Figures, ...]) -> Judgement:
    """Let go what needs no credit: it reserves nothing, touches no reservation, ends a hold."""
    return Judgement(
        outcome="APPROVE",
        judged="APPROVE",
        reasons=(),
        warnings=(),
        binding=_binding(tested),
        ship_up_to=case.question.amount.minor,
        order=order_let_go(case),
        degraded=_degraded(case, ()),
        tested=tested,
        let_go=True,
    )


def _binding(tested: Sequence[Figures]) -> Figures:
    """Give the account that leaves the least room."""
    return tested[0] if len(tested) == 1 else min(tested, key=_tightness)


def _tightness(figures: Figures) -> tuple[bool, bool, int]:
    """Rank accounts: one without a rate first, then the least room, the unlimited last."""
    return (not figures.fx_missing, figures.room is None, figures.room or 0)


def _verdict(case: Case, tested: Sequence[Figures]) -> tuple[tuple[Fired, ...], tuple[Fired, ...]]:
    """Ask the rules; returns reasons and warnings."""
    if case.situation.mode == "OFF":
        return (), ()
    fired = _fired(case, tested)
    return _sorted_out(case, fired) if fired else ((), ())


def _fired(case: Case, tested: Sequence[Figures]) -> list[Fired]:
    rules, question, situation = case.rules, case.question, case.situation
    context = order_context(question, situation, tested)
    if rules.more_names:
        context |= more_context(rules.more_names, question, situation)
    if rules.reads_terms:
        context |= terms_context(rules.terms, question, situation, tested[0])
    subject = subject_of(question, situation) if rules.is_scoped else None
    rows = rules.fire(context, "order", None, subject)
    if context["fx_missing"] and all(
        row.reason != _NO_RATE or row.outcome == "WARN" for row in rows
    ):
        rows += [row for row in _ALWAYS.fire(context, "order") if row.reason == _NO_RATE]
    if context["order_forced_hold"] or context["account_stopped"] or context["order_rejected"]:
        told = {row.reason for row in rows if row.outcome in {"HOLD", "REJECT"}}
        left = NEVER_RELEASED - told
        rows += [row for row in _ALWAYS.fire(context, "order") if row.reason in left]
    for figures in tested:
        rows += [] if figures.fx_missing else _fired_along(case, figures, context, subject)
    if len(rows) > 1:
        rows.sort(key=rules.place_of)
    return rows


def _fired_along(
    case: Case, figures: Figures, of_order: dict[str, Value], subject: Subject | None
) -> list[Fired]:
    context, account_id = path_context(figures), figures.account.account_id
    if case.rules.path_reads_order:
        context = of_order | context
    found = case.rules.fire(context, "path", account_id, subject)
    if not case.tests_limits:
        return [one for one in found if _OF_THE_LIMIT.isdisjoint(one.row.names)]
    if context["limit_excess_minor"] and all(row.outcome == "WARN" for row in found):
        found += _ALWAYS.fire(context, "path", account_id)
    return found


def _sorted_out(case: Case, fired: list[Fired]) -> tuple[tuple[Fired, ...], tuple[Fired, ...]]:
    """Split what fired into reasons and warnings."""
    fired, exempt = settled(fired)
    situation = case.situation
    fired, snoozed = split_snoozed(fired, situation.inputs.more.get("snoozed"), situation.at)
    reasons = [row for row in fired if row.outcome != "WARN"]
    warnings = [row for row in fired if row.outcome == "WARN"] + exempt + snoozed
    if case.delivered_invoice:
        return (), tuple(warnings + reasons)
    if case.released:
        stays = NEVER_RELEASED | ({_NO_RATE} if case.unbookable else set())
        kept = [row for row in reasons if row.reason in stays]
        lifted = [row for row in reasons if row.reason not in stays]
        return tuple(kept), tuple(warnings + lifted)
    return tuple(reasons), tuple(warnings)


def _outcome(reasons: tuple[Fired, ...]) -> Outcome:
    if not reasons:
        return "APPROVE"
    outcomes = {row.outcome for row in reasons}
    if "REJECT" in outcomes:
        return "REJECT"
    return "HOLD" if "HOLD" in outcomes else "APPROVE"


def _degraded(case: Case, fired: tuple[Fired, ...]) -> tuple[str, ...]:
    """List what the decision lacks; quarantined facts whatever the policy says of them."""
    if not fired and not case.payer.quarantined:
        return ()
    codes = ["LEDGER_QUARANTINE"] if case.payer.quarantined else []
    codes += [row.reason for row in fired if row.reason in DEGRADING]
    return tuple(dict.fromkeys(codes))


def _ship_up_to(case: Case, tested: Sequence[Figures], reasons: Sequence[Fired]) -> int:
    """Give the largest whole amount that passes now; 0 where more than an amount is in the way.

    What limits leave is reckoned; where a policy itself sets sizes, it is looked for between.
    """
    use, order, amount = case.situation.use, case.order, case.question.amount
    rooms = [figures.room for figures in tested if figures.room is not None]
    likely = {
        use.carried + max(case.reserved, min(rooms, default=0)),
        use.carried + case.reserved,
        use.carried,
        case.tested,
        use.delivered,
        (order.released_max if order else None) or 0,
    }
    fits = (one for one in sorted(likely, reverse=True) if 0 < one < amount.minor)
    found = next((one for one in fits if _passes(case, one)), 0)
    if any(not _SIZES.isdisjoint(row.row.names) for row in reasons):
        larger = range(found + 1, amount.minor)
        found += bisect_left(larger, x=True, key=lambda minor: not _passes(case, minor))
    return found


def _passes(case: Case, minor: int) -> bool:
    """Ask the rules about another amount."""
    amount = Money(minor, case.question.amount.currency)
    other = replace(case, question=replace(case.question, amount=amount))
    reasons, _ = _verdict(other, _tested(other))
    return _outcome(reasons) == "APPROVE" and not other.unbookable
