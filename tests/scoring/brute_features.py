"""The features once more, in plain Python and one row at a time: slow, and easy to read.

It shares no code with the frames; a list of what was known on the day is made first, and every
feature is a line over it.
"""

import math
import statistics
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from app.domain.financials import ITEMS, RATIOS
from app.domain.signals import SignalKind
from tests.scoring.feature_world import Row, World

Numbers = Sequence[float]


def mean(values: Numbers) -> float | None:
    """Average; None of nothing."""
    return sum(values) / len(values) if values else None


def over(top: float | None, bottom: float | None) -> float | None:
    """Divide where the bottom is above 0."""
    if top is None or bottom is None or bottom <= 0:
        return None
    return top / bottom


def brute(world: World, asked: Row) -> dict[str, float | None]:
    """Compute every feature of one question."""
    on, name = asked["as_of"], asked["customer_id"]
    master = next((row for row in world.customers if row["customer_id"] == name), None)
    bills = seen(world, name, on)
    currency = asked["currency"] or (master["currency"] if master else None)
    everybody = [bill for row in customers(world) for bill in seen(world, row, on)]
    found: dict[str, float | None] = {}
    found |= behaviour(bills, on, everybody)
    found |= open_items(bills, on, currency)
    found |= limits(world, asked, bills, found, currency)
    found |= orders(bills, asked, currency)
    found |= tenure(bills, on, master)
    found |= season(bills, on, asked)
    found |= financials(world, name, on)
    found |= signals(world, name, on)
    return found | related(world, master, on, currency)


def customers(world: World) -> list[str]:
    """List all ids."""
    return [row["customer_id"] for row in world.customers]


def seen(world: World, name: str, on: date) -> list[Row]:
    """List a customer's invoices as they stood at the end of a day."""
    found = []
    for bill in world.invoices:
        if bill["customer_id"] != name or bill["issue_date"] > on or bill["amount_minor"] <= 0:
            continue
        if not was_known(bill, on):
            continue
        paid: dict[date, int] = {}
        for row in world.payments:
            when, minor = row["paid_date"], row["amount_minor"]
            if row["invoice"] == bill["invoice"] and minor > 0 and when <= on:
                paid[when] = paid.get(when, 0) + minor
        closed, total = None, 0
        for when in sorted(paid):
            total += paid[when]
            if closed is None and total >= bill["amount_minor"]:
                closed = when
        lag = ((closed or on) - bill["due_date"]).days
        before = on - timedelta(days=90)
        total_before = sum(minor for when, minor in paid.items() if when <= before)
        found.append(
            bill
            | {
                "closed": closed is not None,
                "lag": lag,
                "known": closed is not None or on > bill["due_date"],
                "late": max(0, lag),
                "open": 0 if closed else bill["amount_minor"] - total,
                "open_before": max(0, bill["amount_minor"] - total_before)
                if bill["issue_date"] <= before
                else 0,
                "touched": bool(paid),
                "in_parts": bool(paid) and closed != min(paid),
                "overdue": closed is None and bill["due_date"] < on,
            }
        )
    return found


def was_known(bill: Row, on: date) -> bool:
    """Tell whether a row is what was known at the end of a day, and nothing else yet."""
    known_on, gone_on = bill["known_on"], bill["gone_on"]
    return (known_on is None or known_on <= on) and (gone_on is None or on < gone_on)


