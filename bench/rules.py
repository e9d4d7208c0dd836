"""`python -m bench.rules`: what a policy of 200 rows costs, beside the built-in one.

First in memory, in microseconds of CPU time a decision; then authorizations over HTTP, the two
policies in turns on one service. `--memory` leaves the second part out. `--replay N` only judges N
stored decisions again, by both commands that do.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg

from app.domain.accounts import Account, Use
from app.domain.context import order_context
from app.domain.decisions import Inputs, Overdue, Question, Situation
from app.domain.judging import judge
from app.domain.money import Money
from app.domain.rules import RuleSet, read_rule_set
from app.domain.rules_context import more_context, subject_of
from app.domain.rules_standard import STANDARD
from bench import databases
from bench.databases import Side
from bench.figures import Found, Key
from bench.rounds import Meter, meter, of_aval
from bench.rules_replay import replayed
from bench.seeds import Size, seed

ROWS: Final = 200
MOST_US: Final = 35.0
AIM_US: Final = 10.0
LEAST_SHARE: Final = 0.85

_CONDITIONS: Final = (
    "account_overdue_days > 40 && score_class in ['D', 'E']",
    "payment_days_late_mean > 20",
    "account_utilization_percent > 95 && order_amount_minor > 5000000",
    "customer_kind == 'sole_trader' && order_amount_minor > 10000000",
    "account_overdue_minor * 10 > account_exposure_minor + 1000000",
    "score_value < 300 || payment_days_late_max > 90",
    "order_amount_minor > 20000000 && score_class in ['C', 'D']",
    "customer_kind == 'person' && payment_on_time_percent < 50",
    "score_age_days > 40 ? score_value < 600 : score_value < 400",
    "account_overdue_share_percent > 60 && account_overdue_days > 10",
)
"""What a policy says; nothing of it holds for the order below, nor for the customers of a run."""


def large(count: int = ROWS) -> dict[str, Any]:
    """Make a policy of so many rows: the built-in ones, and more for classes and check points."""
    rows = list(STANDARD["rows"])
    for place in range(count - len(rows)):
        row: dict[str, Any] = {
            "id": f"row-{place}",
            "zh": "规则",
            "en": "rule",
            "when": _CONDITIONS[place % len(_CONDITIONS)],
            "on_missing": "WARN",
            "reason": f"R{place}",
            "outcome": "HOLD",
        }
        if place % 4 == 0:
            row["scope"] = {"classes": ["ABCDE"[place // 4 % 5]]}
        if place % 7 == 0:
            row["check_points"] = ["ORDER", "DELIVERY"]
        if place % 9 == 0:
            row["scope"] = {"customers": [f"C-{place}"]}
        rows.append(row)
    texts = {f"R{place}": {"zh": "规则", "en": "rule"} for place in range(count)}
    return {"format": 2, "name": "large", "texts": texts, "rows": rows}


def order() -> tuple[Question, Situation]:
    """Make an order of a customer about whom everything is known, and nothing is wrong."""
    at = datetime(2026, 11, 24, 9, tzinfo=UTC)
    score = {
        "score": 742,
        "risk_class": "B",
        "probability_of_default": 0.02,
        "scored_at": "2026-11-23T00:00:00+00:00",
        "features_as_of": "2026-11-23",
        "behaviour": {
            "on_time_rate": 0.95,
            "mean_days_late": 2.0,
            "max_days_late": 12,
            "recent_trend": 0.5,
            "invoices_known": 48,
        },
    }
    more = {"kind": "company", "country": "CN", "industry": "C34", "since": "2020-01-01"}
    inputs = Inputs(1, active=True, score=score, more=more | {"payment_terms_days": 30})
    use = Use(open_item=20_000_00)
    account = Account(1, "C-1", "main", (1,), "CNY", limit_minor=500_000_00, use=use)
    overdue = Overdue({}, {"CNY": 20_000_00}, 0)
    situation = Situation(at, date(2026, 11, 24), "ENFORCE", (account,), inputs, overdue)
    return Question("C-1", "main", "ORDER", "SO-1", Money(1_250_00, "CNY")), situation


def cost_us(act: Callable[[], object], seconds: float = 0.5) -> float:
    """Measure CPU time of one act, in microseconds: the best of three runs."""
    act()
    best = float("inf")
    for _ in range(3):
        count, began = 0, time.process_time()
        while time.process_time() - began < seconds / 3:
            for _ in range(100):
                act()
            count += 100
        best = min(best, (time.process_time() - began) / count)
    return best * 1e6


def asked_us(rules: RuleSet) -> float:
    """Measure what asking the rules costs: their part of the context, and all rows of an order."""
    question, situation = order()
    context = order_context(question, situation, ())

    def ask() -> object:
        filled = context | more_context(rules.more_names, question, situation)
        subject = subject_of(question, situation) if rules.is_scoped else None
        found = rules.fire(filled, "order", None, subject)
        path = {"limit_state": "ACTIVE", "limit_excess_minor": 0, "limit_needed_minor": 1}
        return found, rules.fire(path | {"limit_ceiling_minor": 2}, "path", 1, subject)

    return cost_us(ask)


def judged_us(rules: RuleSet) -> float:
    """Measure a whole judgement, without the database and without the answer's rendering."""
    question, situation = order()
    return cost_us(lambda: judge(question, situation, rules, "new"))


