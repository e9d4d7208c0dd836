"""Which rows an order is asked: scope, exceptions, the most specific, exemptions, and the index."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.rules import RuleSet, Subject, read_rule_set, settled
from app.domain.rules_names import NAMES
from app.domain.rules_plan import Plan, ask_each
from app.domain.rules_rows import RowScope
from app.domain.rules_standard import STANDARD
from app.domain.rules_write import rule_set_to_json
from app.domain.terms import TERMS_NAMES
from tests.domain.first_standard import FIRST_STANDARD

USUAL = {one.name: one.example for one in NAMES.values()}
ANYBODY = Subject("ORDER", "main", "C-1", ("C-1", "G-1"), "B", "CN", "C34")


def row(rule_id: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    told = {
        "id": rule_id,
        "zh": "规则",
        "en": "rule",
        "when": "account_overdue_days > 30",
        "reason": "OVERDUE_DAYS",
        "outcome": "HOLD",
    }
    return told | fields


def policy(*rows: dict[str, Any], **fields: Any) -> RuleSet:  # noqa: ANN401 - any field
    return read_rule_set(2, {"format": 2, "name": "test", "rows": rows, **fields})


def asked(rules: RuleSet, subject: Subject = ANYBODY, **seen: Any) -> list[str]:  # noqa: ANN401
    context = USUAL | {"account_overdue_days": 31} | seen
    return [one.row.rule_id for one in rules.fire(context, "order", None, subject)]


SCOPES = [
    ({"customers": ["C-1"]}, True),
    ({"customers": ["C-2"]}, False),
    ({"groups": ["G-1"]}, True),
    ({"groups": ["C-1"]}, True),
    ({"groups": ["G-2"]}, False),
    ({"classes": ["A", "B"]}, True),
    ({"classes": ["N"]}, False),
    ({"countries": ["CN"]}, True),
    ({"countries": ["DE"]}, False),
    ({"industries": ["C34"]}, True),
    ({"segments": ["main"]}, True),
    ({"segments": ["east"]}, False),
    ({"segments": ["main"], "classes": ["C"]}, False),
    ({"segments": ["main"], "classes": ["B"]}, True),
]


@pytest.mark.parametrize(("scope", "reaches"), SCOPES)
def test_a_scope_is_whom_a_row_is_for(scope: dict[str, Any], reaches: bool) -> None:
    assert bool(asked(policy(row("r", scope=scope)))) is reaches
    assert bool(asked(policy(row("r", **{"except": scope})))) is (
        not any(asked(policy(row("r", scope={key: values}))) for key, values in scope.items())
    )


def test_an_exception_goes_before_the_scope() -> None:
    both = row("r", scope={"customers": ["C-1"]}, **{"except": {"classes": ["B"]}})
    assert asked(policy(both)) == []


@pytest.mark.parametrize("point", ["QUOTE", "ORDER", "DELIVERY", "GOODS_ISSUE", "INVOICE"])
def test_a_row_is_asked_at_its_check_points(point: str) -> None:
    rules = policy(row("r", check_points=["ORDER", "DELIVERY"]))
    assert bool(asked(rules, ANYBODY._replace(check_point=point))) is (
        point in {"ORDER", "DELIVERY"}
    )


RANKED = ["segments", "countries", "industries", "classes", "groups", "customers"]
MINE = dict(zip(RANKED, ["main", "CN", "C34", "B", "G-1", "C-1"], strict=True))


@pytest.mark.parametrize("place", range(1, len(RANKED)))
def test_the_most_specific_row_of_a_family_wins(place: int) -> None:
    """A dimension outweighs all less specific ones together; another family is asked besides."""
    rules = policy(
        row("general"),
        row("wide", scope={one: [MINE[one]] for one in RANKED[:place]}),
        row("narrow", scope={RANKED[place]: [MINE[RANKED[place]]]}),
        row("not-mine", scope={"customers": ["C-9"]}),
        row("other", reason="OVERDUE_SHARE"),
    )
    assert asked(rules) == ["narrow", "other"]


def test_the_specific_row_wins_even_where_it_does_not_hold() -> None:
    """That is what it is for: this customer may be 60 days late."""
    own = row("own", when="account_overdue_days > 60", scope={"customers": ["C-1"]})
    assert asked(policy(row("general"), own)) == []
    assert asked(policy(row("general"), own), ANYBODY._replace(customer="C-2")) == ["general"]


@pytest.mark.parametrize("dimension", ["countries", "industries"])
@pytest.mark.parametrize("part", ["scope", "except"])
def test_a_scope_that_nobody_can_tell_is_a_missing_input(dimension: str, part: str) -> None:
    """It takes the place of no other row: the general one is asked as well."""
    rules = policy(row("r", **{part: {dimension: ["DE"]}}), row("general"))
    unknown = ANYBODY._replace(country=None, industry=None)
    found = rules.fire(USUAL | {"account_overdue_days": 31}, "order", None, unknown)
    told = [(one.row.rule_id, one.reason, one.outcome) for one in found]
    assert sorted(told) == [
        ("general", "OVERDUE_DAYS", "HOLD"),
        ("r", "MISSING_INPUT", "HOLD"),
    ]


EXEMPT = row("exempt", outcome="APPROVE", reason="EXEMPT", lifts=["OVERDUE_DAYS"], when="true")


def told(rules: RuleSet, **seen: Any) -> tuple[list[str], list[str]]:  # noqa: ANN401 - any name
    context = USUAL | {"account_overdue_days": 31} | seen
    stands, lifted = settled(rules.fire(context, "order", None, ANYBODY))
    return [one.row.rule_id for one in stands], [one.row.rule_id for one in lifted]


def test_an_exemption_lifts_its_families_and_says_so() -> None:
    rules = policy(row("late"), row("share", reason="OVERDUE_SHARE"), EXEMPT)
    assert told(rules) == (["share"], ["late", "exempt"])
    assert told(policy(row("late"), EXEMPT | {"when": "false"})) == (["late"], [])


@pytest.mark.parametrize("when", ["false", "attribute_vip == 'yes'"], ids=["not-held", "unknown"])
def test_an_exemption_takes_no_place_of_what_it_lifts(when: str) -> None:
    """However specific it is, and though it be of the same family."""
    own = EXEMPT | {"family": "OVERDUE_DAYS", "scope": {"customers": ["C-1"]}}
    assert told(policy(row("late"), own)) == ([], ["late", "exempt"])
    stands, _ = told(policy(row("late"), own | {"when": when}))
    assert "late" in stands


@pytest.mark.parametrize(("mine", "theirs", "lifts"), [(0, 0, True), (0, 1, False), (2, 1, True)])
def test_a_row_of_higher_precedence_stands(mine: int, theirs: int, lifts: bool) -> None:
    rules = policy(row("late", precedence=theirs), EXEMPT | {"precedence": mine})
    assert (told(rules)[0] == []) is lifts


def test_an_exemption_that_cannot_be_asked_lifts_nothing() -> None:
    rules = policy(row("late"), EXEMPT | {"when": "attribute_vip == 'yes'"})
    found = rules.fire(USUAL | {"account_overdue_days": 31}, "order", None, ANYBODY)
    assert [(one.reason, one.outcome) for one in found] == [
        ("OVERDUE_DAYS", "HOLD"),
        ("MISSING_INPUT", "WARN"),
    ]
    assert settled(found) == (found, [])


def test_no_exemption_lifts_a_limit() -> None:
    """Not even one that names its family: a row of the scope `path` always stands."""
    over = row("over", asks="path", when="limit_excess_minor > 0", reason="OVER_LIMIT")
    rules = policy(over, EXEMPT | {"lifts": ["OVER_LIMIT"]})
    found = rules.fire(USUAL | {"limit_excess_minor": 1}, "path", 1, ANYBODY)
    stands, _ = settled([*found, *rules.fire(USUAL, "order", None, ANYBODY)])
    assert [one.row.rule_id for one in stands] == ["over"]


@pytest.mark.parametrize("outcome", ["HOLD", "REJECT", "WARN"])
def test_what_a_row_makes_of_a_missing_input(outcome: str) -> None:
    rules = policy(row("r", when="score_value < 300", on_missing=outcome))
    context = {name: value for name, value in USUAL.items() if name != "score_value"}
    (found,) = rules.fire(context, "order", None, ANYBODY)
    assert (found.reason, found.outcome, found.observed) == (
        "MISSING_INPUT",
        outcome,
        "score_value",
    )


def test_arithmetic_that_fails_is_an_outcome_never_no_hit() -> None:
    rules = policy(row("r", when="1000 / account_overdue_days > 40"))
    (found,) = rules.fire(USUAL | {"account_overdue_days": 0}, "order", None, ANYBODY)
    assert (found.reason, found.outcome, found.observed) == ("RULE_ERROR", "HOLD", "r")


CONDITIONS = [
    "account_overdue_days > 30",
    "account_overdue_days >= 10 && score_class in ['D', 'E']",
    "10 < account_overdue_days",
    "account_overdue_days <= 5",
    "score_class == 'E' || account_overdue_days > 90",
    "score_class != 'A' && account_overdue_days != 7",
    "fx_missing != ''",
    "!customer_active",
    "customer_active && account_stopped",
    "score_value / account_overdue_days > 3",
    "account_overdue_days > 3 && 100 / account_overdue_minor > 3",
    "score_age_days in [1, 40] && score_value < 400",
    "attribute_plant == 'P1'",
    "attribute_plant != 'P1' && account_overdue_days < 40",
    "(score_class == 'B') == customer_active",
]
SEEN = st.fixed_dictionaries(
    {
        "account_overdue_days": st.sampled_from([0, 5, 7, 10, 11, 31, 91]),
        "account_overdue_minor": st.sampled_from([0, 1, 50]),
        "score_class": st.sampled_from(["", "A", "B", "D", "E"]),
        "score_age_days": st.sampled_from([1, 40]),
        "score_value": st.sampled_from([0, 350, 742]),
        "fx_missing": st.sampled_from(["", "USD/CNY"]),
        "customer_active": st.booleans(),
        "account_stopped": st.booleans(),
        "attribute_plant": st.sampled_from(["P1", "P2"]),
    }
)


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(CONDITIONS), max_size=12),
    st.lists(SEEN, min_size=1, max_size=6),
    st.sets(st.sampled_from(["score_value", "attribute_plant", "account_overdue_days"])),
)
def test_the_index_says_what_asking_each_row_says(
    conditions: list[str], seen: list[dict[str, Any]], absent: set[str]
) -> None:
    """Of one order after the other, and again: what a plan keeps of one is not another's."""
    rows = [row(f"r{place}", when=when) for place, when in enumerate(conditions)]
    rules = policy(*rows)
    plan = Plan(rules.rows)
    for one in (*seen, *seen):
        context = {name: value for name, value in (USUAL | one).items() if name not in absent}
        assert plan.fire(context) == ask_each(rules.rows, context)