def behaviour(bills: list[Row], on: date, everybody: list[Row]) -> dict[str, float | None]:
    """Say how a customer has paid."""
    known = [bill for bill in bills if bill["known"]]
    due = [bill for bill in known if bill["due_date"] <= on]
    recent = [bill["late"] for bill in due if (on - bill["due_date"]).days < 90]
    before = [bill["late"] for bill in due if (on - bill["due_date"]).days >= 90]
    half = [bill["lag"] <= 0 for bill in due if (on - bill["due_date"]).days < 180]
    last = max(known, key=lambda bill: (bill["due_date"], bill["lag"]), default=None)
    weight = sum(bill["amount_minor"] for bill in known)
    touched = [bill["in_parts"] for bill in bills if bill["touched"]]
    disputed = [bill["disputed_on"] is not None and bill["disputed_on"] <= on for bill in bills]
    lags = [bill["lag"] for bill in known]
    trend = None
    if len(recent) >= 3 and len(before) >= 3:
        trend = sum(recent) / len(recent) - sum(before) / len(before)
    return {
        "on_time_rate": mean([bill["lag"] <= 0 for bill in due]),
        "on_time_rate_recent": mean(half),
        "mean_days_late": mean([bill["late"] for bill in known]),
        "mean_days_late_recent": mean(recent),
        "mean_days_late_by_amount": over(
            sum(bill["late"] * bill["amount_minor"] for bill in known), weight
        ),
        "mean_lag_days": mean(lags),
        "last_lag_days": last["lag"] if last else None,
        "spread_days_late": statistics.pstdev(lags) if lags else None,
        "max_days_late": max((bill["late"] for bill in known), default=None),
        "recent_trend": trend,
        "partial_share": mean(touched),
        "disputed_share": mean(disputed),
        "invoices_closed": sum(bill["closed"] for bill in bills),
        "invoices_known": len(known),
        **rates(bills, everybody, 0, ("prior_late_rate", "global_late_rate")),
        **rates(bills, everybody, 30, ("prior_late_30_rate", "global_late_30_rate")),
    }


def rates(
    bills: list[Row], everybody: list[Row], days: int, names: tuple[str, str]
) -> dict[str, float | None]:
    """Smooth the share later than `days` towards that of everybody."""

    def known(rows: list[Row]) -> list[bool]:
        return [row["lag"] > days for row in rows if row["closed"] or row["lag"] > days]

    whole = mean(known(everybody))
    own = known(bills)
    prior = None if whole is None else (sum(own) + 5 * whole) / (len(own) + 5)
    return {names[0]: prior, names[1]: whole}


def open_items(bills: list[Row], on: date, currency: str | None) -> dict[str, float | None]:
    """Add up what is open and past due."""
    still = [bill for bill in bills if not bill["closed"]]
    late = [bill for bill in bills if bill["overdue"]]
    owed = sum(bill["open"] for bill in still if bill["currency"] == currency)
    overdue = sum(bill["open"] for bill in late if bill["currency"] == currency)
    return {
        "open_amount_minor": owed,
        "open_count": len(still),
        "open_age_days": mean([(on - bill["issue_date"]).days for bill in still]),
        "overdue_amount_minor": overdue,
        "overdue_share": over(overdue, owed),
        "overdue_count": len(late),
        "overdue_days": max((bill["lag"] for bill in late), default=0),
        "overdue_mean_days": mean([bill["lag"] for bill in late]) or 0,
    }


def limit_on(world: World, name: str, on: date) -> int | None:
    """Find the limit in force on a day."""
    rows = [
        row
        for row in world.limits
        if row["customer_id"] == name
        and row["known_on"] <= on
        and row["valid_from"] <= on
        and (row["ended_on"] is None or row["ended_on"] > on)
    ]
    valid = [row for row in rows if row["valid_to"] is None or row["valid_to"] >= on]
    bases = [
        row
        for row in valid
        if row["kind"] == "base"
        and not any(
            other["kind"] == "base"
            and (other["valid_to"] is None or other["valid_to"] >= other["known_on"])
            and other["order"] > row["order"]
            and other["valid_from"] >= row["valid_from"]
            for other in rows
        )
    ]
    chosen = [row for row in valid if row["kind"] == "temporary"] or bases
    if not chosen:
        return None
    limit: int | None = max(chosen, key=lambda row: int(row["order"]))["limit_minor"]
    if limit is None:
        return None
    return limit + sum(row["limit_minor"] or 0 for row in valid if row["kind"] == "cover")


