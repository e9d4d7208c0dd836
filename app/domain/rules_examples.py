"""What a rule set is tested by: examples that are stored with it, each with what must come out.

An example is the schema's own one (an order that the standard policy lets pass) with some values
put in its place, some taken away, and perhaps another customer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.domain.rules_names import KINDS, NAMES
from app.domain.rules_reach import Subject
from app.domain.rules_rows import Fired, Outcome
from app.domain.rules_sets import PATH_NAMES, RuleSet, settled

MOST_EXAMPLES: Final = 1_000

_KEYS: Final = frozenset(
    {"name", "context", "missing", "segment", "customer", "groups", "outcome", "reasons"}
    | {"warnings"}
)
_OUTCOMES: Final = ("APPROVE", "HOLD", "REJECT")


@dataclass(frozen=True, slots=True)
class Told:
    """What a rule set says of a context: outcome, reason codes and warnings, each in its order."""

    outcome: Outcome
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tested:
    """An example and what came of it; `problem` is empty where it came out as it must."""

    name: str
    told: Told | None
    problem: str = ""


def say(rules: RuleSet, context: Mapping[str, Any], subject: Subject) -> Told:
    """Ask a rule set about a context as if it were an order that must fit one account."""
    of_order = {name: value for name, value in context.items() if name not in PATH_NAMES}
    found = rules.fire(of_order, "order", None, subject)
    found += rules.fire(context, "path", 0, subject)
    stands, exempt = settled(sorted(found, key=rules.place_of))
    reasons = [one for one in stands if one.outcome != "WARN"]
    warnings = [one for one in stands if one.outcome == "WARN"] + exempt
    outcomes = {one.outcome for one in reasons}
    outcome: Outcome = "HOLD" if outcomes else "APPROVE"
    return Told("REJECT" if "REJECT" in outcomes else outcome, _codes(reasons), _codes(warnings))


def _codes(found: Sequence[Fired]) -> tuple[str, ...]:
    return tuple(one.reason for one in found)


def run_examples(rules: RuleSet) -> list[Tested]:
    """Run all examples of a rule set, in their order."""
    return [run_example(rules, one, place) for place, one in enumerate(rules.examples)]


def run_example(rules: RuleSet, example: Mapping[str, Any], place: int) -> Tested:
    """Run one; an example that makes no sense has not come out as it must either."""
    name = str(example.get("name") or f"examples[{place}]")[:200]
    problem = _nonsense(example)
    if problem:
        return Tested(name, None, problem)
    context = {one.name: one.example for one in NAMES.values()} | dict(example.get("context", {}))
    for absent in example.get("missing", ()):
        context.pop(absent, None)
    told = say(rules, context, _subject(context, example))
    expected = (example["outcome"], tuple(example["reasons"]))
    if (told.outcome, told.reasons) != expected:
        problem = f"expected {_written(*expected)}, found {_written(told.outcome, told.reasons)}"
    elif "warnings" in example and told.warnings != tuple(example["warnings"]):
        wanted, found = ", ".join(example["warnings"]), ", ".join(told.warnings)
        problem = f"expected the warnings [{wanted}], found [{found}]"
    return Tested(name, told, problem)


def _written(outcome: str, reasons: Sequence[str]) -> str:
    return f"{outcome} [{', '.join(reasons)}]"


def _subject(context: Mapping[str, Any], example: Mapping[str, Any]) -> Subject:
    customer = str(example.get("customer", "EXAMPLE"))
    return Subject(
        check_point=str(context.get("check_point", "ORDER")),
        segment=str(example.get("segment", "main")),
        customer=customer,
        groups=(customer, *example.get("groups", ())),
        risk_class=str(context.get("score_class", "")),
        country=context.get("customer_country"),
        industry=context.get("customer_industry"),
    )


def _nonsense(example: Mapping[str, Any]) -> str:
    """Say what of an example makes no sense; empty: it does."""
    return next(_odd_fields(example), "") or next(_odd_context(example), "")


def _odd_fields(example: Mapping[str, Any]) -> Iterator[str]:
    for key in example:
        if key not in _KEYS:
            yield f"{str(key)[:60]} is not a known field"
    if example.get("outcome") not in _OUTCOMES:
        yield f"outcome must be one of {', '.join(_OUTCOMES)}"
    if "reasons" not in example:
        yield "reasons is required: which reasons must be told, in the table's order"
    for key in ("reasons", "warnings", "missing", "groups"):
        given = example.get(key, [])
        if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
            yield f"{key} must be a list of texts"


def _odd_context(example: Mapping[str, Any]) -> Iterator[str]:
    context, missing = example.get("context", {}), example.get("missing", ())
    if not isinstance(context, Mapping):
        yield "context must be an object of values by name"
        return
    for name in (*context, *missing):
        if name not in KINDS:
            yield f"{str(name)[:60]} is no name of the schema"
        elif name in context and type(context[name]) is not KINDS[name].type:
            yield f"{name} must be {_KIND[KINDS[name].type]}"


_KIND: Final = {bool: "true or false", int: "a whole number", str: "a text"}
