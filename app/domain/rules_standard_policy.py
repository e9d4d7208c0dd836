"""The written policy that ships: its clauses in both languages, and what it is tested by."""

from typing import Any, Final

CLAUSES: Final[list[dict[str, str]]] = [
    {
        "id": "1.1",
        "zh": "已停用的客户不再赊销，订单一律驳回。",
        "en": (
            "Nothing is sold on credit to a customer that is inactive: its orders are rejected."
        ),
    },
    {
        "id": "1.2",
        "zh": "信用部门驳回的订单不得再次放行，须重新下单。",
        "en": ("An order that credit management rejected stays rejected; a new order is needed."),
    },
    {
        "id": "1.3",
        "zh": "人工冻结的订单，只有有权限的人员才能解除，任何自动流程都不得放行。",
        "en": (
            "A forced hold is lifted by a person with the right, and by nothing that works "
            "by itself."
        ),
    },
    {
        "id": "1.4",
        "zh": "客户或其所属集团被停止赊销期间，所有订单一律暂停。",
        "en": (
            "While sales on credit to a customer or its group are stopped, every order of "
            "it is held."
        ),
    },
    {
        "id": "2.1",
        "zh": "外币订单按最近 7 天内的汇率折算；没有汇率的订单暂停，不得按 1 折算。",
        "en": (
            "An order in another currency is valued at a rate of the last 7 days; without "
            "one it is held, never valued at 1."
        ),
    },
    {
        "id": "2.2",
        "zh": "账户有台账记录被隔离时，占用额可能不完整，订单暂停，直至隔离解除。",
        "en": (
            "While ledger events of an account are quarantined its exposure may be "
            "incomplete: its orders are held."
        ),
    },
    {
        "id": "2.3",
        "zh": "台账超过 7 天没有更新时，占用额不可信，订单暂停。",
        "en": (
            "When no ledger event has arrived for more than 7 days the figures are not "
            "trusted and orders are held."
        ),
    },
    {
        "id": "3.1",
        "zh": "没有信用额度的客户，只能在预付款覆盖的范围内发货（款到发货）。",
        "en": (
            "Without a credit limit an order passes only as far as prepayments cover it "
            "(cash in advance)."
        ),
    },
    {
        "id": "3.2",
        "zh": "额度过期视同没有额度，须重新审批。",
        "en": "A limit that has expired grants no credit until it is approved again.",
    },
    {
        "id": "3.3",
        "zh": "订单连同已有占用不得超过有效额度（含容差），客户及其每一级集团的额度都要满足。",
        "en": (
            "An order and what is used already must fit the effective limit with its "
            "tolerance, of the customer and of every group above it."
        ),
    },
    {
        "id": "4.1",
        "zh": "最早一笔未清款逾期超过 30 天的客户，新订单暂停。",
        "en": "Orders are held while the oldest open item is more than 30 days overdue.",
    },
    {
        "id": "4.2",
        "zh": "逾期 7 天以上，且逾期款超过未清款一半的客户，新订单暂停。",
        "en": (
            "Orders are held while more than half of what is open is overdue and the oldest "
            "of it by more than 7 days."
        ),
    },
    {
        "id": "5.1",
        "zh": "信用等级为 E 的客户，每张订单须人工审批。",
        "en": "Each order of a customer of risk class E needs a person's decision.",
    },
    {
        "id": "5.2",
        "zh": "尚未评分的客户，按额度放行并提示。",
        "en": "A customer without a score is judged by its limit, with a warning.",
    },
    {
        "id": "5.3",
        "zh": "评分超过 35 天没有更新时提示。",
        "en": "A score that is more than 35 days old is used with a warning.",
    },
    {
        "id": "6.1",
        "zh": "账期不得长于客户信用等级允许的天数；全额预付的订单不限。",
        "en": (
            "Payment terms are no longer than the customer's risk class may have; an order "
            "that is prepaid in full has none."
        ),
    },
    {
        "id": "6.2",
        "zh": "信用等级要求预付的客户，未交订单的预付款比例不得低于规定。",
        "en": (
            "A customer of a class that pays in advance has prepaid that share of what is open "
            "on its orders."
        ),
    },
]
"""Every clause, by its number."""

