"""Metrics of the policy: what is done with rule sets."""

from typing import Final

from prometheus_client import Counter

from app.telemetry.bounded import Bounded

RULE_SET_ACTIONS: Final = Bounded(
    Counter(
        "aval_rule_set_actions",
        "What was done with rule sets: `DRAFT`, `PROPOSE`, `APPROVE`, `REJECT`, `ACTIVATE`, or"
        " `FOLLOW` (a segment follows the default again).",
        ["type"],
    ),
    most=6,
)

RULE_METRICS: Final = (RULE_SET_ACTIONS,)
"""All of them, in the order of the page."""