def in_memory() -> bool:
    """Print what both policies cost; tells whether the large one keeps within its bound."""
    small, big = read_rule_set(1, STANDARD), read_rule_set(2, large())
    asked, judged = (asked_us(small), asked_us(big)), (judged_us(small), judged_us(big))
    print("| us of CPU a decision | built-in (15 rows) | 200 rows | must be | aim |")
    print("|---|--:|--:|--:|--:|")
    print(f"| asking the rules | {asked[0]:.1f} | {asked[1]:.1f} | {MOST_US:g} | {AIM_US:g} |")
    print(f"| the whole judgement | {judged[0]:.1f} | {judged[1]:.1f} | | |")
    return asked[1] <= MOST_US


def over_http(rounds: int, seconds: float, customers: int = 2_000) -> bool:
    """Print authorizations a second with both policies; tells whether the share is reached."""
    found = Found()
    with (
        tempfile.TemporaryDirectory(prefix="aval-rules-") as name,
        meter(found) as counter,
        databases.embedded(Path(name) / "state") as side,
    ):
        seed(side, Size(customers))
        _store(side)
        for turn in range(rounds):
            for version in (1, 2) if turn % 2 == 0 else (2, 1):
                _measure(counter, side, version, (seconds, customers))
        rates = {}
        for version in (1, 2):
            tally = found.tallies[Key(f"version {version}", side.name, 32)]
            rates[version] = tally.rate
            cpu_us = 1e6 * tally.service_s / max(1, tally.done)
            print(f"version {version}: {tally.rate:,.0f}/s, {cpu_us:.0f} us of the service's CPU")
            print(f"  odd answers: {tally.odd}")
    share = rates[2] / rates[1]
    print(f"200 rows / built-in: {share:.3f} (must be {LEAST_SHARE:g})")
    return share >= LEAST_SHARE


def _store(side: Side) -> None:
    with psycopg.connect(side.url) as connection:
        data = orjson.dumps(large()).decode()
        connection.execute("INSERT INTO rule_set (version, data) VALUES (2, %s::jsonb)", [data])


def _measure(counter: Meter, side: Side, version: int, size: tuple[float, int]) -> None:
    with psycopg.connect(side.url) as connection:
        connection.execute("UPDATE segment SET rule_set_version = %s", [version])
    seconds, customers = size
    row = of_aval(side, f"version {version}", "authorize", customers)
    counter.for_time(row, 32, seconds, 0.5)


def main() -> int:
    """Measure; exit 1 if a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.rules", description=__doc__)
    parser.add_argument("--memory", action="store_true", help="nothing over HTTP")
    parser.add_argument("--rounds", type=int, default=4, help="of each policy")
    parser.add_argument("--seconds", type=float, default=1.0, help="of one round")
    parser.add_argument("--replay", type=int, metavar="N", help="judge N stored decisions again")
    given = parser.parse_args()
    if given.replay:
        return 0 if replayed(given.replay, orjson.dumps(large()).decode()) else 1
    kept = in_memory()
    if not given.memory:
        kept = over_http(given.rounds, given.seconds) and kept
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
