"""The policy that shipped first, in the form of terms, as old databases have it as version 1."""

from typing import Any, Final

FIRST_STANDARD: Final[dict[str, Any]] = {
    "name": "standard",
    "tolerance_percent": "0",
    "rows": [
        {
            "id": "customer-active",
            "reason": "CUSTOMER_INACTIVE",
            "outcome": "REJECT",
            "when": [["customer_active", "==", False]],
        },
        {
            "id": "order-rejected",
            "reason": "ORDER_REJECTED",
            "outcome": "REJECT",
            "when": [["order_rejected", "==", True]],
        },
        {
            "id": "forced-hold",
            "reason": "FORCED_HOLD",
            "outcome": "HOLD",
            "when": [["order_forced_hold", "==", True]],
        },
        {
            "id": "account-stop",
            "reason": "ACCOUNT_STOPPED",
            "outcome": "HOLD",
            "when": [["account_stopped", "==", True]],
        },
        {
            "id": "fx-rate",
            "reason": "FX_RATE_MISSING",
            "outcome": "HOLD",
            "when": [["fx_missing", "!=", ""]],
            "observed": "fx_missing",
        },
        {
            "id": "quarantine",
            "reason": "LEDGER_QUARANTINE",
            "outcome": "HOLD",
            "when": [["account_quarantined", ">", 0]],
            "observed": "account_quarantined",
        },
        {
            "id": "no-limit",
            "reason": "NO_LIMIT",
            "outcome": "HOLD",
            "scope": "path",
            "when": [["limit_state", "==", "NONE"], ["limit_excess_minor", ">", 0]],
            "observed": "limit_needed_minor",
            "threshold": "limit_ceiling_minor",
        },
        {
            "id": "limit-expired",
            "reason": "LIMIT_EXPIRED",
            "outcome": "HOLD",
            "scope": "path",
            "when": [["limit_state", "==", "EXPIRED"], ["limit_excess_minor", ">", 0]],
            "observed": "limit_needed_minor",
            "threshold": "limit_ceiling_minor",
        },
        {
            "id": "over-limit",
            "reason": "OVER_LIMIT",
            "outcome": "HOLD",
            "scope": "path",
            "when": [["limit_state", "==", "ACTIVE"], ["limit_excess_minor", ">", 0]],
            "observed": "limit_needed_minor",
            "threshold": "limit_ceiling_minor",
        },
        {
            "id": "overdue-days",
            "reason": "OVERDUE_DAYS",
            "outcome": "HOLD",
            "when": [["account_overdue_days", ">", 30]],
            "observed": "account_overdue_days",
        },
        {
            "id": "overdue-share",
            "reason": "OVERDUE_SHARE",
            "outcome": "HOLD",
            "when": [["account_overdue_share_percent", ">", 50], ["account_overdue_days", ">", 7]],
            "observed": "account_overdue_share_percent",
        },
        {
            "id": "score-class",
            "reason": "SCORE_CLASS",
            "outcome": "HOLD",
            "when": [["score_class", "in", ["E"]]],
            "observed": "score_class",
        },
        {
            "id": "stale-ledger",
            "reason": "STALE_LEDGER",
            "outcome": "HOLD",
            "when": [["ledger_age_days", ">", 7]],
            "observed": "ledger_age_days",
        },
        {
            "id": "not-scored",
            "reason": "NOT_SCORED",
            "outcome": "WARN",
            "when": [["score_class", "==", ""]],
        },
        {
            "id": "stale-score",
            "reason": "STALE_SCORE",
            "outcome": "WARN",
            "when": [["score_class", "!=", ""], ["score_age_days", ">", 35]],
            "observed": "score_age_days",
        },
    ],
}
"""It must judge as the one that ships today, name for name."""
