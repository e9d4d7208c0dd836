"""Every name that a condition may read: its type, unit, bounds, an example, and where it is known.

What a name means is said in both languages in `app/texts/rules.toml`, as `RULE_NAME_<name>`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from app.domain.cel import LARGEST, Value
from app.domain.cel_check import Kind
from app.domain.signals import COUNTS

Group = Literal["order", "account", "limit", "customer", "score", "payment", "signal", "freshness"]

ATTRIBUTE: Final = "attribute_"
"""Before the key of one of `order.attributes`: a text, missing where the order has no such key.

Only keys that are names by themselves (letters, digits, `_`) can be read."""

_ATTRIBUTE: Final = re.compile(r"attribute_[A-Za-z0-9_]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SchemaName:
    """One name. `example` is that of an order which the standard policy lets pass.

    `path`: it belongs to one account that the order must fit, and is known to rows of the scope
    `path` alone. `may_miss`: there may be nothing to know, and the row then says MISSING_INPUT.
    """

    name: str
    kind: Kind
    unit: str
    group: Group
    example: Value
    path: bool
    may_miss: bool


_Bounds = tuple[type[Value], str, int | None, int | None]

_MISS: Final = "may miss"
_PATH: Final = "path"
_DAYS: Final[_Bounds] = (int, "days", 0, 36_500)
_MINOR: Final[_Bounds] = (int, "minor", 0, LARGEST)
_SIGNED: Final[_Bounds] = (int, "minor", -LARGEST, LARGEST)
_COUNT: Final[_Bounds] = (int, "count", 0, LARGEST)
_PERCENT: Final[_Bounds] = (int, "percent", 0, LARGEST)
_SHARE: Final[_Bounds] = (int, "percent", 0, 100)
_PPM: Final[_Bounds] = (int, "ppm", 0, 1_000_000)
_POINTS: Final[_Bounds] = (int, "points", 0, 1000)
_CHANGE: Final[_Bounds] = (int, "days", -36_500, 36_500)
_TRUTH: Final[_Bounds] = (bool, "", None, None)
_TEXT: Final[_Bounds] = (str, "", None, None)

_TABLE: Final[tuple[tuple[str, Group, _Bounds, Value, str], ...]] = (
    ("check_point", "order", _TEXT, "ORDER", "QUOTE|ORDER|DELIVERY|GOODS_ISSUE|INVOICE"),
    ("order_amount_minor", "order", _MINOR, 1_250_000, _MISS),
    ("order_currency", "order", _TEXT, "CNY", ""),
    ("order_type", "order", _TEXT, "sale", "sale|return|internal"),
    ("order_rejected", "order", _TRUTH, False, ""),
    ("order_forced_hold", "order", _TRUTH, False, ""),
    ("payment_terms_days", "order", _DAYS, 30, _MISS),
    ("terms_asked_days", "order", _DAYS, 30, ""),
    ("terms_allowed_days", "order", _DAYS, 3650, ""),
    ("terms_excess_days", "order", _DAYS, 0, ""),
    ("prepay_paid_minor", "order", _MINOR, 0, ""),
    ("prepay_required_minor", "order", _MINOR, 0, ""),
    ("prepay_missing_minor", "order", _MINOR, 0, ""),
    ("ship_in_days", "order", _CHANGE, 3, _MISS),
    ("account_stopped", "account", _TRUTH, False, ""),
    ("account_quarantined", "account", _COUNT, 0, ""),
    ("account_overdue_days", "account", _DAYS, 0, ""),
    ("account_overdue_minor", "account", _MINOR, 0, _MISS),
    ("account_overdue_share_percent", "account", _SHARE, 0, _MISS),
    ("account_limit_minor", "account", _MINOR, 50_000_000, _MISS),
    ("account_exposure_minor", "account", _SIGNED, 10_000_000, ""),
    ("account_headroom_minor", "account", _SIGNED, 40_000_000, _MISS),
    ("account_utilization_percent", "account", _PERCENT, 20, _MISS),
    ("limit_state", "limit", _TEXT, "ACTIVE", "ACTIVE|NONE|EXPIRED|path"),
    ("limit_excess_minor", "limit", _MINOR, 0, _PATH),
    ("limit_needed_minor", "limit", _SIGNED, 11_250_000, _PATH),
    ("limit_ceiling_minor", "limit", _MINOR, 50_000_000, f"{_PATH} {_MISS}"),
    ("customer_active", "customer", _TRUTH, True, ""),
    ("customer_kind", "customer", _TEXT, "company", "company|sole_trader|person|may miss"),
    ("customer_country", "customer", _TEXT, "CN", _MISS),
    ("customer_industry", "customer", _TEXT, "C34", _MISS),
    ("customer_tenure_days", "customer", _DAYS, 900, _MISS),
    ("score_class", "score", _TEXT, "B", "A|B|C|D|E|N|"),
    ("score_value", "score", _POINTS, 742, _MISS),
    ("score_pd_ppm", "score", _PPM, 21_000, _MISS),
    ("order_pd_ppm", "score", _PPM, 21_000, _MISS),
    ("payment_on_time_percent", "payment", _SHARE, 95, _MISS),
    ("payment_days_late_mean", "payment", _DAYS, 2, _MISS),
    ("payment_days_late_max", "payment", _DAYS, 12, _MISS),
    ("payment_trend_days", "payment", _CHANGE, 0, _MISS),
    ("payment_invoices", "payment", _COUNT, 48, _MISS),
    *((f"signals_{name}", "signal", _COUNT, 0, _MISS) for name in COUNTS),
    ("fx_missing", "freshness", _TEXT, "", ""),
    ("fx_age_days", "freshness", _DAYS, 0, _MISS),
    ("ledger_age_days", "freshness", _DAYS, 0, ""),
    ("score_age_days", "freshness", _DAYS, 1, ""),
    ("payment_age_days", "freshness", _DAYS, 1, _MISS),
    ("signals_age_days", "freshness", _DAYS, 1, _MISS),
)
"""Name, group, (type, unit, lowest, highest), example, and the values of a text or flags."""


def _schema_name(  # the columns of the table
    name: str,
    group: Group,
    kind: _Bounds,
    example: Value,
    told: str,
) -> SchemaName:
    of_type, unit, low, high = kind
    flags = (told.split("|") if "|" in told else told.split()) if told else []
    path, may_miss = _PATH in flags, told.endswith(_MISS)
    values = None
    if "|" in told:
        values = frozenset(flags) - {_PATH, _MISS}
    return SchemaName(name, Kind(of_type, values, low, high), unit, group, example, path, may_miss)


NAMES: Final[Mapping[str, SchemaName]] = {row[0]: _schema_name(*row) for row in _TABLE}
"""The schema. `*_minor` are minor units of the payer's account's currency, and of the account asked
about where the name is known to `path` rows alone; `*_days` whole days; percents are rounded up;
`fx_missing` is the pair without a rate (`USD/CNY`) or empty; `score_class` is A to E, N (too
little history) or empty (not scored)."""

_ANY_TEXT: Final = Kind(str)


def attribute_key(name: str) -> str | None:
    """Give the key of the order's attribute that a name stands for; None: it stands for none."""
    return name.removeprefix(ATTRIBUTE) if _ATTRIBUTE.fullmatch(name) else None


class Kinds(dict[str, Kind]):
    """The kinds of all names, those of the orders' attributes among them."""

    def __contains__(self, name: object) -> bool:
        """Tell whether there is such a name."""
        return super().__contains__(name) or (
            isinstance(name, str) and attribute_key(name) is not None
        )

    def __missing__(self, name: str) -> Kind:
        """Give the kind of an attribute."""
        if attribute_key(name) is None:
            raise KeyError(name)
        return _ANY_TEXT


KINDS: Final = Kinds({name: one.kind for name, one in NAMES.items()})
"""What conditions are checked against."""