@pytest.mark.parametrize("condition", ["score_class != 'A'", "!(score_class == 'A')"])
def test_what_a_plan_keeps_is_of_these_values_alone(condition: str) -> None:
    rules = policy(row("r1", when=condition), row("r2", when="account_overdue_days > 7"))
    plan = Plan(rules.rows)
    for known, days in (("B", 9), ("A", 9), ("B", 0), ("A", 0), ("B", 9), ("A", 9)):
        context = USUAL | {"score_class": known, "account_overdue_days": days}
        found = [one.row.rule_id for one in plan.fire(context)]
        assert found == ["r1"] * (known == "B") + ["r2"] * (days > 7)


def test_a_plan_keeps_few_values() -> None:
    rules = policy(row("r1", when="attribute_plant == 'P7'"))
    plan = Plan(rules.rows)
    for number in range(1000):
        fired = plan.fire(USUAL | {"attribute_plant": f"P{number}"})
        assert bool(fired) == (number == 7)
    assert len(plan._seen) <= 64  # noqa: SLF001 - what it keeps shows nowhere else


SCOPES_OF_ROWS: tuple[RowScope, ...] = ("order", "path")
SHIPPED = read_rule_set(1, STANDARD)
SHIPPED_FIRST = read_rule_set(1, FIRST_STANDARD)
STANDARD_SEEN = st.fixed_dictionaries(
    {
        "account_overdue_days": st.sampled_from([0, 7, 8, 30, 31]),
        "account_overdue_share_percent": st.sampled_from([0, 50, 51]),
        "account_quarantined": st.sampled_from([0, 1]),
        "score_class": st.sampled_from(["", "A", "E", "N"]),
        "score_age_days": st.sampled_from([0, 35, 36]),
        "ledger_age_days": st.sampled_from([7, 8]),
        "fx_missing": st.sampled_from(["", "USD/CNY"]),
        "customer_active": st.booleans(),
        "order_rejected": st.booleans(),
        "order_forced_hold": st.booleans(),
        "account_stopped": st.booleans(),
        "limit_state": st.sampled_from(["ACTIVE", "NONE", "EXPIRED"]),
        "limit_excess_minor": st.sampled_from([0, 1]),
    }
)


@given(STANDARD_SEEN, st.sets(st.sampled_from([*USUAL]), max_size=3))
def test_the_standard_judges_as_the_first_one_did(seen: dict[str, Any], absent: set[str]) -> None:
    context = {name: value for name, value in (USUAL | seen).items() if name not in absent}
    context |= dict.fromkeys(TERMS_NAMES, 0)  # the first one knew no payment terms
    for scope in SCOPES_OF_ROWS:
        said = [
            [
                (one.row.rule_id, one.reason, one.outcome, one.observed, one.threshold)
                for one in rules.fire(context, scope, 1)
            ]
            for rules in (SHIPPED, SHIPPED_FIRST)
        ]
        assert said[0] == said[1]


@pytest.mark.parametrize("data", [STANDARD, FIRST_STANDARD], ids=["new", "first"])
def test_what_is_written_reads_as_it_was(data: dict[str, Any]) -> None:
    written = rule_set_to_json(read_rule_set(1, data))
    assert rule_set_to_json(read_rule_set(1, written)) == written
    assert [one["id"] for one in written["rows"]] == [one["id"] for one in data["rows"]]
