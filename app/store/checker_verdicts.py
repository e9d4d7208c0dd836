"""Whether a decision follows from what it recorded, and whether it told what it rests on.

An outcome follows from its reasons, a reason from the figures of its account; an approval in a
mode that stops orders fits everywhere, unless a person released the order; the figures told to
the client are those of the account that is named as the binding one.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from app.store.checker_figures import Ask, Json, ceiling_of, excess, without_own
from app.store.checker_ground import CATEGORIES, digits_of, money, used
from app.store.checker_terms import terms_of

_LIMIT_REASONS: Final = frozenset({"OVER_LIMIT", "NO_LIMIT", "LIMIT_EXPIRED"})
"""What holds an order for want of limit even where no row of the policy says so."""

_UNWRITTEN: Final = {"ORDER_REJECTED": "REJECT"}
"""What a person decided stands where no row of the policy says so; the rest of that is HOLD."""

_OPERATIONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}

_EXCESS: Final = "limit_excess_minor"

_SEEN: Final[Mapping[str, Callable[[Ask], object]]] = {
    "order_rejected": lambda ask: bool(ask.order.get("rejected", False)),
    "order_forced_hold": lambda ask: ask.order.get("hold_kind") == "FORCED",
    "account_stopped": lambda ask: any(one.get("status") == "STOPPED" for one in ask.accounts),
    "account_quarantined": lambda ask: int(ask.accounts[0].get("quarantined", 0)),
    "account_overdue_days": lambda ask: int(ask.situation["overdue"][2]),
}
"""Names of the policy whose values a decision recorded; others are not looked at here."""


def verdict_faults(row: Json, ask: Ask, rules: Json) -> Iterator[str]:
    """Find what does not follow; `rules` is the rule set the decision names, as stored.

    Raises:
        ValueError: No recorded rate values the order in an account's currency.

    """
    yield from _outcome_faults(row, ask, rules)
    for reason in row["answer"]["reasons"]:
        yield from _reason_faults(reason, ask, rules)
    yield from _approval_faults(row, ask, str(rules.get("tolerance_percent", "0")))
    yield from _told_faults(row["answer"], ask, str(rules.get("tolerance_percent", "0")))


def _outcome_faults(row: Json, ask: Ask, rules: Json) -> Iterator[str]:
    """Let REJECT, HOLD or APPROVE follow from the reasons, and what was answered from the mode."""
    answer = row["answer"]
    said = {(one["id"], one["reason"]): one["outcome"] for one in rules["rows"]}
    said |= {
        (one["id"], code): one.get("on_missing", "HOLD")
        for one in rules["rows"]
        for code in ("MISSING_INPUT", "RULE_ERROR")
    }
    found = {
        said.get((one["rule_id"], one["code"]), _UNWRITTEN.get(one["code"], "HOLD"))
        for one in answer["reasons"]
    }
    judged = next((one for one in ("REJECT", "HOLD") if one in found), "APPROVE")
    if answer["judged"] != judged:
        yield f"judged: expected {judged} from its reasons, found {answer['judged']}"
    enforced = ask.situation["mode"] == "ENFORCE"
    if answer["outcome"] != (judged if enforced else "APPROVE"):
        yield f"outcome: expected that of mode {ask.situation['mode']}, found {answer['outcome']}"


def _reason_faults(reason: Json, ask: Ask, rules: Json) -> Iterator[str]:
    """Hold a reason to what was recorded with it, term by term."""
    if reason["code"] in {"MISSING_INPUT", "RULE_ERROR"}:
        return
    row = next((one for one in rules["rows"] if one["id"] == reason["rule_id"]), None)
    terms = terms_of(row) if row else []
    if row is None and reason["code"] in _LIMIT_REASONS:
        terms = [[_EXCESS, ">", 0]]
    for name, operation, value in terms:
        if name == _EXCESS:
            account = _account(ask, reason["customer_id"])
            seen: object = excess(ask, account, str(rules.get("tolerance_percent", "0"))) or 0
            what = f"figures that pass the ceiling of account {account['id']}"
            but = f"an excess of {seen} minor units"
        elif name in _SEEN and operation in _OPERATIONS:
            seen = _SEEN[name](ask)
            what, but = f"{name} {operation} {value}", f"{seen}"
        else:
            continue
        if not _OPERATIONS[operation](seen, value):
            yield f"{reason['code']}: expected {what}, found {but}"


def _account(ask: Ask, customer_id: str) -> Json:
    for one in ask.accounts:
        if one["customer_id"] == customer_id:
            return one
    message = f"names customer {customer_id}, who has none of its accounts"
    raise ValueError(message)


def _approval_faults(row: Json, ask: Ask, tolerance: str) -> Iterator[str]:
    """Hold an approval of goods that are to leave to the ceiling of every account it must fit."""
    if row["answer"]["judged"] != "APPROVE" or not ask.is_to_fit or _goes_free(ask):
        return
    for account in _tested(ask):
        over = excess(ask, account, tolerance)
        if over:
            yield (
                f"APPROVE: expected to fit account {account['id']}, whose ceiling is"
                f" {ceiling_of(int(account.get('limit_minor', 0)), tolerance)} minor units,"
                f" found {over} more"
            )


def _goes_free(ask: Ask) -> bool:
    """Tell whether no limit is asked: nothing is judged, or a person lets the order pass."""
    if ask.situation["mode"] == "OFF":
        return True
    most = ask.order.get("released_max")
    return ask.is_let_pass and int(ask.question["amount"][0]) <= int(most or 0)


def _tested(ask: Ask) -> Sequence[Json]:
    """Give the accounts that an order must fit: the payer's own, and every group with a limit.

    One without a rate for what is to be reserved counts as well: nobody knows what fits there.
    """
    own, *groups = ask.accounts
    rates = ask.situation.get("rates", {})
    return [
        own,
        *(
            one
            for one in groups
            if _is_limited(one) or (ask.needed and one["currency"] not in {ask.currency, *rates})
        ),
    ]


def _is_limited(account: Json) -> bool:
    gone = account.get("limit_expired", False) or account.get("limit_withheld", False)
    limited = gone or account.get("limit_minor") is not None
    return bool(limited) and not account.get("unlimited", False)


def _told_faults(answer: Json, ask: Ask, tolerance: str) -> Iterator[str]:
    """Hold the figures of an answer to the account it names, and the name to the least room."""
    named = answer["binding_customer_id"]
    account = next((one for one in _tested(ask) if one["customer_id"] == named), None)
    if account is None:
        yield f"binding_customer_id: expected one whose limit is tested, found {named}"
        return
    yield from _binding_faults(ask, account, tolerance)
    bare, currency = without_own(ask, account), account["currency"]
    use = dict(zip(CATEGORIES, bare["use"], strict=True))
    limit = account.get("limit_minor")
    unlimited = account.get("unlimited", False)
    expected = {
        "exposure": used(bare["use"]) - use["authorized"],
        "authorized": use["authorized"],
        "effective_limit": None if unlimited else limit,
        "headroom": None if unlimited else int(limit or 0) - used(bare["use"]),
    }
    for name, minor in expected.items():
        if answer[name] != _wire(minor, currency):
            found = answer[name] and f"{answer[name]['amount']} {answer[name]['currency']}"
            yield f"{name}: expected {money(minor, currency)} of account {account['id']}, found \
{found or 'none'}"


def _binding_faults(ask: Ask, named: Json, tolerance: str) -> Iterator[str]:
    """Let nobody be tighter than the account that was named; where one currency is enough."""
    tested = _tested(ask)
    if any(one["currency"] != ask.currency for one in tested):
        return
    rooms = {one["id"]: _room(ask, one, tolerance) for one in tested}
    limited = [(room, key) for key, room in rooms.items() if room is not None]
    if limited and (rooms[named["id"]] is None or rooms[named["id"]] != min(limited)[0]):
        room, key = min(limited)
        yield (
            f"binding_customer_id: expected that of account {key} with room for {room} minor"
            f" units, found account {named['id']} with {rooms[named['id']]}"
        )


def _room(ask: Ask, account: Json, tolerance: str) -> int | None:
    if account.get("unlimited", False):
        return None
    ceiling = ceiling_of(int(account.get("limit_minor", 0)), tolerance)
    return ceiling - used(without_own(ask, account)["use"])


def _wire(minor: int | None, currency: str) -> dict[str, str] | None:
    """Write an amount as answers do."""
    if minor is None:
        return None
    digits = digits_of(currency)
    number = f"{abs(minor):0{digits + 1}d}"
    text = f"{number[:-digits]}.{number[-digits:]}" if digits else number
    return {"amount": f"{'-' if minor < 0 else ''}{text}", "currency": currency}