def limits(
    world: World, asked: Row, bills: list[Row], found: Row, currency: str | None
) -> dict[str, float | None]:
    """Compare use with limits, now and 90 days before."""
    on, name = asked["as_of"], asked["customer_id"]
    before_minor = sum(bill["open_before"] for bill in bills if bill["currency"] == currency)
    now = over(found["open_amount_minor"], limit_on(world, name, on))
    before = over(before_minor, limit_on(world, name, on - timedelta(days=90)))
    counted = asked["used_minor"] is not None
    return {
        "utilization": over(asked["used_minor"], asked["limit_minor"]) if counted else now,
        "utilization_change": None if now is None or before is None else now - before,
    }


def orders(bills: list[Row], asked: Row, currency: str | None) -> dict[str, float | None]:
    """Hold the order, or the latest invoice, against the habit."""
    order, terms = asked["order_amount_minor"], asked["order_terms_days"]
    own = [bill["amount_minor"] for bill in bills if bill["currency"] == currency]
    usual = [(bill["due_date"] - bill["issue_date"]).days for bill in bills]
    habit = None
    if order is not None:
        habit = order / statistics.median(own) if len(own) >= 3 else None
    elif bills:
        *rest, last = sorted(
            bills, key=lambda bill: (bill["issue_date"], bill["amount_minor"], bill["currency"])
        )
        same = [bill["amount_minor"] for bill in rest if bill["currency"] == last["currency"]]
        habit = last["amount_minor"] / statistics.median(same) if len(same) >= 3 else None
    change = None if terms is None or not usual else terms - statistics.median(usual)
    return {
        "order_habit": habit,
        "order_to_largest": order / max(own) if order is not None and own else None,
        "order_amount_minor": order,
        "order_terms_days": terms,
        "terms_change_days": change,
        "median_terms_days": statistics.median(usual) if usual else None,
    }


def tenure(bills: list[Row], on: date, master: Row | None) -> dict[str, float | None]:
    """Say since when and how often the customer buys."""
    issued = sorted(bill["issue_date"] for bill in bills)
    starts = list(issued)
    if master and master["since"] is not None and master["since"] <= on:
        starts.append(master["since"])
    recent = sum((on - when).days < 90 for when in issued)
    older = len(issued) - recent
    pace = None
    if issued and older >= 3 and (span := (on - issued[0]).days - 90) >= 90:
        pace = recent / (older * 90 / span)
    return {
        "tenure_days": (on - min(starts)).days if starts else None,
        "days_since_invoice": (on - issued[-1]).days if issued else None,
        "invoices_90d": recent,
        "buying_pace": pace,
    }


def season(bills: list[Row], on: date, asked: Row) -> dict[str, float | None]:
    """Look at invoices that were due in the same month of earlier years."""
    terms = asked["order_terms_days"]
    if terms is None and bills:
        usual = [(bill["due_date"] - bill["issue_date"]).days for bill in bills]
        terms = math.floor(statistics.median(usual))
    if terms is None:
        names = ("due_month", "due_day_of_month", "due_weekday", "season_late_rate")
        return dict.fromkeys(names)
    due = on + timedelta(days=1 + terms)
    old = [
        bill["lag"] > 0
        for bill in bills
        if bill["known"]
        and (on - bill["due_date"]).days >= 180
        and bill["due_date"].month == due.month
    ]
    return {
        "due_month": due.month,
        "due_day_of_month": due.day,
        "due_weekday": due.isoweekday(),
        "season_late_rate": mean(old) if len(old) >= 3 else None,
    }


