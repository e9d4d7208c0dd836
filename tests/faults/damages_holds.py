"""Damages to order holds and their history, each with the one line that must name it."""

# ruff: noqa: S608 - every statement is made of constants of this file

from tests.faults.damages import control

_OF = "(SELECT hold_id FROM order_hold WHERE order_id = '{}')"


def event(order: str, change: str) -> str:
    """Change the history of an order's hold."""
    return f"UPDATE order_hold_event SET {change} WHERE hold_id = {_OF.format(order)}"


def hold(order: str, change: str) -> str:
    """Change an order's hold, and nothing else."""
    return f"UPDATE order_hold SET {change} WHERE order_id = '{order}'"


HOLDS = [
    control(
        "released-by-nobody",
        ("hold histories", "C-12", "order SO-60: status: expected OPEN from its history"),
        event("SO-60", "action = 'comment'"),
    ),
    control(
        "ended-otherwise",
        ("hold histories", "C-12", "order SO-60: status: expected RELEASED from its history"),
        hold("SO-60", "status = 'REJECTED'"),
    ),
    control(
        "ended-twice",
        ("hold histories", "C-12", "order SO-60: expected one end in its history, found 2"),
        "INSERT INTO order_hold_event (hold_id, action, client, at)"
        " SELECT hold_id, 'cancel', 'erp', now() FROM order_hold WHERE order_id = 'SO-60'",
    ),
    control(
        "closed-at-no-time",
        ("hold histories", "C-12", "order SO-60: closed_at: expected one only where it is closed"),
        hold("SO-60", "closed_at = NULL"),
    ),
    control(
        "open-and-closed",
        ("hold histories", "C-12", "order SO-61: closed_at: expected one only where it is closed"),
        hold("SO-61", "closed_at = now()"),
    ),
    control(
        "forced-and-ended-by-itself",
        ("hold histories", "C-12", "order SO-60: expected a person to end a hold FORCED, found"),
        hold("SO-60", "kind = 'FORCED'"),
    ),
    control(
        "escalated-by-hand",
        ("hold histories", "C-12", "order SO-61: escalated_to: expected head from its history"),
        hold("SO-61", "escalated_to = 'cfo'"),
    ),
    control(
        "proposal-lost",
        ("hold histories", "C-12", "order SO-62: expected 1 proposed releases, found 0"),
        f"DELETE FROM release_proposal WHERE hold_id = {_OF.format('SO-62')}",
    ),
    control(
        "released-by-who-proposed",
        ("hold histories", "C-12", "order SO-62: expected another than tests, who proposed it"),
        event("SO-62", "client = 'tests'"),
    ),
    control(
        "released-by-another-than-approved",
        ("hold histories", "C-12", "order SO-62: expected ['second'], who approved it, to release"),
        event("SO-62", "client = 'third'"),
    ),
    control(
        "rests-on-another-order",
        ("hold decisions", "C-12", "order SO-61: expected a decision on this order, found"),
        hold("SO-61", "decision_id = (SELECT decision_id FROM order_hold"
             " WHERE order_id = 'SO-21')"),
    ),
    control(
        "rests-on-another-outcome",
        ("hold decisions", "C-12", "expected APPROVE, found HOLD"),
        hold("SO-61", "authorization_id = gen_random_uuid()"),
    ),
    control(
        "rests-on-nothing",
        ("hold decisions", "C-12", "order SO-61: expected its decision"),
        hold("SO-61", "decision_id = 'ffffffff-ffff-7fff-bfff-ffffffffffff'"),
    ),
    control(
        "tells-other-reasons",
        ("hold decisions", "C-12", "reasons: expected those of its decision ['OVER_LIMIT'], found"),
        hold("SO-61", "reasons = '[]'"),
    ),
    control(
        "held-for-another-amount",
        ("hold decisions", "C-12", "amount: expected [95000, 'CNY'] as its decision was asked"),
        hold("SO-61", "ask = jsonb_set(ask, '{amount,0}', '1')"),
    ),
]  # fmt: skip
