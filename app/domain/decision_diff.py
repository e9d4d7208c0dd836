"""Two decisions side by side: which answer, question, figure, rate, rule or model is another.

Works on what is stored (`domain/snapshots`, the rule sets and the answers, all JSON), so that
decisions of any age can be laid beside each other. Amounts of figures are minor units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.domain.accounts import CATEGORIES

Part = Literal["ANSWER", "QUESTION", "ORDER", "ACCOUNT", "CUSTOMER", "SCORE", "RATE", "RULE"]

PARTS: Final[tuple[Part, ...]] = (
    "ANSWER",
    "QUESTION",
    "ORDER",
    "ACCOUNT",
    "CUSTOMER",
    "SCORE",
    "RATE",
    "RULE",
)
"""In the order in which they are told: what was said, then why it may have been."""

_ANSWERED: Final = (
    "outcome",
    "judged",
    "traffic_light",
    "binding_customer_id",
    "ship_up_to",
    "headroom",
    "degraded",
)
_OWN: Final = frozenset({"id", "path", "customer_id", "input_version"})
"""What an account is known by here; it says nothing about credit."""

_RATE: Final = ("base", "quote", "rate", "rate_date", "source")
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Told:
    """A stored decision: the JSON of its parts. `rules` is the rule set that judged it."""

    question: Mapping[str, Any]
    situation: Mapping[str, Any]
    slow: Mapping[str, Any]
    answer: Mapping[str, Any]
    rule_set_version: int
    rules: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What is another: `field` is a dotted path; None stands for "not there"."""

    part: Part
    field: str
    a: object
    b: object


def compare(a: Told, b: Told) -> list[Change]:
    """List all that differs, part by part and by the name of the field."""
    left, right = _parts(a), _parts(b)
    found = []
    for part in PARTS:
        ours, theirs = _flat(left[part]), _flat(right[part])
        for name in sorted(ours.keys() | theirs.keys()):
            was, now = ours.get(name, _ABSENT), theirs.get(name, _ABSENT)
            if was != now:
                found.append(Change(part, name, _shown(was), _shown(now)))
    return found


def _shown(value: object) -> object:
    return None if value is _ABSENT else value


def _parts(told: Told) -> dict[Part, Mapping[str, Any]]:
    situation, answer = told.situation, told.answer
    delivered, invoiced = situation["use"]
    return {
        "ANSWER": _answer(answer),
        "QUESTION": told.question,
        "ORDER": {
            **_without(situation.get("order") or {}, {"account_id", "authorization_id", "hold_id"}),
            "delivered": delivered,
            "invoiced": invoiced,
        },
        "ACCOUNT": _accounts(situation),
        "CUSTOMER": _without(told.slow, {"score"}),
        "SCORE": {**(told.slow.get("score") or {}), "model": answer.get("model") or {}},
        "RATE": {
            code: dict(zip(_RATE, rate, strict=True))
            for code, rate in situation.get("rates", {}).items()
        },
        "RULE": {
            "version": told.rule_set_version,
            **_without(told.rules, {"rows", "name"}),
            "rows": {str(row.get("id")): row for row in told.rules.get("rows", ())},
        },
    }


def _answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Take what was said; of reasons what was seen and allowed, by the rule that gave them."""
    return {
        **{name: answer.get(name) for name in _ANSWERED},
        **{
            kind: {
                str(one.get("rule_id") or one["code"]): _without(one, {"rule_id", "zh", "en"})
                for one in answer.get(kind) or ()
            }
            for kind in ("reasons", "warnings")
        },
    }


def _accounts(situation: Mapping[str, Any]) -> dict[str, Any]:
    amounts, open_items, days = situation["overdue"]
    of_customer = {
        str(account["customer_id"]): {
            **_without(account, _OWN | {"use"}),
            **dict(zip(CATEGORIES, account["use"], strict=True)),
        }
        for account in situation["accounts"]
    }
    return {
        **of_customer,
        "mode": situation["mode"],
        "business_date": situation["today"],
        "overdue": {"amount": amounts, "open_items": open_items, "days": days},
        "ledger_at": situation.get("ledger_at"),
        "horizon_days": situation.get("horizon_days"),
    }


def _without(data: Mapping[str, Any], names: frozenset[str] | set[str]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


def _flat(value: object, place: str = "") -> dict[str, object]:
    """Give every leaf its dotted path; a list is a leaf unless its items are objects."""
    if isinstance(value, Mapping):
        inner = {str(name): one for name, one in value.items()}
    elif isinstance(value, Sequence) and any(isinstance(one, Mapping) for one in value):
        inner = {str(number): one for number, one in enumerate(value)}
    else:
        return {place: value}
    found: dict[str, object] = {}
    for name, one in inner.items():
        found |= _flat(one, f"{place}.{name}" if place else name)
    return found