def financials(world: World, name: str, on: date) -> dict[str, float | None]:
    """Read the newest statement known and the two before; of a year the one known last holds."""
    by_end: dict[date, Row] = {}
    for row in sorted(world.financials, key=lambda row: row["known_on"]):
        if row["customer_id"] == name and row["known_on"] <= on and row["period_end"] <= on:
            by_end[row["period_end"]] = row
    if not by_end:
        return {}
    end = max(by_end)
    now = by_end[end]

    def before(years: int) -> Row:
        low, high = (years - 1) * 365 + 300, (years - 1) * 365 + 430
        ends = [
            one
            for one, row in by_end.items()
            if low <= (end - one).days <= high and row["currency"] == now["currency"]
        ]
        return by_end[max(ends)] if ends else dict.fromkeys(ITEMS)

    one, two = before(1), before(2)
    three = [row["gross_profit"] for row in (now, one, two)]
    lines = now | {
        "previous_sales": one["sales"],
        "gross_profit_3y": None if None in three else sum(three),
    }
    found: dict[str, float | None] = {
        "financials_age_days": (on - end).days,
        "assets_growth": growth(now["total_assets"], one["total_assets"]),
        "equity_growth": growth(now["equity"], one["equity"]),
    }
    margins = [quotient(row["net_profit"], row["sales"]) for row in (now, one)]
    if margins[0] is not None and margins[1] is not None:
        found["net_margin_change"] = margins[0] - margins[1]
    for ratio in RATIOS:
        top, bottom = total(lines, ratio.top), total(lines, ratio.bottom)
        value = top if not ratio.bottom else quotient(top, bottom)
        if ratio.common_log:
            value = math.log10(top) if top is not None and top > 0 else None
        found[f"ratio_{ratio.name}"] = None if value is None else value * ratio.factor
    return found


def growth(now: float | None, before: float | None) -> float | None:
    """Grow from a base above 0."""
    return None if now is None or before is None or before <= 0 else now / before - 1


def quotient(top: float | None, bottom: float | None) -> float | None:
    """Divide by anything but 0."""
    return None if top is None or bottom is None or bottom == 0 else top / bottom


def total(lines: dict[str, Any], terms: tuple[str, ...]) -> float | None:
    """Add up terms; a minus takes one off."""
    values = [lines[term.removeprefix("-")] for term in terms]
    if None in values:
        return None
    signs = [-1 if term.startswith("-") else 1 for term in terms]
    return float(sum(sign * value for sign, value in zip(signs, values, strict=True)))


def signals(world: World, name: str, on: date) -> dict[str, float | None]:
    """Count what registries had told."""
    rows = [row for row in world.signals if row["customer_id"] == name and row["known_on"] <= on]
    if not rows:
        return {}
    adverse = [row for row in rows if row["kind"] and row["role"] != "PLAINTIFF"]
    lasting = [row for row in adverse if row["ended_on"] is None or row["ended_on"] > on]
    ages = [(on - row["known_on"]).days for row in adverse]
    return {
        "signals_adverse": len(lasting),
        "signals_adverse_90d": sum(age < 90 for age in ages),
        "signals_adverse_365d": sum(age < 365 for age in ages),
        "signals_as_defendant": sum(row["role"] == "DEFENDANT" for row in lasting),
        "signal_last_days": min(ages, default=None),
        "signals_as_plaintiff": sum(
            bool(row["kind"]) and row["role"] == "PLAINTIFF" for row in rows
        ),
        "signals_checked_days": min((on - row["known_on"]).days for row in rows),
        **{
            f"signals_{kind.value.lower()}": sum(row["kind"] == kind.value for row in lasting)
            for kind in SignalKind
        },
    }


def related(
    world: World, master: Row | None, on: date, currency: str | None
) -> dict[str, float | None]:
    """Say how parent and siblings pay."""
    if master is None or master["parent_id"] is None:
        return {}
    family = [
        row["customer_id"]
        for row in world.customers
        if row["parent_id"] == master["parent_id"] and row["customer_id"] != master["customer_id"]
    ]
    return {
        **party("parent", seen(world, master["parent_id"], on), currency),
        **party("siblings", [bill for one in family for bill in seen(world, one, on)], currency),
        "siblings": len(family),
    }


def party(whose: str, bills: list[Row], currency: str | None) -> dict[str, float | None]:
    """Sum up how others pay."""
    if not bills:
        return {}
    owed = sum(bill["open"] for bill in bills if bill["currency"] == currency)
    late = sum(bill["open"] for bill in bills if bill["overdue"] and bill["currency"] == currency)
    return {
        f"{whose}_overdue_days": max((b["lag"] for b in bills if b["overdue"]), default=0),
        f"{whose}_overdue_share": over(late, owed),
        f"{whose}_late_rate": mean([bill["lag"] > 0 for bill in bills if bill["known"]]),
    }