EXAMPLES: Final[list[dict[str, Any]]] = [
    {
        "name": "ordinary order",
        "outcome": "APPROVE",
        "reasons": [],
    },
    {
        "name": "inactive customer",
        "context": {"customer_active": False},
        "outcome": "REJECT",
        "reasons": ["CUSTOMER_INACTIVE"],
    },
    {
        "name": "rejected order",
        "context": {"order_rejected": True},
        "outcome": "REJECT",
        "reasons": ["ORDER_REJECTED"],
    },
    {
        "name": "forced hold",
        "context": {"order_forced_hold": True},
        "outcome": "HOLD",
        "reasons": ["FORCED_HOLD"],
    },
    {
        "name": "stopped account",
        "context": {"account_stopped": True},
        "outcome": "HOLD",
        "reasons": ["ACCOUNT_STOPPED"],
    },
    {
        "name": "no rate",
        "context": {"fx_missing": "USD/CNY"},
        "outcome": "HOLD",
        "reasons": ["FX_RATE_MISSING"],
    },
    {
        "name": "quarantined event",
        "context": {"account_quarantined": 1},
        "outcome": "HOLD",
        "reasons": ["LEDGER_QUARANTINE"],
    },
    {
        "name": "no limit",
        "context": {"limit_state": "NONE", "limit_excess_minor": 1},
        "outcome": "HOLD",
        "reasons": ["NO_LIMIT"],
    },
    {
        "name": "prepaid without a limit",
        "context": {"limit_state": "NONE"},
        "outcome": "APPROVE",
        "reasons": [],
    },
    {
        "name": "expired limit",
        "context": {"limit_state": "EXPIRED", "limit_excess_minor": 1},
        "outcome": "HOLD",
        "reasons": ["LIMIT_EXPIRED"],
    },
    {
        "name": "over the limit",
        "context": {"limit_excess_minor": 1},
        "outcome": "HOLD",
        "reasons": ["OVER_LIMIT"],
    },
    {
        "name": "30 days overdue",
        "context": {"account_overdue_days": 30},
        "outcome": "APPROVE",
        "reasons": [],
    },
    {
        "name": "31 days overdue",
        "context": {"account_overdue_days": 31},
        "outcome": "HOLD",
        "reasons": ["OVERDUE_DAYS"],
    },
    {
        "name": "more than half overdue",
        "context": {"account_overdue_days": 8, "account_overdue_share_percent": 51},
        "outcome": "HOLD",
        "reasons": ["OVERDUE_SHARE"],
    },
    {
        "name": "class E",
        "context": {"score_class": "E"},
        "outcome": "HOLD",
        "reasons": ["SCORE_CLASS"],
    },
    {
        "name": "silent ledger",
        "context": {"ledger_age_days": 8},
        "outcome": "HOLD",
        "reasons": ["STALE_LEDGER"],
    },
    {
        "name": "not scored",
        "context": {"score_class": ""},
        "outcome": "APPROVE",
        "reasons": [],
        "warnings": ["NOT_SCORED"],
    },
    {
        "name": "old score",
        "context": {"score_age_days": 36},
        "outcome": "APPROVE",
        "reasons": [],
        "warnings": ["STALE_SCORE"],
    },
    {
        "name": "overdue amount unknown",
        "missing": ["account_overdue_share_percent"],
        "outcome": "HOLD",
        "reasons": ["MISSING_INPUT"],
    },
    {
        "name": "terms too long",
        "context": {"terms_asked_days": 90, "terms_allowed_days": 60, "terms_excess_days": 30},
        "outcome": "HOLD",
        "reasons": ["TERMS_TOO_LONG"],
    },
    {
        "name": "too little prepaid",
        "context": {"prepay_required_minor": 100, "prepay_missing_minor": 100},
        "outcome": "HOLD",
        "reasons": ["PREPAYMENT_TOO_LOW"],
    },
]
"""What must come out of the standard policy; each is the schema's example with changes."""
